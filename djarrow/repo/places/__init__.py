"""Where repositories lie: a folder, or an object store that fsspec reaches. One interface for both, in base.py."""
