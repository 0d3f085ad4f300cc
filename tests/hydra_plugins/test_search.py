import pytest

optuna = pytest.importorskip("optuna")

from hydra.core.override_parser.overrides_parser import OverridesParser  # noqa: E402
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # noqa: E402

from cu.errors import ConfigError  # noqa: E402
from hydra_plugins.cu_optuna._settings import checked  # noqa: E402
from hydra_plugins.cu_optuna._space import size, space_of  # noqa: E402
from hydra_plugins.cu_optuna._study import Known  # noqa: E402

GIVEN = {"direction": "minimize", "n_trials": 9, "n_jobs": 1, "sampler": "tpe", "seed": 0, "storage": None}


def known(folder, params, **more):
    space, fixed = space_of(params, [], OverridesParser.create())
    return Known(checked({**GIVEN, "params": params, **more}), space, fixed, folder)


def tried(search, count, value=lambda trial: float(trial.params["x"])):
    """Try so many points; returns them."""
    points = []
    for _ in range(count):
        if (trial := search.next()) is None:
            break
        points.append(trial.params)
        search.end(trial, value(trial), "finished")
    return points


@pytest.mark.parametrize(
    ("words", "expected", "points"),
    [
        ("choice(a,b,c)", CategoricalDistribution(["a", "b", "c"]), 3),
        ("1,2", CategoricalDistribution(["1", "2"]), 2),
        ("range(1,10,3)", IntDistribution(1, 7, step=3), 3),
        ("range(0.5,1.5,0.5)", FloatDistribution(0.5, 1.0, step=0.5), 2),
        ("interval(0.5,2)", FloatDistribution(0.5, 2.0), float("inf")),
        ("tag(log,interval(1e-4,1e-2))", FloatDistribution(1e-4, 1e-2, log=True), float("inf")),
        ("int(interval(2,5))", IntDistribution(2, 5), 4),
    ],
)
def test_hydra_s_words_are_optuna_s_distributions(words, expected, points):
    space, fixed = space_of({"x": words}, ["seed=3"], OverridesParser.create())
    assert (space, fixed) == ({"x": expected}, ["seed=3"])
    assert size(space) == points


def test_the_command_line_wins_over_the_config():
    space, fixed = space_of({"x": "choice(1,2)", "y": "choice(1,2)"}, ["x=5"], OverridesParser.create())
    assert (list(space), fixed) == (["y"], ["x=5"])
    with pytest.raises(ConfigError, match="must name what is searched"):
        space_of({}, ["x=5"], OverridesParser.create())


@pytest.mark.parametrize("words", ["range(3,1)", "interval(2,1)", "tag(log,interval(0.0,1.0))"])
def test_an_empty_space_is_one_line(words):
    with pytest.raises(ConfigError, match=r"^x="):
        space_of({"x": words}, [], OverridesParser.create())


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_search_that_is_taken_up_tries_what_it_would_have_tried(tmp_path, sampler):
    params = {"x": "interval(0.0,1.0)", "y": "choice(1,2)"}
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = tried(known(tmp_path / "a", params, sampler=sampler), 14)
    parts = tried(known(tmp_path / "b", params, sampler=sampler), 6)
    again = known(tmp_path / "b", params, sampler=sampler, n_trials=50)
    again.take_up()
    assert len(again.tried()) == 6
    assert parts + tried(again, 8) == whole
    assert tried(known(tmp_path / "b", params, sampler=sampler, seed=1), 1)[0] != whole[0]


def test_no_point_is_tried_twice_and_a_space_is_exhausted(tmp_path):
    params = {"x": "range(0,3)", "y": "choice(a,b)"}
    search = known(tmp_path, params, n_jobs=2)
    together = [search.next(), search.next()]
    assert together[0].params != together[1].params
    for trial in together:
        search.end(trial, 1.0, "finished")
    points = [trial.params for trial in together] + tried(search, 20)
    assert len(points) == len({tuple(point.values()) for point in points}) == 6


def test_what_diverged_counts_and_what_was_killed_is_tried_again(tmp_path):
    search = known(tmp_path, {"x": "interval(0.0,1.0)"})
    diverged, killed, lost = search.next(), search.next(), search.next()
    search.end(diverged, None, "diverged")
    search.end(killed, None, "failed")
    assert lost.params  # its command was killed
    again = known(tmp_path, {"x": "interval(0.0,1.0)"})
    again.take_up()
    assert [trial.params for trial in again.tried()] == [diverged.params]
    assert tried(again, 2) == [killed.params, lost.params]
    assert again.best().value == min(killed.params["x"], lost.params["x"])


def test_a_storage_that_cannot_be_used_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r"^hydra.sweeper.storage=sqlite:////nowhere/x.db cannot be used \("):
        known(tmp_path, {"x": "1,2"}, storage="sqlite:////nowhere/x.db")
