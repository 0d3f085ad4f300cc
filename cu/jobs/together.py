"""A job as a process sees it that does not lead: it computes along, and neither writes nor speaks."""

from __future__ import annotations

import logging
import sys
from typing import Literal

from cu.jobs.job import outcome, require_possible
from cu.jobs.meeting import meet
from cu.jobs.preemption import preemptible
from cu.store.plan import Plan
from cu.tracking.types import Untracked


def followed(plan: Plan) -> tuple[Literal["finished"], None]:
    """Work along until the leading process has the outcome, or finds that there is one."""
    logging.disable(logging.WARNING)
    with preemptible():
        require_possible(plan)
        meet()
        from cu.engine import team
        from cu.engine.fit import Diverged

        try:
            if team.shared(lambda: False):
                outcome(plan, Untracked())
        except (team.PeerLost, Diverged):  # the leading process says why
            sys.exit(1)
    return "finished", None
