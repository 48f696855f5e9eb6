"""Query and definition -> text of SQL. Fixed statements stand in .sql files. Nothing here runs anything."""
