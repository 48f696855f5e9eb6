"""What a table is: names, types, heading, definition text -> TableSpec, dependency graph. Pure: no I/O, no database."""
