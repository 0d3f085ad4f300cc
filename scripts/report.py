"""The command `cu-report` from a checkout: python scripts/report.py ..."""

from cu.cli.supervised import report

if __name__ == "__main__":
    report()
