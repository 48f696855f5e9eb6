"""Changing rows: insert, delete, update1. Changing tables is changing/'s question. Design section 8."""
