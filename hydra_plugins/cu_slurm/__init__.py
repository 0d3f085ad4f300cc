"""`hydra/launcher=slurm`: the jobs of a sweep as an array of Slurm jobs."""
