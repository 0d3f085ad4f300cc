"""The hostile campaign: see scripts/hostile."""
