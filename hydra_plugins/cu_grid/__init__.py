"""Hydra's own sweeper over grids, less most of what it composes twice."""
