from dataclasses import replace

import pytest

from cu.config.evaluation import EvaluationConfig
from cu.config.parse import parse
from cu.engine.outputs import score
from cu.experiment.compare import compare_with_references
from cu.store.models import ModelStore

SUITE = {
    "name": "small",
    "trajectory_every": 0,
    "keep": "all",
    "metrics": {
        name: {"_target_": f"cu.metrics.{target}", "_partial_": True}
        for name, target in (
            ("accuracy", "accuracy.accuracy.split_accuracies"),
            ("share", "accuracy.streisand.prediction_share"),
            ("confusion", "accuracy.confusion.interclass_confusion"),
        )
    },
}


@pytest.fixture
def judged(make_scene, tmp_path):
    """`(task changes, swap=()) -> metrics` of the original as outcome; stored models are shared by all calls."""
    store = ModelStore(tmp_path / "models")

    def result(changes, swap=()):
        context = make_scene("class", "original", references=2, store=store, evaluation=parse(EvaluationConfig, SUITE))
        context = replace(
            context, workspace=replace(context.workspace, data=replace(context.workspace.data, confused_classes=swap))
        )
        workspace, task = context.workspace, replace(context.task, **changes)
        arrays = score(workspace.load(context.original), workspace.data, workspace.hardware)
        return compare_with_references(workspace, task, arrays, {}, context.original, list(context.references))[0]

    return result


def test_the_same_ids_as_a_class_and_as_a_list_are_judged_apart(judged):
    # A class and a list of its ids share the retrained models, but not what is said of them.
    as_class = judged({})
    as_list = judged({"scenario": "sample", "forget_classes": ()})
    assert as_class["streisand/pred_share_max"].ref is not None
    assert as_class["forget_test_acc"].ref == 0
    assert as_list["streisand/pred_share_max"].ref is None
    assert as_list["forget_test_acc"].ref is None
    assert judged({})["streisand/pred_share_max"] == as_class["streisand/pred_share_max"]


def test_references_are_judged_by_the_classes_whose_labels_were_swapped(judged, tmp_path):
    def kept():
        return len(list(tmp_path.glob("models/*/judged/*.json")))

    sample = {"scenario": "sample", "forget_classes": ()}
    plain = judged(sample)
    swapped = judged(sample, swap=(0, 1))
    assert plain["ic/error"].ref is None
    assert swapped["ic/error"].ref is not None
    # Two references and the original, each with swapped labels of its own.
    before = kept()
    judged(sample, swap=(1, 3))
    judged(sample, swap=(0, 1))
    assert kept() == before + 3
