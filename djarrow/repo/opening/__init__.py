"""Repositories that are open: their tables, and which of their files a query reads."""
