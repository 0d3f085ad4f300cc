"""Make configs/settings/searched from a finished search.

    python scripts/select_trials.py [OUTPUTS] [--objective KEY]    write the settings that trials chose
    ... --other-modes EXPERIMENT                                   print commands that try each method's best point in
                                                                   the other mode of batch normalisation

The printed commands are the last trials of a search: run them, then write. They can be printed again.
"""

import argparse
import shlex
import sys
from pathlib import Path

from cu.config.folder import config_folder
from cu.errors import ConfigError
from cu.reporting.best_trials import OPTIONS, other_modes, trials
from cu.reporting.collect import collect
from cu.reporting.searched_settings import write_settings

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("outputs", type=Path, nargs="?", default=Path("outputs"))
    parser.add_argument("--objective", choices=OPTIONS, default="agg/val_gap", help="what judges a trial")
    parser.add_argument("--other-modes", metavar="EXPERIMENT", help="print commands instead of writing settings")
    asked = parser.parse_args()
    try:
        tried = trials(collect(asked.outputs), asked.objective)
        if asked.other_modes:
            place = shlex.quote(f"paths.outputs={asked.outputs}")
            for words in other_modes(tried):
                print(f"cu-unlearn -m experiment={asked.other_modes} {words} {place}")
            sys.exit()
        files = write_settings(tried, config_folder())
    except ConfigError as error:
        sys.exit(f"error: {error}")
    print(f"written: {len(files)} files below {config_folder()}")
    for file in files:
        if "settings" in file.relative_to(config_folder()).parts:
            print(f"use: settings={file.relative_to(config_folder() / 'settings').with_suffix('').as_posix()}")
