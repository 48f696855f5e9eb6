"""Arrow <-> what users hold: Polars, NumPy, dicts, tuples; and the checking of what they insert, column by column."""
