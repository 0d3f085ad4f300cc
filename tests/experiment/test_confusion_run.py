"""Wrong labels from the command line to the result: who is trained on them, and what is told about it."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits

from cu.store.outputs import load_scores

IC = "evaluation.metrics.ic"
CONFUSED = (
    "scenario=confusion",
    "scenario.count=20",
    f"+{IC}._target_=cu.metrics.accuracy.confusion.interclass_confusion",
)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outputs(command, tiny, tmp_path_factory):
    """A run that forgets wrong labels, and one that forgets as many right ones."""
    folder = tmp_path_factory.mktemp("confused")
    for scenario in (CONFUSED, ("scenario=sample", "scenario.count=20")):
        words = (*scenario, f"+{IC}._partial_=true") if scenario is CONFUSED else scenario
        assert command("unlearn", *tiny, *words, f"paths.outputs={folder}").code == 0
    return folder


def result_of(outputs, scenario):
    (path,) = outputs.glob(f"runs/*/*/{scenario}/*/*/result.json")
    return path.parent, json.loads(path.read_text())


def test_originals_and_retrained_models_of_wrong_labels_are_others(outputs):
    confused, right = (result_of(outputs, name)[1]["models"] for name in ("confusion", "sample"))
    assert not {confused["original"], *confused["retrained"]} & {right["original"], *right["retrained"]}


def test_models_learn_the_labels_they_are_made_to_forget(outputs):
    folder, result = result_of(outputs, "confusion")
    forgotten = np.loadtxt(folder / "forget_ids.csv", dtype=int, skiprows=1)
    true = load_digits().target
    for path in (
        folder / "predictions.npz",
        outputs / "models" / result["models"]["original"] / "predictions-fp32.npz",
        outputs / "models" / result["models"]["retrained"][0] / "predictions-fp32.npz",
    ):
        arrays = load_scores(path)
        order = np.argsort(arrays["train/id"])
        given, ids = arrays["train/label"][order], arrays["train/id"][order]
        wrong = np.isin(ids, forgotten)
        assert wrong.sum() == len(forgotten) == 20
        assert (given[wrong] == 8 - true[ids[wrong]]).all()
        assert (given[~wrong] == true[ids[~wrong]]).all()
        for part in ("val", "test"):
            assert (arrays[f"{part}/label"] == true[arrays[f"{part}/id"]]).all()


def test_confusion_is_told_and_told_again(outputs, command):
    folder, result = result_of(outputs, "confusion")
    arrays = load_scores(folder / "predictions.npz")
    label, answer = arrays["test/label"], arrays["test/logits"].argmax(1)
    of_two = np.isin(label, [3, 5])
    assert result["metrics"]["ic/error"]["value"] == np.mean(answer[of_two] != label[of_two])
    assert result["metrics"]["ic/fgt"]["ref"] is not None
    words = ("evaluation=default", "select.scenarios=[confusion]", f"paths.outputs={outputs}")
    assert command("evaluate", *words).code == 0
    again = result_of(outputs, "confusion")[1]
    assert again["evaluation"] == "default"
    assert again["metrics"]["ic/error"] == result["metrics"]["ic/error"]
    assert again["metrics"]["ic/retain_fgt"] == result["metrics"]["ic/retain_fgt"]
