"""What runs for long, by `nox -s soak`."""
