"""Run folders as tidy tables, and the choice among them."""

from cu.reporting.collect.runs import Collection, collect

__all__ = ["Collection", "collect"]
