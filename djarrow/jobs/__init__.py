"""Computing: make, populate, and the tables that fill themselves."""
