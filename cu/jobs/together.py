"""A job as a process sees it that does not lead: it computes along, and neither writes nor speaks."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Literal

from cu.config.processes import processes
from cu.errors import ConfigError, described
from cu.jobs.job import JobFailed, outcome, require_possible
from cu.jobs.meeting import meet
from cu.jobs.preemption import preemptible
from cu.jobs.status import JobState
from cu.store.plan import Plan
from cu.tracking.types import Untracked


def followed(plan: Plan) -> tuple[Literal["finished"], None]:
    """Work along until the leading process has the outcome, or finds that there is one.

    Raises:
        JobFailed: The job cannot go on; that has been said.
    """
    logging.disable(logging.WARNING)
    with preemptible():
        require_possible(plan)
        meet()
        from cu.engine import team

        try:
            if team.shared(lambda: False):
                outcome(plan, Untracked())
        except Exception as error:
            reason, state = described(error), state_of(error)
            # That another one is gone is no reason: the leading process sees it, too. Else it has said why.
            if not team.leave("" if isinstance(error, team.PeerLost) else reason, traceback.format_exc()):
                print(f"{state}: process {processes().rank}: {reason}", file=sys.stderr, flush=True)
            raise JobFailed(state, reason) from error
    return "finished", None


def state_of(error: Exception) -> JobState:
    """How a job ends by an error, in every process."""
    from cu.engine.fit import Diverged

    if isinstance(error, ConfigError):
        return "invalid_config"
    return "diverged" if isinstance(error, Diverged) else "failed"
