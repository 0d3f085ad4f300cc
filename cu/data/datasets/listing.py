"""Which image files a folder of classes holds, in torchvision's order; nothing is opened, so that nothing can hang."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cu.disk.hash_cache import Signature, signature
from cu.errors import ConfigError

# What torchvision's ImageFolder lists; its ids are ours. What Pillow reads besides comes after all of these.
TORCHVISION = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
FURTHER = (".gif",)
CACHE = "image_folder"  # below paths.data: hashes, lists and decoded images
LARGEST_FILE = 1 << 30  # bytes; a sparse file of terabytes would be read for days
DEEPEST = 100  # folders inside each other
SPLITS: Mapping[str, tuple[str, ...]] = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}


@dataclass(frozen=True)
class Listing:
    """The image files of one split folder.

    Attributes:
        folder: Where the class folders are.
        class_names: The class folders, sorted.
        names: Relative names `class/.../file` with forward slashes: by class, then folder, then file, each as text, as
            torchvision's `ImageFolder` lists them; files that it does not read come last, in the same order.
        signatures: Of each file, what tells that its content is still the same; None for those with a problem.
        problems: By name, why a file cannot be read: broken links, loops, devices, too large.
        ignored: Names that are no images by their suffix, are hidden, or lie in no class folder.
        folders: The split folder and all folders below it that were looked into, by their paths.
    """

    folder: Path
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    signatures: tuple[Signature | None, ...]
    problems: Mapping[str, str]
    ignored: tuple[str, ...]
    folders: tuple[str, ...]


@dataclass
class _Found:
    folders: list[str] = field(default_factory=list)
    images: list[tuple[bool, str, str, str, Signature | None]] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)


def split_folders(folder: Path) -> dict[str, Path]:
    """The split folders that are there: `train`, `val` (also called `valid` or `validation`) and `test`.

    Raises:
        ConfigError: There is no `train`, or two names of one split.
    """
    found = {}
    for split, names in SPLITS.items():
        there = [folder / name for name in names if (folder / name).is_dir()]
        if len(there) > 1:
            raise ConfigError(f"dataset.folder: {there[0]} and {there[1]} are both there: keep one of them")
        if there:
            found[split] = there[0]
    if "train" not in found:
        train = folder / "train"
        raise ConfigError(f"dataset.folder: there is no {train}; put each class's images in {train / '<class>'}")
    return found


def list_images(folder: Path) -> Listing:
    """The image files below a split folder, links followed.

    Raises:
        ConfigError: The folder itself cannot be listed.
    """
    found, classes = _Found(), []
    try:
        seen = (_identity(os.stat(folder)),)
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise ConfigError(f"dataset.folder: {shown(str(folder))} cannot be listed ({error.strerror})") from error
    for entry in entries:
        if entry.name.startswith(".") or not _is_folder(entry):
            _ignore(found, entry.name, entry.name)
        else:
            classes.append(entry.name)
            _look_into(found, entry.path, entry.name, entry.name, seen)
    found.images.sort(key=lambda image: image[:4])
    names = tuple(f"{place}/{name}" for _, _, place, name, _ in found.images)
    signatures = tuple(image[4] for image in found.images)
    ignored, folders = tuple(sorted(found.ignored)), (str(folder), *found.folders)
    return Listing(folder, tuple(classes), names, signatures, found.problems, ignored, folders)


def require_apart(place: Path, split: Path, key: str) -> None:
    """Check that what is written to a place, named by the setting `key`, does not become a part of a split folder.

    Raises:
        ConfigError: It would.
    """
    own, images = place.expanduser().resolve(), split.resolve()
    if images == own or images in own.parents:
        raise ConfigError(f"{key}={place} is inside the images' own {images}: choose a folder outside of it")


def shown(name: str) -> str:
    """A name fit for a message: one line, with escapes for what cannot be printed."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in name)


def examples(names: list[str], count: int = 3) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - count:,} more" if len(names) > count else ""
    return ", ".join(shown(name) for name in names[:count]) + more


def _look_into(found: _Found, path: str, place: str, label: str, seen: tuple[tuple[int, int], ...]) -> None:
    """Collect the files below a folder.

    Args:
        found: Where to.
        path: Of the folder.
        place: The same below the split folder.
        label: The class.
        seen: Device and inode of the folders above, which a link must not lead back to.
    """
    try:
        own = _identity(os.stat(path))
        entries = list(os.scandir(path))
    except OSError as error:
        found.problems[place] = f"folder cannot be listed: {error.strerror}"
        return
    if own in seen or len(seen) > DEEPEST:
        looped = own in seen
        found.problems[place] = "a link that leads back to a folder above it" if looped else "folders nested too deeply"
        return
    found.folders.append(path)
    for entry in entries:
        name = f"{place}/{entry.name}"
        if _is_folder(entry):
            if not entry.name.startswith("."):
                _look_into(found, entry.path, name, label, (*seen, own))
        elif entry.name.startswith(".") or not entry.name.lower().endswith((*TORCHVISION, *FURTHER)):
            _ignore(found, entry.name, name)
        else:
            problem, known = _checked(entry)
            if problem:
                found.problems[name] = problem
            further = not entry.name.lower().endswith(TORCHVISION)
            found.images.append((further, label, place, entry.name, known))


def _ignore(found: _Found, name: str, place: str) -> None:
    """Count a file that is left out; what a system hides of its own, such as .DS_Store, is not worth a word."""
    if not name.startswith(".") or (name.lower().endswith(TORCHVISION) and not name.startswith("._")):
        found.ignored.append(place)


def _checked(entry: os.DirEntry[str]) -> tuple[str, None] | tuple[None, Signature]:
    try:
        status = entry.stat()
    except OSError as error:
        return ("a broken link" if entry.is_symlink() else str(error.strerror)), None
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file but a pipe, socket or device", None
    if status.st_size > LARGEST_FILE:
        return f"larger than {LARGEST_FILE >> 30} GiB", None
    return None, signature(status)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def all_files(folder: Path) -> Iterator[Path]:
    """Every regular file below a folder, links followed as far as they lead nowhere twice, sorted."""
    seen, files = set(), []
    for place, subfolders, names in os.walk(folder, followlinks=True):
        own = _identity(os.stat(place))
        if own in seen:
            subfolders.clear()
            continue
        seen.add(own)
        files += [path for name in names if (path := Path(place, name)).is_file()]
    return iter(sorted(files))
