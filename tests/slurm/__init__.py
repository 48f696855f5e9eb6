"""populate on a real Slurm, through dask-jobqueue. Run by `nox -s slurm`; DJARROW_SLURM_UP says how it is started."""
