"""Locks between processes, on one machine or on several that share a folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EBADF, ENOLCK, ENOSYS, EOPNOTSUPP
from pathlib import Path

from filelock import FileLock, Timeout

from cu.disk.lease import Lease, described
from cu.errors import ConfigError, first_line

log = logging.getLogger(__name__)
UNSUPPORTED = (ENOLCK, ENOSYS, EOPNOTSUPP)
SOON = 0.5  # seconds after which waiting is worth a line
KINDS = ("system", "lease")
_chosen = "system"


def use(kind: str) -> None:
    """Choose, for this process, who keeps the locks: the system, or files that are touched (`paths.locks`)."""
    global _chosen
    _chosen = kind if kind in KINDS else "system"  # anything else is refused where the config is checked


@contextmanager
def locked(path: Path, why: str) -> Iterator[None]:
    """Hold a lock file; says why if it must wait. A killed holder's lock is free again, since the system keeps it.

    A file system without locks is an error, since files that only stand for a lock outlive a killed holder; those of
    `paths.locks=lease` are touched by their holder and go stale.

    Raises:
        ConfigError: The file system has no locks; the line names file and file system and says what to do.
    """
    if _chosen == "lease":
        with leased(path, why):
            yield
        return
    lock = FileLock(path, fallback_to_soft=False)
    try:
        try:
            lock.acquire(timeout=SOON)
        except Timeout:
            log.info("waiting: %s", why)
            lock.acquire()
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in UNSUPPORTED:
            raise
        raise ConfigError(
            f"{path} cannot be locked ({first_line(error)}; file system {file_system(path)}): put paths.outputs and "
            "paths.data on a file system with locks, such as a local disk or NFS 4, or say paths.locks=lease"
        ) from error
    try:
        yield
    finally:
        try:
            lock.release()
        except OSError as error:
            if error.errno != EBADF:  # code inside closed every open file, and so released the lock
                raise


@contextmanager
def leased(path: Path, why: str) -> Iterator[None]:
    """Hold a lease beside the file that the system would lock; says why if it must wait."""
    lease = Lease(path.with_name(f"{path.name}.lease"))
    if not lease.acquire(timeout=SOON):
        log.info("waiting: %s (%s)", why, described(lease.path))
        lease.acquire()
    try:
        yield
    finally:
        lease.release()


def file_system(path: Path) -> str:
    """The type of the file system that holds a path, such as ext4 or nfs; `unknown` where the system does not tell."""
    found, longest = "unknown", -1
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return found
    place = path.absolute()
    for fields in map(str.split, mounts):
        mount = Path(fields[1])
        if (place == mount or mount in place.parents) and len(mount.parts) > longest:
            found, longest = fields[2], len(mount.parts)
    return found
