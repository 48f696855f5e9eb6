"""Properties that hold for generated cases."""
