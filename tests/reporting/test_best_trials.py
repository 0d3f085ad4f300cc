from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from cu.errors import ConfigError
from cu.reporting.best_trials import CELL, best_trials, other_modes, require_both_modes, trials
from cu.reporting.collect import collect
from cu.reporting.searched_settings import write_settings

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


def test_a_trial_whose_settings_are_cut_off_is_named(tried, run_folders):
    path = next(run_folders.outputs.glob("runs/*/*/class/scrub/*/config.yaml"))
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**config, "trials": {}}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"config\.yaml is cut off; delete the folder and search again$"):
        tried()


def test_the_smallest_gap_is_chosen_the_first_of_several(tried):
    best = best_trials(tried())
    assert best[[*CELL[1:], "trial"]].to_numpy().tolist() == [["class", "scrub", "b"], ["sample", "scrub", "b"]]


def test_unequal_budgets_are_refused(tried):
    table = tried()
    fewer = table.drop(index=table.index[-1])
    with pytest.raises(ConfigError, match=r"digits/slim_w16 / sample / scrub has 2 trials, others have 3"):
        best_trials(fewer)


def test_a_method_that_never_finished_is_named(tried):
    table = tried().assign(value=lambda t: t["value"].where(t["scenario"] == "sample"))
    with pytest.raises(ConfigError, match="digits/slim_w16 / class / scrub: no trial finished"):
        best_trials(table)


def test_ordinary_runs_are_no_trials(run_folders, make_metric):
    run_folders.add({KEY: make_metric(0.1)})
    with pytest.raises(ConfigError, match="no run is a trial"):
        trials(collect(run_folders.outputs), KEY)


def test_networks_of_other_widths_and_those_without_are_searched_apart(run_folders, make_metric):
    for changes in ({"model.width": 8}, {"model.width": 16}, {"model": {"_target_": "a.B"}}):
        own = {"trial": "a", "trials": POINTS, **changes}
        run_folders.add({KEY: make_metric(0.1)}, config=own)
    found = best_trials(trials(collect(run_folders.outputs), KEY))
    assert found["option"].tolist() == ["digits/slim", "digits/slim_w16", "digits/slim_w8"]


def test_trials_on_other_numbers_of_images_are_not_compared(run_folders, make_metric):
    for size in (100, None):
        run_folders.add({KEY: make_metric(0.1)}, config={"trial": "a", "trials": POINTS, "dataset.train_size": size})
    with pytest.raises(ConfigError, match=r"digits/slim_w16 have several dataset.train_size: (100, None|None, 100)$"):
        best_trials(trials(collect(run_folders.outputs), KEY))


@pytest.fixture
def in_modes(run_folders, make_metric):
    """Two points in `train` on two classes each, `first` and `second` their values there; and further runs."""

    def add(trial, mode, gaps, method="scrub", key=KEY):
        for number, gap in enumerate(gaps):
            own = {"trial": trial, "trials": POINTS, "batchnorm": mode, "scenario.classes": [number], "objective": key}
            run_folders.add({key: make_metric(gap, direction="lower")}, method=method, config=own, seed=10)

    add("a", "train", (0.1, 0.5))
    add("b", "train", (0.2, 0.2))
    return add


def judged(run_folders, key=KEY):
    return trials(collect(run_folders.outputs), key)


def test_a_point_is_judged_by_its_mean_over_the_classes_it_was_tried_on(in_modes, run_folders):
    best = best_trials(judged(run_folders))
    assert best[["trial", "batchnorm", "value"]].to_numpy().tolist() == [["b", "train", pytest.approx(0.2)]]


def test_a_point_that_failed_on_one_class_is_not_chosen(in_modes, run_folders, make_metric):
    in_modes("c", "train", (0.0, float("nan")))
    assert best_trials(judged(run_folders))["trial"].tolist() == ["b"]


def test_the_best_point_is_tried_in_the_other_mode_and_may_win(in_modes, run_folders):
    assert other_modes(judged(run_folders)) == ["scenario=class trial=b batchnorm=frozen method=scrub"]
    in_modes("b", "frozen", (0.1, 0.1))
    best = best_trials(judged(run_folders))
    assert best[["trial", "batchnorm"]].to_numpy().tolist() == [["b", "frozen"]]


def test_each_network_tries_its_own_best_point_in_the_other_mode(in_modes, run_folders, make_metric):
    for trial, gap in (("a", 0.1), ("b", 0.3)):
        for number in range(2):
            own = {"trial": trial, "trials": POINTS, "batchnorm": "train", "scenario.classes": [number]}
            run_folders.add({KEY: make_metric(gap, direction="lower")}, method="scrub", model="deep", config=own)
    assert other_modes(judged(run_folders)) == [
        "model=deep scenario=class trial=a batchnorm=frozen method=scrub",
        "model=slim scenario=class trial=b batchnorm=frozen method=scrub",
    ]


