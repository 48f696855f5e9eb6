"""The demo: what `djarrow demo` runs, and a first example to read. Begin with pipeline.py, then questions.py."""
