"""Exports: what they take, how it becomes files, and how these are published."""
