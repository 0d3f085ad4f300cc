"""The command `cu-unlearn` from a checkout: python scripts/unlearn.py ..."""

from cu.cli.supervised import unlearn

if __name__ == "__main__":
    unlearn()
