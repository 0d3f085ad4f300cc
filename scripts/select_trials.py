"""Make configs/settings/searched from a finished search: python scripts/select_trials.py [OUTPUTS]."""

import sys
from pathlib import Path

from cu.config.folder import config_folder
from cu.errors import ConfigError
from cu.reporting.best_trials import trials, write_settings
from cu.reporting.collect import collect

if __name__ == "__main__":
    outputs = Path(sys.argv[1] if len(sys.argv) > 1 else "outputs")
    try:
        files = write_settings(trials(collect(outputs), "agg/val_gap"), config_folder())
    except ConfigError as error:
        sys.exit(f"error: {error}")
    print(f"written: {len(files)} files below {config_folder()}")
    for file in files:
        if "settings" in file.relative_to(config_folder()).parts:
            print(f"use: settings={file.relative_to(config_folder() / 'settings').with_suffix('').as_posix()}")
