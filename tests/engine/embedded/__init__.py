"""The embedded server, tried on real servers."""
