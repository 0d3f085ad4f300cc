"""Whose names launchers and sweepers have."""
