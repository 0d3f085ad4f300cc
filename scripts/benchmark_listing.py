"""What it takes to see that a folder of many images is the same as before: seconds of CPU and of the clock.

    python scripts/benchmark_listing.py [--count 1000000] [--classes 1000]

Makes a folder of empty files below the system's folder for temporary ones, looks at it for the first time, as a job
does before it decodes anything, and then again as a finished job does, with `dataset.recheck=files` and `=folders`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from cu.config.component import Component
from cu.config.schema import Paths
from cu.disk.hash_cache import SETTLED
from cu.store.folder_hash import folder_hash

TARGET = "cu.data.datasets.folder.ImageFolder"


def main() -> None:
    """Make the folder, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000, help="files in all")
    parser.add_argument("--classes", type=int, default=1000, help="folders that they are in")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="cu-listing-") as place:
        images, paths = Path(place, "images"), Paths(data=Path(place, "data"), outputs=Path(place, "outputs"))
        for number in range(options.classes):
            (folder := images / "train" / f"c{number:05}").mkdir(parents=True)
            for picture in range(options.count // options.classes):
                (folder / f"{picture:07}.jpg").touch()
        time.sleep(2 * SETTLED / 1e9)

        def look(recheck: str) -> str:
            return folder_hash(Component({"_target_": TARGET, "recheck": recheck}), images, paths)

        print(f"{options.count // options.classes * options.classes:,} files in {options.classes:,} folders")
        first = timed("read for the first time", lambda: look("files"))
        by_folders = timed("kept by folders", lambda: look("folders"))
        again = [timed(f"again, dataset.recheck={name}", lambda name=name: look(name)) for name in ("files", "folders")]
        assert {first, by_folders, *again} == {first}


def timed(what: str, work: Callable[[], str]) -> str:
    """Do some work and print what it took."""
    started, cpu = time.perf_counter(), time.process_time()
    found = work()
    print(f"{what:34} {time.process_time() - cpu:8.2f} s of CPU {time.perf_counter() - started:8.2f} s")
    return found


if __name__ == "__main__":
    main()
