"""The command line: `djarrow demo`, `djarrow server`."""
