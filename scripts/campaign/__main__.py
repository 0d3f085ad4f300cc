"""A hostile campaign: what must not take the house down, tried, and whether it did not.

An attempt is survived if it ends with the same numbers as an undisturbed run or in one clear line with an exit code,
never in a traceback, a process left behind, or other numbers without a word.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from campaign.attempts import Attempt
from campaign.bad_jobs import FATES, bad_jobs, signals
from campaign.damages import damages
from campaign.full_disks import full_disks
from campaign.kills import kills
from campaign.payloads import payloads
from campaign.wrong_settings import settings

KINDS = ("damages", "settings", "payloads", "jobs", "signals", "kills", "disks")


def campaign(folder: Path, kinds: Sequence[str], short: bool, seed: int) -> Iterator[Attempt]:
    """The chosen kinds, one after the other."""
    parts: dict[str, Callable[[], Iterator[Attempt]]] = {
        "damages": lambda: damages(folder, short),
        "settings": lambda: settings(folder, short),
        "payloads": lambda: payloads(folder),
        "jobs": lambda: bad_jobs(folder, FATES),
        "signals": lambda: signals(folder, ("SIGINT 1", "SIGINT 2", "SIGTERM 1", "SIGHUP 1", "SIGKILL 1")),
        "kills": lambda: kills(folder, 20, seed),
        "disks": lambda: full_disks(folder),
    }
    for kind in kinds:
        yield from parts[kind]()


def main() -> None:
    """Print what is not survived, then a table; exit code 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a part of the damages and settings")
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS, help="by default all")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    options = parser.parse_args()
    # In the background and under nohup these are ignored, and so they would be in all that is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    tried: dict[str, list[bool]] = {}
    with tempfile.TemporaryDirectory() as name:
        for attempt in campaign(Path(name).resolve(), options.kinds, options.short, options.seed):
            tried.setdefault(attempt.kind, []).append(attempt.fault is None)
            print(f"\r{sum(map(len, tried.values()))} tried", end="", file=sys.stderr, flush=True)
            if attempt.fault is not None:
                print(f"\nNOT SURVIVED: {attempt.kind}: {attempt.what}: {attempt.fault}", flush=True)
    print(f"\n{'kind':<28}{'tried':>6}{'survived':>10}")
    for kind, survived in tried.items():
        print(f"{kind:<28}{len(survived):>6}{sum(survived):>10}")
    sys.exit(not all(all(survived) for survived in tried.values()))


if __name__ == "__main__":
    main()
