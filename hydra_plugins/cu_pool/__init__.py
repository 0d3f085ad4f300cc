"""`hydra/launcher=pool`: every job of a sweep in a process of its own."""
