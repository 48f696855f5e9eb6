"""How classes become tables: what their definitions refer to, activating a schema, making tables, filling lookups."""
