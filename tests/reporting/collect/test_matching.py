import pytest

from cu.errors import ConfigError
from cu.reporting.collect import collect
from cu.reporting.collect.matching import agrees
from cu.reporting.write import write_report


@pytest.mark.parametrize(
    ("where", "agreed"),
    [
        ({}, True),
        ({"dataset": {"train_size": None}}, True),
        ({"dataset": {"train_size": 100}}, False),
        ({"model": {"width": 16.0}, "scenario": {"classes": [5]}}, True),
        ({"model.width": 16}, True),
        ({"model": {"width": 8}, "scenario": {"classes": [5]}}, False),
        ({"scenario": {"count": 5}}, False),
        ({"scenario": {"count": None}}, False),
    ],
)
def test_settings_agree_where_all_asked_for_are_equal(where, agreed):
    settings = {"dataset.train_size": "null", "model.width": "16", "scenario.classes": "[5]"}
    assert agrees(settings, where) is agreed


def test_other_runs_in_the_folder_do_not_reach_the_report(run_folders, make_metric, make_report, tmp_path):
    run_folders.add({"test_acc": make_metric(0.25)})
    run_folders.add({"test_acc": make_metric(0.75)}, config={"dataset.train_size": 100})
    assert len(collect(run_folders.outputs).runs) == 2
    text = write_report(make_report(["test_acc"]), run_folders.outputs, tmp_path).markdown.read_text()
    assert "train_size" in text
    report = make_report(["test_acc"], where={"dataset": {"train_size": 100}})
    text = write_report(report, run_folders.outputs, tmp_path).markdown.read_text()
    assert "75.0" in text
    assert "25.0" not in text
    assert "train_size" not in text


def test_a_run_without_readable_settings_stays_as_a_hole(run_folders, make_metric):
    run_folders.add({"test_acc": make_metric(0.25)}).joinpath("config.yaml").write_text("")
    assert list(collect(run_folders.outputs, {"model": {"width": 99}}).runs["state"]) == ["unreadable"]


def test_no_run_with_the_settings_is_one_line(run_folders, make_metric, make_report, tmp_path):
    run_folders.add({"test_acc": make_metric(0.25)})
    report = make_report(["test_acc"], where={"recipe": {"epochs": 100}})
    with pytest.raises(
        ConfigError,
        match=r"report.where: no run has recipe.epochs=100; ask for others, e.g. report.where.recipe.epochs=\.\.\.$",
    ):
        write_report(report, run_folders.outputs, tmp_path)
