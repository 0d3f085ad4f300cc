"""Judging a network in a notebook, by the metrics of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from cu.config.build import build, composed
from cu.config.component import Component
from cu.data.types import Split, UnlearningTask
from cu.engine.hardware import Hardware
from cu.engine.predict import predict
from cu.errors import ConfigError
from cu.evaluation.compare import compare
from cu.evaluation.comparison import Comparison
from cu.evaluation.facing import in_place, judge, judge_pairs, judge_reference
from cu.evaluation.sanity import doubts
from cu.metrics.case import Case, ModelPredictions, Predictions
from cu.metrics.cost import COSTS
from cu.models.last_layer import last_layer
from cu.models.types import Classifier
from cu.notebook.audit import Audit
from cu.notebook.networks import classifier_of
from cu.notebook.samples import Samples, task_of, tensors
from cu.notebook.settings import in_plain_names
from cu.notebook.unlearning import Account, hardware_of
from cu.seeds import derive_seed

UNKNOWN: Account = dict.fromkeys((*COSTS, "flops"), float("nan"))


@in_plain_names()
def audit(
    model: nn.Module,
    original: nn.Module,
    retrained: nn.Module | Sequence[nn.Module] = (),
    *,
    forget: Samples,
    retain: Samples,
    test: Samples,
    val: Samples | None = None,
    head: str | None = None,
    suite: str = "default",
    seed: int = 0,
    device: str | torch.device = "auto",
    account: Account | None = None,
    class_names: Sequence[str] | None = None,
) -> Audit:
    """Every metric of a network that has forgotten, beside those of networks retrained without what was forgotten.

    Nothing is trained or written; metrics that need further models (`evaluation=extended` of the command line) or
    something that is not given are skipped, and say so.

    Args:
        model: The network to judge, as in `unlearn`.
        original: The network before.
        retrained: Networks trained on `retain` alone: none leaves gaps empty, two or more give noise floors.
        forget: As in `unlearn`.
        retain: As in `unlearn`.
        test: Samples that none of the networks was trained on.
        val: More of these, for metrics that choose something.
        head: Path of the networks' last layer; None for the last linear one.
        suite: As in `cu-unlearn evaluation=...`.
        seed: Of draws.
        device: As in `unlearn`.
        account: What `unlearn` was handed, for metrics of cost.
        class_names: By index; numbers if None.

    Raises:
        ConfigError: One line that names what is wrong and what it may be.
    """
    others = [retrained] if isinstance(retrained, nn.Module) else list(retrained)
    shape: Any = tuple(tensors(retain, "retain")[0].shape[1:])
    judged, before, *references = [classifier_of(network, head, shape) for network in (model, original, *others)]
    classes = classes_of(judged, before, *references)
    task, hardware = task_of(forget, retain, val, test, classes), hardware_of(device)
    names = names_of(classes, class_names)
    case = Case(
        model=outputs(judged, task, hardware),
        retrained=tuple(outputs(network, task, hardware) for network in references),
        original=outputs(before, task, hardware),
        scenario=task.scenario,
        forget_classes=task.forget_classes,
        num_classes=task.num_classes,
        seed=derive_seed(seed, "evaluation"),
        cost={**UNKNOWN, **account} if account else None,
        retrained_cost=tuple(UNKNOWN for _ in references),
    )
    assert case.original is not None
    found = tuple(doubts(case.original, case.retrained, names, "your own"))
    return Audit(measured(case, suite), found, case, tuple(names))


def classes_of(*networks: Classifier) -> int:
    """The number of classes that all networks tell apart.

    Raises:
        ConfigError: They do not agree.
    """
    found = [len(last_layer(network).weight) for network in networks]
    if len(set(found)) > 1:
        raise ConfigError(
            f"networks with different numbers of classes: the model has {found[0]}, the original {found[1]}"
            + "".join(f", retrained {number} {own}" for number, own in enumerate(found[2:]))
        )
    return found[0]


def names_of(classes: int, given: Sequence[str] | None) -> list[str]:
    """A name for each class: those given, or numbers.

    Raises:
        ConfigError: There are more or fewer names than classes.
    """
    names = [str(name) for name in (range(classes) if given is None else given)]
    if len(names) != classes:
        raise ConfigError(f"class_names: {len(names)} names for {classes} classes")
    return names


def measured(case: Case, suite: str) -> dict[str, Comparison]:
    """Every metric of a suite for the model, the retrained models and the original, compared."""
    chosen = composed(f"evaluation={suite}")["evaluation"]["metrics"]
    metrics = {name: build(Component(node)) for name, node in chosen.items() if node is not None}
    cases = [in_place(case, own, UNKNOWN if case.cost else None) for own in case.retrained]
    pairs = {(i, j): found for i, own in enumerate(cases) for j, found in judge_pairs(metrics, own, i).items()}
    assert case.original is not None
    return compare(
        metrics,
        judge(metrics, case),
        [judge_reference(metrics, own, number) for number, own in enumerate(cases)],
        judge(metrics, in_place(case, case.original, None)),
        pairs,
    )


def outputs(model: Classifier, task: UnlearningTask, hardware: Hardware) -> ModelPredictions:
    """A network's outputs on every split of a task."""
    hardware.place(model)
    layer = last_layer(model)
    bias = layer.weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias
    kept = task.test.subset(~torch.isin(task.test.ids, task.test_forget.ids), "test")
    parts = (task.retain, task.forget, task.val, kept, task.test_forget)
    found = [predictions(model, split, hardware) for split in parts]
    head = tuple(tensor.detach().float().cpu().numpy() for tensor in (layer.weight, bias))
    return ModelPredictions(*found, head=(head[0], head[1]))


def predictions(model: Classifier, split: Split, hardware: Hardware) -> Predictions:
    """A network's outputs on a split."""
    scores = predict(model, split, hardware)
    return Predictions(scores.logits.numpy(), scores.embedding.numpy(), split.labels.numpy(), split.ids.numpy())
