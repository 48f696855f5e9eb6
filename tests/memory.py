"""The peak memory of a process, asked by a script that a test or benchmark runs in a process of its own."""

PEAK = r"""
def peak():
    # MB. What getrusage tells on Linux includes the process that started this one, up to its start.
    import pathlib, re, resource, sys
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text())[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
"""
