"""The log of one run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

from cu.disk.files import Damaged, read_json
from cu.jobs.bounded_log import LIMIT

log = logging.getLogger("cu")
tracebacks = logging.getLogger("cu.traceback")


@contextmanager
def run_log(folder: Path) -> Iterator[None]:
    """Write what `cu` logs, tracebacks included, to the run's own `run.log`; of more than `LIMIT`, the last."""
    handler = RotatingFileHandler(folder / "run.log", maxBytes=LIMIT // 2, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    loggers = log, tracebacks
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        with suppress(OSError):  # a full disk, or a method that closed every open file
            handler.close()


def warn_of_damage(record: Path) -> None:
    """Say so if a record is there and cannot be read, which is why the run is done again."""
    try:
        read_json(record)
    except Damaged as error:
        log.warning("%s: the run is done again", error)
