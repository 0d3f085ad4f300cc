"""`hydra/sweeper=optuna`: a search for settings, kept on disk."""
