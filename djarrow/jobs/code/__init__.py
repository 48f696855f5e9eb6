"""Reading Python code as a tree that only what it does can change. Which code belongs to a make: fingerprint.py above."""
