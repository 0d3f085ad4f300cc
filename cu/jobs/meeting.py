"""The processes of one job meet, and begin."""

from __future__ import annotations

from cu.config.processes import processes

_met: list[bool] = []


def meet() -> None:
    """Meet the other processes of the job, if there are any."""
    if (own := processes()).count > 1:
        from cu.engine import team

        team.join(own)
        _met[:] = [True]


def speaks() -> bool:
    """Whether this process tells the user what happens: the first one, and before all have met one per machine."""
    own = processes()
    return not (own.rank if _met else own.local_rank)


def tell(begin: bool) -> None:
    """Tell the other processes of the job whether there is something to do."""
    if processes().count > 1:
        from cu.engine import team

        team.shared(lambda: begin)
