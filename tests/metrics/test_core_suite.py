"""What every core metric has in common: its promise, and how it behaves on the same awkward input."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from cu.metrics import composites, cost
from cu.metrics.accuracy import accuracy, streisand
from cu.metrics.distribution import divergence, loss_distributions
from cu.metrics.drawn import Drawn
from cu.metrics.membership import auc_interval, loss_attacks, member_rate, svc, thresholds
from cu.metrics.predictions import Predictions

CONFIGS = Path(__file__).parents[2] / "configs" / "evaluation"
DETERMINISTIC = [
    accuracy.split_accuracies,
    accuracy.split_losses,
    accuracy.class_accuracies,
    accuracy.neighbor_accuracy,
    accuracy.worst_class_drop,
    loss_attacks.retained_privacy,
    divergence.agreements,
    divergence.output_distances,
    loss_distributions.loss_distance,
    loss_distributions.loss_log_p,
    streisand.entropy_tail,
    streisand.entropy_distance,
    streisand.prediction_share,
    cost.unlearning_cost,
    cost.speedup,
    composites.adaptive_unlearning_score,
]
RANDOM = [
    *(
        partial(function, draws=3)
        for function in (
            accuracy.unlearn_score,
            loss_attacks.logistic_loss_attack,
            loss_attacks.population_attacks,
            thresholds.threshold_attacks,
            streisand.entropy_visibility,
        )
    ),
    *(
        partial(function, max_per_side=150, draws=3)
        for function in (svc.svc_attacks, composites.average_gap, composites.tugs_of_war)
    ),
    partial(member_rate.member_rates, max_per_side=150, draws=3, max_outputs=100),
]
EXTENDED = [
    divergence.further_output_distances,
    loss_distributions.loss_transport,
    partial(auc_interval.loss_auc_interval, draws=3),
]
EVERY = [*DETERMINISTIC, *RANDOM, *EXTENDED]
SPLITS = ("retain", "forget", "val", "test_retain", "test_forget")


def spec_of(metric):
    return getattr(metric, "func", metric).spec


def evaluate(case, metrics=EVERY):
    values = {}
    for metric in metrics:
        if case.scenario in spec_of(metric).scenarios:
            values.update(metric(case))
    return values


def changed(case, change):
    """The case with `change` applied to every split of every model."""

    def apply(model):
        return replace(model, **{name: change(getattr(model, name)) for name in SPLITS})

    return replace(
        case,
        model=apply(case.model),
        original=apply(case.original),
        retrained=tuple(apply(model) for model in case.retrained),
    )


@pytest.mark.parametrize("scenario", ["class", "sample"])
@pytest.mark.parametrize("metric", EVERY, ids=lambda m: getattr(m, "func", m).__name__)
def test_a_metric_returns_its_keys_as_numbers(metric, scenario, make_case):
    if scenario in spec_of(metric).scenarios:
        values = metric(make_case(scenario))
        assert tuple(values) == spec_of(metric).keys
        assert {type(value) for value in values.values()} <= {float, Drawn}


def test_no_two_metrics_share_a_key():
    keys = [key for metric in EVERY for key in spec_of(metric).keys]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_the_same_case_gives_the_same_bits(scenario, make_case):
    first, second = (evaluate(make_case(scenario, seed=5)) for _ in range(2))
    assert np.array_equal(list(first.values()), list(second.values()), equal_nan=True)


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_only_an_empty_split_makes_a_number_undefined(scenario, make_case):
    undefined = {key for key, value in evaluate(make_case(scenario)).items() if np.isnan(value)}
    of_test = {"agree/forget_test", "dist/js_forget_test", "dist/kl_forget_test", "dist/act_l1_forget_test"}
    expected = {"forget_test_acc", "forget_test_loss", *of_test}
    assert undefined == (expected if scenario == "sample" else set())


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_the_order_of_samples_does_not_matter(scenario, make_case):
    def shuffle(part):
        return part.take(np.random.default_rng(len(part)).permutation(len(part)))

    case = make_case(scenario, retrained=2)
    before, after = evaluate(case, DETERMINISTIC), evaluate(changed(case, shuffle), DETERMINISTIC)
    assert after == pytest.approx(before, nan_ok=True)


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_a_constant_added_to_all_logits_of_a_sample_does_not_matter(scenario, make_case):
    def shift(part):
        return replace(part, logits=part.logits + np.float32(8) * (part.id % 5)[:, None].astype(np.float32))

    case = make_case(scenario)
    before, after = evaluate(case, DETERMINISTIC), evaluate(changed(case, shift), DETERMINISTIC)
    assert after == pytest.approx(before, nan_ok=True, abs=1e-4)


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_the_names_of_classes_do_not_matter(scenario, make_case):
    order = np.array([2, 0, 3, 1])  # column i of the new logits is column order[i] of the old
    new_name = np.argsort(order)

    def rename(part):
        return Predictions(part.logits[:, order], part.embedding, new_name[part.label], part.id)

    case = make_case(scenario)
    renamed = replace(changed(case, rename), forget_classes=tuple(int(new_name[c]) for c in case.forget_classes))
    before, after = evaluate(case, DETERMINISTIC), evaluate(renamed, DETERMINISTIC)
    assert after == pytest.approx(before, nan_ok=True)


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_logits_that_are_not_finite_are_an_error(scenario, make_case):
    def diverge(part):
        logits = part.logits.copy()
        logits[:1, 0] = np.inf
        return replace(part, logits=logits)

    case = make_case(scenario)
    broken = changed(case, diverge)
    for metric in EVERY:
        # Costs do not look at outputs.
        if scenario in spec_of(metric).scenarios and "cost" not in spec_of(metric).needs:
            with pytest.raises(ValueError, match="finite"):
                metric(broken)


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_tiny_and_one_class_splits(scenario, make_case):
    values = evaluate(make_case(scenario, sizes={"forget": 3, "test_retain": 30, "test_forget": 4, "val": 0}))
    assert np.isnan(values["val_acc"])
    assert np.isfinite(values["mia/loss_auc"])
    one_each = evaluate(make_case(scenario, sizes=dict.fromkeys(SPLITS, 1)))
    assert set(one_each) == set(values)


def test_two_classes(make_case):
    for scenario in ("class", "sample"):
        values = evaluate(make_case(scenario, num_classes=2))
        at_chance = [value for value in values.values() if getattr(value, "note", "").startswith("attack at chance")]
        undefined = [value for key, value in values.items() if np.isnan(value) and "forget_test" not in key]
        assert len(undefined) == len(at_chance) <= 4


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_constant_outputs(scenario, make_case):
    flat = changed(make_case(scenario), lambda part: replace(part, logits=np.zeros_like(part.logits)))
    values = evaluate(flat)
    assert values["mia/loss_auc"] == values["mia/retain_auc"] == values["mia/pop_worst_auc"] == 0.5
    assert values["mia/loss_tpr@0.01"] == 0
    assert values["agg/avg_gap"] == values["dist/js_retain_test"] == values["streisand/tail_rate"] == 0


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_a_model_that_is_the_retrained_one_has_no_gap(scenario, make_case, make_model):
    model = make_model(scenario)
    case = make_case(scenario, model=model, retrained=(model,))
    values = evaluate(case)
    for key, value in values.items():
        if np.isnan(value):
            continue
        if key.startswith(("dist/", "agg/avg_gap")) or key in ("streisand/entropy_w1", "streisand/entropy_ks"):
            assert value == 0, key
        if key.startswith(("agree/", "agg/tow")):
            assert value == 1, key


def test_an_overfitted_model_is_found_by_every_attack(make_case, make_model):
    boost = {"retain": 15.0, "forget": 15.0, "test_retain": 1.0, "val": 1.0}
    values = evaluate(make_case(model=make_model(boost=boost)))
    for key, value in values.items():
        if key.startswith("mia/") and key.endswith("_auc"):
            assert value > 0.9, key
        if key.startswith("mia/svc_") and not key.endswith(("correctness", "heldout")):
            assert value < 0.1, key
    assert values["mia/member_rate_forget"] > 0.9
    assert values["streisand/entropy_auc"] < 0.1
    assert values["unlearn_score"] > 0.2


def test_an_over_forgetting_model_is_found_from_the_other_side(make_case, make_model):
    boost = {"retain": 15.0, "forget": -3.0, "test_retain": 4.0, "val": 4.0}
    values = evaluate(make_case(model=make_model(boost=boost)))
    for name in ("loss", "mentropy"):
        assert values[f"mia/{name}_auc"] < 0.1
    assert values["mia/pop_worst_auc"] > 0.9
    assert values["mia/svc_confidence"] > 0.9
    assert values["mia/member_rate_forget"] < 0.1
    assert values["streisand/entropy_auc"] > 0.5


def test_a_masked_logit_gives_numbers(make_case, make_model):
    def mask(part):
        logits = part.logits.copy()
        logits[:, 3] = -1e4
        return replace(part, logits=logits)

    model = make_model("class", boost=dict.fromkeys(SPLITS, 5.0))
    masked = replace(model, **{name: mask(getattr(model, name)) for name in SPLITS})
    values = evaluate(make_case("class", model=masked))
    assert values["forget_train_acc"] == values["forget_test_acc"] == 0
    assert all(np.isfinite(value) or value.note.startswith("attack at chance") for value in values.values())


@pytest.mark.parametrize("name", ["default", "paper"])
def test_the_evaluation_names_metrics_that_exist(name):
    config = OmegaConf.load(CONFIGS / f"{name}.yaml")
    assert config.name == name
    metrics = instantiate(config.metrics)
    assert all(spec_of(metric).keys for metric in metrics.values())
    keys = [key for metric in metrics.values() for key in spec_of(metric).keys]
    assert len(keys) == len(set(keys))


def test_the_default_evaluation_has_every_core_metric():
    metrics = instantiate(OmegaConf.load(CONFIGS / "default.yaml").metrics)
    assert {getattr(m, "func", m) for m in (*DETERMINISTIC, *RANDOM)} <= {m.func for m in metrics.values()}
