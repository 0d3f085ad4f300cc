"""Weights from a user's file, under whatever names and in whatever container, and back into the same."""
