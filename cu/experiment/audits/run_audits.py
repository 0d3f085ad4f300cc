"""Conduct the audits that the metrics of a suite ask for, and hand their findings on."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cu.engine.fit import Diverged
from cu.evaluation.suite import spec_of
from cu.experiment.audits.context import AuditContext
from cu.experiment.audits.types import Audit, AuditFindings
from cu.metrics.case import Case
from cu.metrics.findings import Findings

log = logging.getLogger(__name__)


def run_audits(
    audits: Mapping[str, Audit], metrics: Mapping[str, Any], context: AuditContext
) -> dict[type, AuditFindings]:
    """What the audits find, by type; one that no metric of this scenario reads is left out.

    A model that diverges on the way ends its audit, not the run: what needs it is reported as skipped.
    """
    specs = [spec_of(function) for function in metrics.values()]
    wanted = {need for spec in specs if context.task.scenario in spec.scenarios for need in spec.needs}
    found, due = {}, {name: audit for name, audit in audits.items() if audit.provides in wanted}
    for number, (name, audit) in enumerate(due.items(), start=1):
        log.info("audit %d of %d: %s", number, len(due), name)
        try:
            found[audit.provides] = audit.examine(context)
        except Diverged as error:
            log.warning("audit %s is given up, a model diverged: %s", name, error)
    return found


def with_findings(case: Case, found: Mapping[type, AuditFindings], who: str | int) -> Case:
    """The case with what was found about `judged`, `original`, or the reference of a number."""
    values = {kind: f.references[who] if isinstance(who, int) else getattr(f, who) for kind, f in found.items()}
    return replace(case, findings=Findings({kind: value for kind, value in values.items() if value is not None}))
