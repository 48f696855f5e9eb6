"""First on the path of processes that tests start, which begin much sooner so: Arrow loads pandas wherever it is."""

raise ImportError("left out")
