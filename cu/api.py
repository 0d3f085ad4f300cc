"""What notebooks, and authors of methods, metrics, audits and networks, import: names from the rooms, nothing else.

A method is a frozen dataclass with one verb, and a YAML file that names it:

>>> from dataclasses import dataclass
>>> from cu.api import Classifier, MethodContext, UnlearningTask
>>> @dataclass(frozen=True, kw_only=True)
... class Nothing:
...     def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
...         return model

A metric is a function of a case that declares its keys:

>>> from cu.api import Case, metric
>>> @metric(keys=("mine/forgotten",))
... def forgotten(case: Case) -> dict[str, float]:
...     return {"mine/forgotten": float(len(case.model.forget))}
>>> forgotten.spec.keys
('mine/forgotten',)

Losses are pure functions of tensors. An anchor whose own class has similarity 0 and whose other class has similarity 1
contributes logsumexp(0) - 1:

>>> import torch
>>> from cu.api import contrastive_unlearning_loss
>>> anchors, remain = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]])
>>> contrastive_unlearning_loss(anchors, torch.tensor([0]), remain, torch.tensor([0, 1]), temperature=1.0).item()
-1.0
"""

from cu.data.scenarios.types import Scenario
from cu.data.types import ImageData, Split, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.recipe import Recipe
from cu.errors import ConfigError
from cu.evaluation.comparison import Comparison
from cu.losses.contrastive import contrastive_unlearning_loss
from cu.methods.types import Method
from cu.metrics.case import Case
from cu.metrics.predictions import ModelPredictions, Predictions
from cu.metrics.spec import MetricSpec, metric
from cu.models.adapt import adapt
from cu.models.types import Classifier, Output
from cu.notebook.audit import Audit
from cu.notebook.auditing import audit
from cu.notebook.unlearning import unlearn
from cu.store.result import RunResult, read_run_result

__all__ = [
    "Audit",
    "Case",
    "Classifier",
    "Comparison",
    "ConfigError",
    "ImageData",
    "Method",
    "MethodContext",
    "MetricSpec",
    "ModelPredictions",
    "Output",
    "Predictions",
    "Recipe",
    "RunResult",
    "Scenario",
    "Split",
    "UnlearningTask",
    "adapt",
    "audit",
    "contrastive_unlearning_loss",
    "cross_entropy",
    "fit",
    "metric",
    "read_run_result",
    "unlearn",
]
