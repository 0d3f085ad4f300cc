"""Conduct the audits that the metrics of a suite ask for, and hand their findings on."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cu.audits.scene import Scene
from cu.audits.types import Audit, Findings
from cu.engine.fit import Diverged
from cu.evaluation import spec_of
from cu.metrics.types import Case

log = logging.getLogger(__name__)


def conduct(audits: Mapping[str, Audit], metrics: Mapping[str, Any], scene: Scene) -> dict[str, Findings]:
    """What the audits find, by field of `Case`; one that no metric of this scenario reads is left out.

    A model that diverges on the way ends its audit, not the run: what needs it is reported as skipped.
    """
    specs = [spec_of(function) for function in metrics.values()]
    wanted = {need for spec in specs if scene.task.scenario in spec.scenarios for need in spec.needs}
    found, due = {}, {name: audit for name, audit in audits.items() if audit.provides in wanted}
    for number, (name, audit) in enumerate(due.items(), start=1):
        log.info("audit %d of %d: %s", number, len(due), name)
        try:
            found[audit.provides] = audit.examine(scene)
        except Diverged as error:
            log.warning("audit %s is given up, a model diverged: %s", name, error)
    return found


def with_findings(case: Case, found: Mapping[str, Findings], who: str | int) -> Case:
    """The case with what was found about `judged`, `original`, or the reference of a number."""
    values = {name: f.references[who] if isinstance(who, int) else getattr(f, who) for name, f in found.items()}
    return replace(case, **{name: value for name, value in values.items() if value is not None})
