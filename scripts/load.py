"""What a report costs over many runs: copies of finished runs, each with a seed of its own.

    python scripts/load.py [--outputs outputs/results/digits] [--counts 240 960]

Prints CPU seconds (clocks depend on who else works on the machine) and peak memory of `cu-report`, with and without its
figures. The copies share what they hold, on disk too, with the runs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MARK = "spent "
_CHILD = f"""
import resource, sys
from cu.cli.commands import report
try:
    report()
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print("{MARK}", used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)
"""


def multiplied(outputs: Path, target: Path, count: int) -> None:
    """An outputs folder with `count` runs: those of another again and again, with further seeds."""
    runs = sorted(path.parent for path in outputs.glob("runs/*/*/*/*/*/result.json"))
    if not runs:
        sys.exit(f"error: no finished runs below {outputs}: make some with scripts/results --only digits")
    shutil.copytree(outputs / "models", target / "models", copy_function=os.link)
    for i in range(count):
        source, further = runs[i % len(runs)], 1000 * (i // len(runs))
        copy = target / source.parent.relative_to(outputs) / f"{i:016x}"
        shutil.copytree(source, copy, copy_function=os.link)
        result = json.loads((source / "result.json").read_text(encoding="utf-8"))
        result["fingerprint"] = copy.name
        result["seeds"] = {name: seed + further for name, seed in result["seeds"].items()}
        (copy / "result.json").unlink()
        (copy / "result.json").write_text(json.dumps(result), encoding="utf-8")


def cost(outputs: Path, *words: str) -> tuple[float, float]:
    """CPU seconds and peak gigabytes of a `cu-report`."""
    command = [sys.executable, "-c", _CHILD, "tracking=none", f"paths.outputs={outputs}", *words]
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if ended.returncode:
        sys.exit(ended.stderr)
    seconds, kilobytes = ended.stderr.rpartition(MARK)[2].split()
    return float(seconds), float(kilobytes) / 1e6


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outputs", type=Path, default=Path("outputs/results/digits"))
    parser.add_argument("--counts", type=int, nargs="+", default=[240, 960])
    asked = parser.parse_args()
    print(f"{'runs':>6}  {'cu-report':<24}{'CPU seconds':>12}{'peak memory':>14}")
    for count in asked.counts:
        with tempfile.TemporaryDirectory(dir=asked.outputs.parent) as name:
            multiplied(asked.outputs, Path(name), count)
            for what, words in (("tables and page", ("report.figures=null",)), ("the same and figures", ())):
                seconds, size = cost(Path(name), *words)
                print(f"{count:>6}  {what:<24}{seconds:>12.0f}{size:>11.1f} GB", flush=True)


if __name__ == "__main__":
    main()
