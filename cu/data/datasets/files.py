"""The files of a data set: one process at a time touches them, and a bad one ends in one line."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from errno import EACCES, EPERM, EROFS
from http.client import HTTPException
from pathlib import Path
from typing import TypeVar

from cu.disk.locks import locked
from cu.errors import ConfigError

T = TypeVar("T")

# What torchvision's downloads raise: no network, a bad checksum, a connection cut short, a broken archive.
DOWNLOAD_ERRORS = (OSError, RuntimeError, EOFError, HTTPException, zlib.error, tarfile.TarError)


@contextmanager
def reading(root: Path, name: str) -> Iterator[None]:
    """Let one process at a time read, download or decode the data set `name` below `root`.

    A folder that cannot be written is used without a lock: nobody can download into it either.

    Raises:
        ConfigError: `root` is a file.
    """
    with ExitStack() as stack:
        try:
            root.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(root / f".{name}.lock", f"another job reads or downloads {name}"))
        except (FileExistsError, NotADirectoryError) as error:
            raise ConfigError(f"paths.data: {root.absolute()} is not a folder") from error
        except OSError as error:
            if error.errno not in (EACCES, EPERM, EROFS):
                raise
        yield


def missing(path: Path, remedy: str) -> ConfigError:
    """The error for a file that is not there; `remedy` says how to get it."""
    return ConfigError(f"dataset: {path.absolute()} is missing: {remedy}")


def corrupt(path: Path, reason: str, remedy: str = "delete it and load again (dataset.download=true)") -> ConfigError:
    """The error for a file that cannot be read."""
    return ConfigError(f"dataset: {path.absolute()} is truncated or corrupt ({one_line(reason)}): {remedy}")


def one_line(message: object) -> str:
    """The text of an exception or a message without its line breaks."""
    return " ".join(str(message).split())


def read_verified(read: Callable[[bool], T], checksums: Mapping[Path, str], url: str, download: bool) -> T:
    """What a torchvision reader returns, downloaded only if that is allowed and the files are not intact.

    Args:
        read: Calls torchvision with the value of its own `download` argument.
        checksums: Every file that `read` opens, with its MD5 sum.
        url: Where the files come from.
        download: Whether the network may be used.

    Raises:
        ConfigError: A file is missing or corrupt, and could not or must not be downloaded.
    """
    try:
        return read(False)
    except RuntimeError as error:
        if not download:
            raise _first_broken(checksums, url, error) from error
    try:
        return read(True)
    except DOWNLOAD_ERRORS as error:
        raise _first_broken(checksums, url, error, attempted=True) from error


def _first_broken(checksums: Mapping[Path, str], url: str, error: Exception, attempted: bool = False) -> Exception:
    """The error that names the first file which is not as published; `error` itself if all of them are."""
    from torchvision.datasets.utils import check_integrity

    broken = next((path for path, md5 in checksums.items() if not check_integrity(path, md5)), None)
    if broken is None:
        return error
    if attempted:
        remedy = f"its download failed ({one_line(error)}); get it from {url}"
    else:
        remedy = f"set dataset.download=true, or get it from {url}"
    if not broken.exists():
        return missing(broken, remedy)
    if attempted:
        return corrupt(broken, "wrong checksum", f"delete it and load again; {remedy}")
    return corrupt(broken, "wrong checksum")
