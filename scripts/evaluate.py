"""The command `cu-evaluate` from a checkout: python scripts/evaluate.py ..."""

from cu.cli.supervised import evaluate

if __name__ == "__main__":
    evaluate()
