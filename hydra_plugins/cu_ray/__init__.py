"""`hydra/launcher=ray`: the jobs of a sweep as tasks of a Ray cluster, or of a Ray of their own."""
