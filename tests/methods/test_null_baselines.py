"""Methods that unlearn nothing must be exposed by the default suite, whatever their head says."""

import pytest
from omegaconf import OmegaConf

from cu.config.build import build
from cu.config.component import Component
from cu.config.folder import config_folder
from cu.engine.outputs import score
from cu.evaluation.cases import by_split
from cu.evaluation.suite import measure
from cu.methods.head_only import HeadOnly
from cu.methods.logit_mask import LogitMask
from cu.metrics.case import Case

EMBEDDING = [
    "probe/linear_forget_test_acc",
    "probe/linear_retain_test_acc",
    "probe/fewshot10_forget_acc",
    "probe/knn20_forget_test_acc",
    "probe/ncm_forget_test_acc",
    "cka/retain_to_original",
    "cka/shift",
    "geom/own_centroid_cos",
    "geom/escape_rate",
]


@pytest.fixture
def suite():
    settings = OmegaConf.to_container(OmegaConf.load(config_folder() / "evaluation" / "default.yaml"))
    return {name: build(Component(node)) for name, node in settings["metrics"].items() if node}


@pytest.fixture
def judged(suite, original, toy_tasks, toy_data, hardware, make_run, make_recipe):
    """Values of the default suite for the original and for the null baselines."""
    task, run = toy_tasks["class"], make_run()
    recipe = make_recipe(batchnorm="frozen", epochs=20, lr=0.5, batch_size=16)
    models = {
        "original": original,
        "logit_mask": LogitMask().unlearn(original, task, run),
        "head_only": HeadOnly(recipe=recipe).unlearn(original, task, run),
        "retrained": run.retrain(task.retain)[0],
    }
    outputs = {name: by_split(score(model, toy_data, hardware), task) for name, model in models.items()}
    return {
        name: measure(
            suite,
            Case(
                model=output,
                retrained=(outputs["retrained"],),
                original=outputs["original"],
                scenario=task.scenario,
                forget_classes=task.forget_classes,
                num_classes=task.num_classes,
            ),
        )
        for name, output in outputs.items()
    }


@pytest.mark.slow
def test_the_suite_sees_the_original_behind_null_baselines(judged):
    original, mask = judged["original"], judged["logit_mask"]
    assert original["forget_train_acc"] > 0.9
    assert original["probe/linear_forget_test_acc"] > 0.9
    assert original["cka/forget_to_original"] == pytest.approx(1)
    for name in ("logit_mask", "head_only"):
        assert judged[name]["forget_train_acc"] <= 0.05
        assert judged[name]["forget_test_acc"] <= 0.1
        assert judged[name]["cka/forget_to_original"] == pytest.approx(1)
        for key in EMBEDDING:
            assert judged[name][key] == original[key], key
    # The mask is exact, hides nothing from prototypes, costs no accuracy, and loses no number.
    assert mask["forget_test_acc"] == 0
    assert mask["relearn/proto5_forget_test_acc"] == original["relearn/proto5_forget_test_acc"] > 0.5
    assert mask["retain_test_acc"] >= original["retain_test_acc"]
    undefined = {key for key, value in mask.items() if value != value}
    assert undefined <= {key for key, value in original.items() if value != value}
