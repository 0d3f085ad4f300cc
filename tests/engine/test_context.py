import pytest
import torch

from cu.engine.hardware import Hardware
from cu.errors import ConfigError
from cu.seeds import derive_seed, generator


def test_derived_seeds_are_fixed_by_name():
    # The first 8 bytes of SHA-256("0/init"), little endian, halved: from `printf '0/init' | sha256sum`.
    import hashlib

    first = bytes.fromhex(hashlib.sha256(b"0/init").hexdigest()[:16])
    assert derive_seed(0, "init") == sum(byte << 8 * i for i, byte in enumerate(first)) // 2
    seeds = {derive_seed(seed, purpose) for seed in range(50) for purpose in ("a", "b", "a/1", "1")}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_streams_do_not_touch_torchs_own(make_run):
    state = torch.get_rng_state()
    generator(0, "x").initial_seed()
    make_run().generator("y")
    make_run().new_model()
    assert torch.equal(torch.get_rng_state(), state)


def test_new_models_follow_seed_and_purpose(make_run, same_weights):
    torch.manual_seed(1)
    first = make_run(seed=0).new_model()
    torch.manual_seed(2)
    assert same_weights(make_run(seed=0).new_model(), first)
    assert not same_weights(make_run(seed=1).new_model(), first)
    assert not same_weights(make_run(seed=0).new_model("teacher"), first)


def test_streams_of_a_run_are_its_own(make_run):
    draws = {
        (seed, purpose): tuple(torch.rand(3, generator=make_run(seed=seed).generator(purpose)).tolist())
        for seed in (0, 1)
        for purpose in ("labels/0", "labels/1")
    }
    assert len(set(draws.values())) == 4


def test_batches_follow_the_recipe(make_run, make_recipe, toy_data):
    run = make_run()
    views = {a: run.batches(toy_data.train, make_recipe(batch_size=24, augment=a)) for a in (True, False)}
    assert [len(batch.labels) for batch in views[False].epoch(0)] == [24] * 6
    plain, moved = (next(views[a].epoch(0)) for a in (False, True))
    assert torch.equal(plain.labels, moved.labels)
    assert not torch.equal(plain.images, moved.images)
    assert [len(b.labels) for b in run.batches(toy_data.train, make_recipe(batch_size=24), size=72).epoch(0)] == [
        72
    ] * 2


def test_data_sets_without_augmentation_stay_plain(make_run, make_recipe, toy_data):
    run, plain = make_run(), toy_data.train.augmented(False)
    one, other = (next(run.batches(plain, make_recipe(augment=a)).epoch(0)).images for a in (True, False))
    assert torch.equal(one, other)


def test_splits_have_different_orders_and_runs_too(make_run, make_recipe, toy_tasks):
    task, recipe = toy_tasks["sample"], make_recipe()

    def order(run, *splits):
        return torch.cat([batch.labels for batch in run.batches(splits, recipe).epoch(0)]).tolist()

    mixed = order(make_run(), task.forget, task.retain)
    assert len(mixed) == 144
    assert mixed == order(make_run(), task.forget, task.retain)
    assert mixed != order(make_run(seed=1), task.forget, task.retain)


def test_training_from_scratch_is_booked_but_not_timed_twice(make_run, toy_tasks):
    run = make_run()
    with run.ledger.running():
        run.train_from_scratch(toy_tasks["class"].retain)
    cost = run.ledger.cost()
    assert cost["steps"] == 6 * 7
    assert cost["samples_seen_retain"] == 6 * len(toy_tasks["class"].retain)
    assert cost["samples_seen_forget"] == 0
    assert cost["unlearn_seconds"] > 0


def settings(**changes):
    plain = {
        "device": "auto",
        "precision": "auto",
        "scoring_precision": "fp32",
        "channels_last": True,
        "num_threads": None,
        "deterministic": True,
    }
    return Hardware(**{**plain, **changes})


@pytest.mark.parametrize("said", ["", "1", "100000", "1,2", "0", "many"])
def test_threads_are_as_many_as_cores_or_fewer_if_the_environment_says_so(monkeypatch, said):
    from cu.engine.precision import available_cores

    monkeypatch.setenv("OMP_NUM_THREADS", said)
    expected = 1 if said in ("1", "1,2") else available_cores()
    assert settings(device="cpu").resolved().num_threads == expected


def test_auto_becomes_what_is_there(monkeypatch):
    from cu.engine.precision import available_cores, resolve_precision

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    resolved = settings(device="cpu").resolved()
    assert resolved.device == "cpu"
    assert resolved.precision == resolve_precision("auto", "cpu")
    assert resolved.num_threads == available_cores()
    assert resolved.resolved() == resolved
    assert settings(device="cpu", precision="fp32", num_threads=3).resolved().num_threads == 3


@pytest.mark.parametrize("device", ["cuda:77", "gpu", "", "cpuu"])
def test_a_device_that_is_not_there_is_named(device):
    with pytest.raises(
        ConfigError, match=r"^hardware.device=.* cannot be used here \(.*\); try auto or cpu$"
    ) as caught:
        settings(device=device).resolved()
    assert "\n" not in str(caught.value)


def test_channels_last_is_a_layout_of_weights_too(make_model):
    model = settings(device="cpu").place(make_model())
    assert model.encoder[0].weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [({"amx_bf16"}, "bf16"), ({"avx512_bf16", "sse"}, "bf16"), ({"avx2"}, "fp32"), (set(), "fp32")],
)
def test_precision_of_a_cpu_follows_its_matrix_units(monkeypatch, flags, expected):
    from cu.engine import precision

    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset(flags))
    assert precision.resolve_precision("auto", "cpu") == expected
    assert precision.resolve_precision("fp32", "cpu") == "fp32"
    assert precision.resolve_precision("bf16", "cpu") == "bf16"
    assert precision.resolve_precision("auto", "mps") == "fp32"
