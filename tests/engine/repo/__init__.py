"""Export and open, on a real server."""
