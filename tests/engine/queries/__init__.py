"""One suite of queries that runs on PostgreSQL and on a repository through DuckDB."""
