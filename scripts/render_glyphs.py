"""Real images of 100 classes, from what is installed: characters as the fonts of this machine draw them.

    python scripts/render_glyphs.py data/glyphs [--fonts 120] [--look-in FOLDER ...]

Writes one grey image per character and font to data/glyphs/train/U+0041/... . A font takes part if it has every
character, and as many families as possible do: the regular face of each comes before the second face of any. On Debian,
`apt install fonts-dejavu fonts-freefont-ttf fonts-liberation fonts-noto-core fonts-noto-extra` gives some hundred.
Then: cu-unlearn dataset=glyphs
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import matplotlib as mpl
from fontTools.ttLib import TTFont, TTLibError
from PIL import Image, ImageDraw, ImageFont

# No letters that differ from others by size alone (c, o, ...), and no Greek ones that look like Latin ones.
CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghijlmnqrtyαβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ!?&@#$%*+=£§€<>"
SIDE = 32  # pixels
SIZE = 22  # pixels per em
BASELINE = 23  # pixels from the top
PLACES = (Path("/usr/share/fonts"), Path(mpl.get_data_path()) / "fonts" / "ttf")


def main() -> None:
    """Render and say how many."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fonts", type=int, default=120, help="at most; default: %(default)s")
    parser.add_argument("--look-in", type=Path, nargs="+", default=PLACES, metavar="FOLDER")
    asked = parser.parse_args()
    if asked.folder.exists():
        sys.exit(f"error: {asked.folder} is there already: delete it or name another folder")
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    chosen = evenly(complete_fonts(asked.look_in), asked.fonts)
    if not chosen:
        sys.exit(f"error: no font below {', '.join(map(str, asked.look_in))} has all {len(CHARACTERS)} characters")
    for path in chosen:
        write(path, asked.folder / "train")
    print(f"{len(CHARACTERS)} classes of {len(chosen)} images: {asked.folder}")


def complete_fonts(folders: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """Family and file of every font that has a glyph of its own for each character, in the order of their names."""
    files = {path.name: path for folder in folders for path in folder.rglob("*") if path.suffix in {".ttf", ".otf"}}
    for name in sorted(files):
        try:
            with TTFont(files[name], lazy=True) as font:
                glyphs = font.getBestCmap() or {}
                # Fonts of last resort draw the same box for every character of a script.
                if len({glyphs.get(ord(character)) for character in CHARACTERS} - {None}) == len(CHARACTERS):
                    yield font["name"].getBestFamilyName() or name, files[name]
        except (TTLibError, OSError):
            continue  # no font, whatever its name says


def evenly(fonts: Iterable[tuple[str, Path]], count: int) -> Sequence[Path]:
    """At most `count` files: the first of every family, then the second of every family, and so on."""
    families: dict[str, list[Path]] = defaultdict(list)
    for family, path in fonts:
        families[family].append(path)
    ranked = [(rank, family, path) for family, paths in families.items() for rank, path in enumerate(regular(paths))]
    return [path for _, _, path in sorted(ranked)[:count]]


def regular(paths: Iterable[Path]) -> list[Path]:
    """A family's files, those that call themselves regular first."""
    return sorted(paths, key=lambda path: ("regular" not in path.stem.lower(), path.name))


def write(path: Path, folder: Path) -> None:
    """One image per character, white on black, all on one baseline as in a line of text."""
    font = ImageFont.truetype(str(path), SIZE)
    for character in CHARACTERS:
        place = folder / f"U+{ord(character):04X}"
        place.mkdir(parents=True, exist_ok=True)
        drawn(font, character).save(place / f"{path.stem}.png")


def drawn(font: ImageFont.FreeTypeFont, character: str) -> Image.Image:
    """A character at the middle of its square."""
    image = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(image).text((SIDE / 2, BASELINE), character, fill=255, font=font, anchor="ms")
    return image


if __name__ == "__main__":
    main()
