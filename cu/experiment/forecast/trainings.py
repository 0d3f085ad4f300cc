"""Which models runs share, and which of them are there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from cu.config.build import build
from cu.config.validate import locate
from cu.experiment.audits.further import Further
from cu.seeds import member_seed
from cu.store.fingerprint import canonical, fingerprint
from cu.store.identity import trained_identity
from cu.store.plan import Plan, RunPlan
from cu.store.runs import CONFIG

ORIGINAL, RETRAINED, BY_METHOD, AUDITED = "original", "retrained", "by method=retrain", "for audits"


@dataclass(frozen=True)
class Training:
    """A model that is trained once, however many runs want it.

    Attributes:
        kind: `original`, `retrained`, `by method=retrain`, `for audits`.
        key: The same for two runs that share it.
        there: Whether it is in the store; of a retrained model this is known only from an earlier run that used it.
        plan: One of the runs that want it.
    """

    kind: str
    key: str
    there: bool = field(compare=False)
    plan: Plan[Any, Any] = field(compare=False, hash=False, repr=False)


@dataclass(frozen=True)
class EarlierRuns:
    """Finished runs below an outputs folder, as far as a forecast reads them."""

    outputs: Path

    @cached_property
    def results(self) -> list[tuple[Path, Mapping[str, Any]]]:
        """Run folders with their results; what cannot be read is left out."""
        found = []
        for path in sorted(self.outputs.glob("runs/*/*/*/*/*/result.json")):
            try:
                found.append((path.parent, json.loads(path.read_text(encoding="utf-8"))))
            except (OSError, ValueError):
                continue
        return [(folder, result) for folder, result in found if isinstance(result, dict) and "models" in result]

    @cached_property
    def references(self) -> Mapping[str, Sequence[str]]:
        """Folders of retrained models in their order, by original and by who is forgotten; the longest list."""
        known: dict[str, Sequence[str]] = {}
        for folder, result in self.results:
            try:
                config = yaml.load(
                    (folder / CONFIG).read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader)
                )
                key = _forgetting(result["models"]["original"], config["scenario"], config["forget_seed"])
            except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
                continue
            if len(result["models"]["retrained"]) > len(known.get(key, ())):
                known[key] = result["models"]["retrained"]
        return known

    def has(self, model: str) -> bool:
        """Whether the weights of a model are in the store."""
        return all((self.outputs / "models" / model / name).is_file() for name in ("model.json", "model.safetensors"))


def trainings(plan: Plan[Any, Any], earlier: EarlierRuns) -> list[Training]:
    """The models that one job needs, trained by the recipe; the user's own files are none of them."""
    own = fingerprint(plan.original)
    wanted = [] if plan.config.checkpoint else [Training(ORIGINAL, own, earlier.has(own), plan)]
    if not isinstance(plan, RunPlan):
        return wanted
    config, further = plan.config, further_of(plan)
    forgetting = _forgetting(own, config.scenario.node, config.forget_seed)
    known = earlier.references.get(forgetting, ())
    base = fingerprint([trained_identity(plan.original), plan.forgotten])
    given = len(config.reference.checkpoints)
    for number in range(given, max(config.reference.k, further.retrained)):
        there = number < len(known) and earlier.has(known[number])
        kind = RETRAINED if number < config.reference.count else AUDITED
        key = f"{base} reference {member_seed(config.seed, 'reference', number)} {config.reference.train or ''}"
        wanted.append(Training(kind, key, there, plan))
    if config.method.target.endswith(".Retrain"):
        key = f"{base} retrain {member_seed(config.method_seed, 'retrain', 0)}"
        wanted.append(Training(BY_METHOD, key, False, plan))
    more = {f"{own} original {number}" for number in range(1, further.originals)}
    more |= {f"{base} other {config.seed} {number}" for number in range(further.others)}
    return wanted + [Training(AUDITED, key, False, plan) for key in sorted(more)]


def further_of(plan: RunPlan) -> Further:
    """What all audits of a run train together."""
    kind = locate(plan.config.scenario.target, "scenario").kind
    audits = [build(component) for component in plan.config.evaluation.chosen_audits().values()]
    found = [audit.further(kind) for audit in audits if hasattr(audit, "further")]
    return Further(
        retrained=max((one.retrained for one in found), default=0),
        originals=max((one.originals for one in found), default=1),
        others=sum(one.others for one in found),
        unlearned=sum(one.unlearned for one in found),
    )


def _forgetting(original: str, scenario: Mapping[str, Any], forget_seed: int) -> str:
    return fingerprint([original, canonical(scenario), forget_seed])


def distinct(wanted: Sequence[Training]) -> list[Training]:
    """Each training once; one that two runs want for different reasons counts as the first of the kinds."""
    first: dict[str, Training] = {}
    order = (ORIGINAL, RETRAINED, BY_METHOD, AUDITED)
    for training in sorted(wanted, key=lambda one: order.index(one.kind)):
        first.setdefault(training.key, training)
    return list(first.values())
