"""Text of SQL -> Arrow batches, and Arrow batches -> tables. The only place that imports database drivers."""
