"""Changing and dropping tables that exist: what may be done to them, shown and asked for first."""
