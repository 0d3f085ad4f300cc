"""Whether two outputs folders hold the same numbers, to the last digit: python scripts/compare_results.py A B.

For whoever upgrades: run the same command with the old and the new version, each into its own folder, and compare.
Exit code 1 if a number differs or a run is in one folder only. Times and memory are left out.
"""

import argparse
import sys
from pathlib import Path

from cu.disk.files import Damaged
from cu.errors import ConfigError
from cu.store.comparison import differences

SHOWN = 20

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", type=Path, help="an outputs folder")
    parser.add_argument("b", type=Path, help="another one")
    folders = parser.parse_args()
    try:
        found = differences(folders.a, folders.b)
    except (ConfigError, Damaged) as error:
        sys.exit(f"error: {error}")
    for label, key, part, x, y in found.changed[:SHOWN]:
        print(f"{label}: {part} of {key}: {x} != {y}")
    if len(found.changed) > SHOWN:
        print(f"... and {len(found.changed) - SHOWN} more")
    for side, missing in (("A", found.only_a), ("B", found.only_b)):
        for line in missing[:SHOWN]:
            print(f"only in {side}: {line}")
        if len(missing) > SHOWN:
            print(f"... and {len(missing) - SHOWN} more only in {side}")
    print(f"{found.compared} numbers compared, {len(found.changed)} differ")
    sys.exit(int(bool(found.changed or found.only_a or found.only_b)))
