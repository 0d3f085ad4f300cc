"""A folder like ImageNet's, made up: JPEGs of many classes, the same ones every time.

    python scripts/make_pictures.py FOLDER [--count 20000] [--classes 1000] [--size 224]

Writes FOLDER/train/c0000/00000.jpg and so on, and a tenth as many below FOLDER/test. Each class has its own colours and
stripes, with noise on top, so that a small network learns something. What is there already is left as it is.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image


def main() -> None:
    """Make the pictures, class by class, on all cores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=20_000, help="training pictures")
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--size", type=int, default=224, help="pixels on a side")
    options = parser.parse_args()
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        for split, share in (("train", 1.0), ("test", 0.1)):
            count = max(1, round(options.count * share) // options.classes)
            make = partial(make_class, options.folder / split, count, options.size)
            made = sum(processes.map(make, range(options.classes), chunksize=8))
            print(f"{options.folder / split}: {count * options.classes:,} pictures, {made:,} of them new")


def make_class(folder: Path, count: int, size: int, number: int) -> int:
    """Write the pictures of one class; returns how many were not there yet."""
    style, place = np.random.default_rng(number), folder / f"c{number:04}"
    place.mkdir(parents=True, exist_ok=True)
    colours, angle, waves = style.uniform(40, 215, (2, 3)), style.uniform(0, np.pi), style.uniform(2, 16)
    rows, columns = np.mgrid[:size, :size] / size
    along = rows * np.sin(angle) + columns * np.cos(angle)
    made = 0
    for picture in range(count):
        path = place / f"{picture:05}.jpg"
        if path.exists():
            continue
        own = np.random.default_rng((number, picture, folder.name == "test"))
        stripe = (0.5 + 0.5 * np.sin(2 * np.pi * (waves * along + own.uniform())))[..., None]
        pixels = stripe * colours[0] + (1 - stripe) * colours[1] + own.normal(0, 20, (size, size, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=85)
        made += 1
    return made


if __name__ == "__main__":
    main()
