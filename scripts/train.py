"""The command `cu-train` from a checkout: python scripts/train.py ..."""

from cu.cli.supervised import train

if __name__ == "__main__":
    train()
