"""The processes of one job meet, and begin."""

from __future__ import annotations

from cu.config.processes import processes


def meet() -> None:
    """Meet the other processes of the job, if there are any."""
    if (own := processes()).count > 1:
        from cu.engine import team

        team.join(own)


def tell(begin: bool) -> None:
    """Tell the other processes of the job whether there is something to do."""
    if processes().count > 1:
        from cu.engine import team

        team.shared(lambda: begin)
