"""Which parts of a Polars predicate can SQL say, with Polars's own result? Its tree in JSON -> terms and conditions."""
