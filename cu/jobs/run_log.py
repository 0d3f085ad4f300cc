"""The log of one run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger("cu")
tracebacks = logging.getLogger("cu.traceback")


@contextmanager
def run_log(folder: Path) -> Iterator[None]:
    """Write what `cu` logs, tracebacks included, to the run's own `run.log`."""
    handler = logging.FileHandler(folder / "run.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    loggers = log, tracebacks
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()
