"""The suite of metrics that a config names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

from cu.config.component import Component


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """A suite of metrics.

    Attributes:
        name: Of the suite.
        trajectory_every: Steps between looks at the model on its way; 0 for none.
        keep: What is kept of the unlearned model's outputs: `all`; `logits` without embeddings; `summary`, only what
            metrics say of them. Those of originals and retrained models are kept whole, for all runs.
        metrics: By name; null for one that is left out.
        audits: By name, what trains further models; null for one that is left out.
    """

    name: str
    trajectory_every: Annotated[int, Ge(0)]
    metrics: Mapping[str, Component | None]
    audits: Mapping[str, Component | None]
    keep: Literal["summary", "logits", "all"] = "all"

    def chosen(self) -> dict[str, Component]:
        """The metrics that are not left out."""
        return {name: metric for name, metric in self.metrics.items() if metric is not None}

    def chosen_audits(self) -> dict[str, Component]:
        """The audits that are not left out."""
        return {name: audit for name, audit in self.audits.items() if audit is not None}

    def components(self) -> dict[str, Component]:
        """Both, by the key where they stand."""
        suite = {f"evaluation.metrics.{name}": metric for name, metric in self.chosen().items()}
        return {**suite, **{f"evaluation.audits.{name}": audit for name, audit in self.chosen_audits().items()}}
