"""Imported once by the process that all jobs are forked from, before anything else."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # a process with threads cannot be forked; each job sets its own number

from hydra.core.plugins import Plugins

import cu.cli.commands  # noqa: F401

Plugins.instance()  # Hydra looks for its plugins
os.setsid()  # Ctrl-C and a killed terminal are for the launcher, which ends its jobs in order
