"""Make configs/tuned from a finished search: python scripts/choose.py [OUTPUTS]."""

import sys
from pathlib import Path

from cu.config.folder import config_folder
from cu.errors import ConfigError
from cu.reporting.choice import trials, write_choice
from cu.reporting.collect import collect

if __name__ == "__main__":
    outputs = Path(sys.argv[1] if len(sys.argv) > 1 else "outputs")
    try:
        files = write_choice(trials(collect(outputs), "agg/val_gap"), config_folder())
    except ConfigError as error:
        sys.exit(f"error: {error}")
    print(f"written: {len(files)} files below {config_folder() / 'tuned'}")
