import numpy as np
import pandas as pd
import pytest
import yaml

from cu.errors import ConfigError
from cu.reporting.choice import CELL, choice, trials, write_choice
from cu.reporting.collect import collect

KEY = "agg/val_gap"
POINTS = {"a": {"lr": 0.1, "size": 32}, "b": {"lr": 0.1, "size": 64}, "c": {"lr": 0.01, "size": 32}}


@pytest.fixture
def tried(run_folders, make_metric):
    """Three trials of a method in two scenarios; trial c in the class scenario diverged."""

    def add(scenario, trial, gap, **more):
        own = {"trial": trial, "trials": POINTS, "method.lr": POINTS[trial]["lr"], "method.size": POINTS[trial]["size"]}
        metrics = {KEY: make_metric(gap, direction="lower")} if gap is not None else None
        run_folders.add(metrics, scenario=scenario, method="scrub", config=own, seed=10, **more)

    add("class", "a", 0.3)
    add("class", "b", 0.2)
    add("class", "c", None, state="diverged", error="the loss became nan")
    for trial, gap in zip("abc", (0.5, 0.1, 0.1), strict=True):
        add("sample", trial, gap)
    run_folders.add({KEY: make_metric(0.0)}, method="scrub")
    return lambda: trials(collect(run_folders.outputs), KEY)


def test_every_trial_is_recorded_also_those_that_diverged(tried):
    table = tried()
    assert table["trial"].tolist() == list("abcabc")
    assert table["settings"].tolist()[:2] == ["lr=0.1, size=32", "lr=0.1, size=64"]
    assert table["state"].tolist()[2] == "diverged"
    assert np.isnan(table["value"][2])


def test_the_smallest_gap_is_chosen_the_first_of_several(tried):
    best = choice(tried())
    assert best[[*CELL[1:], "trial"]].to_numpy().tolist() == [["class", "scrub", "b"], ["sample", "scrub", "b"]]


def test_unequal_budgets_are_refused(tried):
    table = tried()
    fewer = table.drop(index=table.index[-1])
    with pytest.raises(ConfigError, match=r"digits / sample / scrub has 2 trials, others have 3"):
        choice(fewer)


def test_a_method_that_never_finished_is_named(tried):
    table = tried().assign(value=lambda t: t["value"].where(t["scenario"] == "sample"))
    with pytest.raises(ConfigError, match="digits / class / scrub: no trial finished"):
        choice(table)


def test_ordinary_runs_are_no_trials(run_folders, make_metric):
    run_folders.add({KEY: make_metric(0.1)})
    with pytest.raises(ConfigError, match="no run is a trial"):
        trials(collect(run_folders.outputs), KEY)


def test_the_choice_becomes_tuned_settings_and_a_record(tried, tmp_path):
    search = tmp_path / "configs" / "search"
    search.mkdir(parents=True)
    links = {"lr": "${trials.${trial}.lr}", "size": "${trials.${trial}.size}", "epochs": 2}
    (search / "scrub.yaml").write_text("# @package _global_\n" + yaml.safe_dump({"trials": POINTS, "method": links}))
    write_choice(tried(), tmp_path / "configs")
    written = tmp_path / "configs" / "tuned" / "digits" / "class" / "scrub.yaml"
    assert written.read_text().startswith("# @package _global_\n# Trial b of 3 in configs/search/scrub.yaml: 20.00%")
    assert yaml.safe_load(written.read_text()) == {"method": {"lr": 0.1, "size": 64, "epochs": 2}}
    record = pd.read_csv(tmp_path / "configs" / "tuned" / "digits" / "trials.csv")
    assert record["value"].tolist()[3:] == [0.5, 0.1, 0.1]
    assert len(record) == 6
