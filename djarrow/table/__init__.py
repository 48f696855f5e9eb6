"""What users type: Schema, tables by tier, query expressions, insert, fetch."""
