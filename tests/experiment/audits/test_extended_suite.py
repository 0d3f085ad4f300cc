from dataclasses import replace

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from cu.config.build import build, check_components
from cu.config.component import Component
from cu.config.evaluation import EvaluationConfig
from cu.config.folder import config_folder
from cu.config.parse import parse
from cu.config.schema import RunConfig
from cu.engine.outputs import score
from cu.errors import ConfigError
from cu.evaluation.suite import spec_of
from cu.experiment.compare import compare_with_references
from cu.store.models import ModelStore

SMALL = (
    "evaluation=extended",
    "evaluation.audits.relearning.max_steps=6",
    "evaluation.audits.relearning.orders=1",
    "evaluation.audits.retain_relearning.max_steps=6",
    "evaluation.audits.retain_relearning.orders=1",
    "evaluation.audits.stages.max_samples=40",
    "evaluation.audits.weights.points=3",
    "evaluation.audits.shadows.models=6",
    "evaluation.audits.ensembles.models=3",
)


FEW = (
    "zrf",
    "relearning_speed",
    "ulira_efficacy",
    "ulira_privacy",
    "forgetting_scores",
    "klom_gauss",
    "over_unlearning",
)


def composed(*overrides):
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        return OmegaConf.to_container(compose("unlearn", list(overrides)), resolve=True)


@pytest.fixture(scope="module")
def private_store(tmp_path_factory):
    return ModelStore(tmp_path_factory.mktemp("suite"))


@pytest.fixture
def judged(make_scene, private_store):
    """Judge a method by what the extended suite adds to the default one."""
    extended, default = composed(*SMALL)["evaluation"], composed()["evaluation"]
    added = {name: node for name, node in extended["metrics"].items() if name not in default["metrics"]}

    def result(scenario, method, few=True, **settings):
        metrics = {name: node for name, node in added.items() if not few or name in FEW}
        evaluation = parse(EvaluationConfig, {**extended, "metrics": metrics, **settings})
        context = make_scene(scenario, method, references=2, store=private_store, evaluation=evaluation)
        workspace = context.workspace
        model = context.method.unlearn(workspace.load(context.original), context.task, replace(workspace.context(0)))
        arrays = score(model, workspace.data, workspace.hardware)
        context = replace(context, outcome=model)
        return compare_with_references(
            workspace, context.task, arrays, {}, context.original, list(context.references), context
        )

    return result


def test_the_extended_suite_adds_to_the_default_one_and_is_valid():
    config = composed("evaluation=extended")
    check_components(parse(RunConfig, config))
    assert config["evaluation"]["metrics"].items() >= composed()["evaluation"]["metrics"].items()
    assert composed()["evaluation"]["audits"] == composed("evaluation=paper")["evaluation"]["audits"] == {}
    provided = {build(Component(node)).provides for node in config["evaluation"]["audits"].values()}
    metrics = [build(Component(node)) for node in config["evaluation"]["metrics"].values()]
    assert provided <= set().union(*(spec_of(function).needs for function in metrics))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("evaluation.audits.shadows.models=7", "evaluation.audits.shadows.models must be a multiple of 2"),
        ("evaluation.audits.shadows.models=4", "evaluation.audits.shadows.models must be greater than or equal to 6"),
        ("evaluation.audits.ensembles.originals=two", "evaluation.audits.ensembles.originals must be 'one' or 'own'"),
        ("+evaluation.audits.relearning.step=3", "evaluation.audits.relearning.step is not a setting"),
    ],
)
def test_settings_of_audits_are_checked(override, message):
    with pytest.raises(ConfigError, match=message):
        check_components(parse(RunConfig, composed("evaluation=extended", override)))


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_every_key_has_a_value_and_a_reference(judged, scenario):
    metrics, seconds = judged(scenario, "finetune", few=False)
    assert seconds["audit_seconds"] > 0
    found = {key: entry for key, entry in metrics.items() if entry.status == "ok"}
    for prefix in ("dist/zrf", "relearn/ain", "mia/ulira_eff_auc", "dist/eps_score", "dist/klom_gauss_forget_mean"):
        assert found[prefix].ref is not None
        assert found[prefix].floor is not None
        assert found[prefix].original is not None
    assert ("over/ou@0.03" in found) == (scenario == "class")
    assert ("mia/ulira_priv_auc" in found) == (scenario == "sample")


def test_nulls_of_class_unlearning(judged):
    nothing, retrained = judged("class", "original")[0], judged("class", "retrain")[0]
    for key in ("relearn/steps", "mia/ulira_eff_auc", "dist/eps_score", "over/ou@0.03", "dist/zrf"):
        assert nothing[key].value == nothing[key].original
    assert nothing["mia/ulira_eff_auc"].value > 0.95
    assert nothing["dist/eps_score"].value < retrained["dist/eps_score"].value
    assert retrained["mia/ulira_eff_auc"].value < 0.9


def test_audits_can_be_switched_off_one_by_one(judged):
    audits = composed(*SMALL, "evaluation.audits.shadows=null", "evaluation.audits.ensembles=null")["evaluation"]
    metrics, _ = judged("class", "finetune", audits=audits["audits"])
    assert metrics["mia/ulira_eff_auc"].status == "skipped: needs shadows"
    assert metrics["dist/klom_gauss_val_p95"].status == "skipped: needs ensembles"
    assert metrics["relearn/ain"].status == "ok"


def test_without_audits_nothing_is_trained(judged, kinds, private_store):
    judged("sample", "finetune")
    before = kinds(private_store)
    metrics, seconds = judged("sample", "finetune", audits={})
    assert kinds(private_store) == before
    assert "audit_seconds" not in seconds
    assert metrics["mia/ulira_priv_auc"].status == "skipped: needs shadows"
