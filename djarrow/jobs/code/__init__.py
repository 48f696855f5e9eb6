"""Reading code as trees that only what it does can change. What of it belongs to a make: fingerprint.py above."""
