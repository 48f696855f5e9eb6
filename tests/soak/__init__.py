"""What must hold every time, tried many times. Run by `nox -s soak`; DJARROW_SOAK says how many times, else 50."""
