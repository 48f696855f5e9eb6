"""Repositories: export to Parquet, the manifest, and opening what was exported with no server."""
