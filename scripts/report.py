"""The command `cu-report` from a checkout: python scripts/report.py ..."""

from cu.cli.commands import report

if __name__ == "__main__":
    report()