def test_a_method_that_was_not_tried_in_the_other_mode_has_less_of_a_budget(in_modes, run_folders):
    for trial in "ab":
        in_modes(trial, "train", (0.3, 0.3), method="salun")
    in_modes("b", "frozen", (0.1, 0.1))
    table = judged(run_folders)
    with pytest.raises(ConfigError, match="salun has 0 trials in another mode of normalisation, others have 1"):
        require_both_modes(table)
    assert "scenario=class trial=a batchnorm=frozen method=salun" in other_modes(table), "what is left can be printed"


def test_two_names_of_one_method_are_both_judged(run_folders, make_metric):
    for name in ("ssd", "ssd_det"):
        own = {"trial": "a", "trials": POINTS}
        run_folders.add({KEY: make_metric(0.1)}, method=name, config=own)
    found = collect(run_folders.outputs)
    same = replace(found, runs=found.runs.assign(fingerprint="x"), values=found.values.assign(fingerprint="x"))
    assert trials(same, KEY)["value"].tolist() == [0.1, 0.1]


def test_points_tried_on_fewer_classes_are_not_compared(in_modes, run_folders):
    in_modes("c", "train", (0.1,))
    with pytest.raises(ConfigError, match=r"scrub / c / train has 1 runs, others have 2"):
        best_trials(judged(run_folders))


def test_a_search_that_still_runs_is_not_judged(in_modes, run_folders):
    own = {"trial": "c", "trials": POINTS, "batchnorm": "train", "scenario.classes": [0]}
    run_folders.add(None, method="scrub", config=own, seed=10, state="running")
    with pytest.raises(ConfigError, match="scrub / c is running: finish the search first"):
        best_trials(judged(run_folders))


def test_searches_with_different_judges_are_kept_apart(in_modes, run_folders):
    in_modes("c", "train", (0.0, 0.0), key="agg/probe_gap")
    assert set(judged(run_folders)["trial"]) == {"a", "b"}
    assert judged(run_folders, "agg/probe_gap")["option"].tolist() == ["digits/slim_w16_probes"] * 2


@pytest.fixture
def configs(tmp_path):
    """A folder of groups with the search of one method."""
    links = {"lr": "${trials.${trial}.lr}", "size": "${trials.${trial}.size}", "epochs": 2}
    (tmp_path / "configs" / "search").mkdir(parents=True)
    text = "# @package _global_\n" + yaml.safe_dump({"trials": POINTS, "method": links})
    (tmp_path / "configs" / "search" / "scrub.yaml").write_text(text)
    return tmp_path / "configs"


def test_the_best_trials_become_an_option_and_a_record(tried, configs):
    write_settings(tried(), configs)
    folder = configs / "cells" / "searched" / "digits" / "slim_w16"
    written = (folder / "class" / "scrub.yaml").read_text()
    assert written.startswith(
        "# @package _global_\n# Written by scripts/select_trials.py: trial b of 3 in configs/search/"
    )
    assert "20.00%\n# from retraining by accuracies on validation data (the worst: 30.00%)." in written
    method = {"lr": 0.1, "size": 64, "epochs": 2}
    assert yaml.safe_load(written) == {"settings": {"trial": "b"}, "method": method}
    record = pd.read_csv(folder / "trials.csv")
    assert record["value"].tolist()[3:] == [0.5, 0.1, 0.1]
    assert len(record) == 6


def test_points_of_a_scenario_alone_come_from_its_folder(tried, configs):
    own = (configs / "search" / "scrub.yaml").read_text().replace("epochs: 2", "epochs: 3")
    (configs / "search" / "sample").mkdir()
    (configs / "search" / "sample" / "scrub.yaml").write_text(own)
    write_settings(tried(), configs)
    written = {s: configs / "cells/searched/digits/slim_w16" / s / "scrub.yaml" for s in ("class", "sample")}
    epochs = {s: yaml.safe_load(path.read_text())["method"]["epochs"] for s, path in written.items()}
    assert epochs == {"class": 2, "sample": 3}
    assert "in configs/search/sample/scrub.yaml, " in written["sample"].read_text()


def test_hydra_composes_what_was_written(tried, configs):
    write_settings(tried(), configs)
    for group, option in (("dataset", "digits"), ("scenario", "class"), ("method", "scrub")):
        (configs / group).mkdir()
        (configs / group / f"{option}.yaml").write_text("lr: 7.0\n" if group == "method" else "x: 1\n")
    groups = [
        "scenario: class",
        "method: scrub",
        "optional cells: null",
        "settings: searched/digits/slim_w16",
        "_self_",
    ]
    (configs / "run.yaml").write_text("defaults:\n" + "".join(f"  - {line}\n" for line in groups))
    with initialize_config_dir(str(configs), version_base="1.3"):
        config = OmegaConf.to_container(compose("run"))
    assert config["method"] == {"lr": 0.1, "size": 64, "epochs": 2}
    made_for = {"dataset": "digits", "train_size": None, "model": "slim", "width": 16}
    assert config["settings"] == {"made_for": made_for, "best_of": 3, "trial": "b"}
