"""Imported once by the process that all jobs are forked from: what every job needs, and nothing that computes."""

import os

from hydra.core.plugins import Plugins

import cu.cli  # noqa: F401

Plugins.instance()  # Hydra looks for its plugins
os.setsid()  # Ctrl-C and a killed terminal are for the launcher, which ends its jobs in order
