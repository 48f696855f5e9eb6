"""Repositories that become tables of a database again."""
