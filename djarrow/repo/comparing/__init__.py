"""Which rows of two repositories or databases differ."""
