"""What an audit is, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from cu.experiment.audits.context import AuditContext
from cu.metrics.spec import Need


@dataclass(frozen=True, eq=False)
class Findings:
    """What a metric is to read, for each model it judges.

    Findings that hold the retrained models beside the judged one hold all of them, in the order of the run's
    references, for every judged model: `cu.evaluation.facing` takes out those it does not face.

    Attributes:
        judged: For the unlearned model.
        references: For each retrained model, in their order.
        original: For the original model; None where the audit says nothing about it.
    """

    judged: Any
    references: tuple[Any, ...]
    original: Any | None


class Audit(Protocol):
    """Settings (a frozen dataclass whose defaults live in YAML) and one verb: a look at models that costs more models.

    `provides` is the field of `Case` that the findings go to, and what metrics name in `needs`.
    """

    provides: ClassVar[Need]

    def examine(self, context: AuditContext) -> Findings:
        """Train, fine-tune or attack what it takes; all of it is kept, so that a killed audit goes on."""
        ...
