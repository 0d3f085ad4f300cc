import json

import pytest

from cu.reporting.collect import collect
from cu.reporting.statistics.aggregate import aggregate
from cu.reporting.tables.build import build_tables
from cu.reporting.write import judged


def test_nothing_there_is_empty_tables(tmp_path):
    collection = collect(tmp_path)
    assert collection.runs.empty
    assert collection.values.empty
    assert {"dataset", "setting", "state"} <= set(collection.runs.columns)


def test_one_row_per_run_and_metric(run_folders, make_metric):
    folder = run_folders.add(
        {"test_acc": make_metric(0.9, 0.8, floor=0.01, original=0.95), "mia/loss_auc": make_metric(0.5)}, seed=3
    )
    collection = collect(run_folders.outputs)
    (run,) = collection.runs.to_dict("records")
    assert (run["dataset"], run["model"], run["scenario"], run["method"]) == ("digits", "slim", "class", "contrastive")
    assert (run["seed"], run["forget_seed"], run["method_seed"], run["recipe"]) == (3, 3, 3, "short")
    assert (run["state"], run["kind"], run["torch"], run["path"]) == ("finished", "class", "2.5.0", str(folder))
    values = collection.values.set_index("key")
    assert values.loc["test_acc", ["value", "ref", "floor", "original"]].tolist() == [0.9, 0.8, 0.01, 0.95]
    assert values.loc["test_acc", "gap"] == pytest.approx(0.1)
    assert values.loc["test_acc", "commit"] == "a" * 40
    assert values.loc["mia/loss_auc", ["ref", "gap"]].isna().all()


def test_unset_seeds_follow_seed(run_folders):
    run_folders.add({}, config={"seed": 4, "forget_seed": None, "method_seed": 9})
    run = collect(run_folders.outputs).runs.iloc[0]
    assert (run["seed"], run["forget_seed"], run["method_seed"]) == (4, 4, 9)


def test_skipped_and_undefined_values_are_not_numbers(run_folders, make_metric):
    run_folders.add(
        {
            "a": make_metric(None, status="skipped: needs a retrained model"),
            "b": make_metric(0.0, 0.5, status="skipped: but somebody wrote a zero"),
            "c": make_metric(None),
        }
    )
    values = collect(run_folders.outputs).values.set_index("key")
    assert values["value"].isna().all()
    assert values["gap"].isna().all()
    assert values.loc["c", "status"] == "undefined"


@pytest.mark.parametrize("name", ["status.json", "config.yaml", "result.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "binary", "list"])
def test_a_broken_file_makes_a_visible_hole(run_folders, make_metric, name, damage):
    folder = run_folders.add({"test_acc": make_metric(0.9)}, seed=0)
    run_folders.add({"test_acc": make_metric(0.8)}, seed=1)
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        broken = {
            "empty": b"",
            "truncated": content[: len(content) // 2] + b"{",
            "binary": b"\xff\xfe\x00",
            "list": b"[1]",
        }
        path.write_bytes(broken[damage])
    collection = collect(run_folders.outputs)
    run = collection.runs.set_index("path").loc[str(folder)]
    assert run["state"] == "unreadable"
    assert name in run["error"]
    assert "\n" not in run["error"]
    assert collection.values["value"].tolist() == [0.8]
    counts = aggregate(collection, None, None).counts
    assert counts[["finished", "unreadable"]].to_numpy().tolist() == [[1, 1]]


def test_a_folder_without_any_record_is_not_a_run(run_folders):
    (run_folders.outputs / "runs/digits/slim/class/scrub/abc").mkdir(parents=True)
    assert collect(run_folders.outputs).runs.empty


def test_a_run_killed_before_its_status_is_a_hole(run_folders):
    folder = run_folders.outputs / "runs/digits/slim/class/scrub/abc"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("seed: 0\n")
    cells = aggregate(collect(run_folders.outputs), None, None)
    assert cells.counts[["finished", "unreadable", "expected"]].to_numpy().tolist() == [[0, 1, 1]]
    assert "status.json is missing" in cells.holes.loc[0, "reason"]


def test_another_schema_is_not_read(run_folders, make_metric):
    folder = run_folders.add({"test_acc": make_metric(0.9)})
    content = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**content, "schema": 1}))
    run = collect(run_folders.outputs).runs.iloc[0]
    assert run["state"] == "unreadable"
    assert "schema 1" in run["error"]


def test_a_left_over_result_of_a_run_that_did_not_finish_is_not_read(run_folders, make_metric):
    folder = run_folders.add({"test_acc": make_metric(0.9)})
    (folder / "status.json").write_text(json.dumps({"state": "running", "error": None, "pid": 5, "host": "n1"}))
    collection = collect(run_folders.outputs)
    assert collection.values.empty
    assert "pid 5 on n1" in collection.runs.loc[0, "error"]


@pytest.mark.parametrize("state", ["failed", "diverged", "preempted"])
def test_the_reason_of_a_hole_comes_from_the_status(run_folders, state):
    run_folders.add(state=state, error="loss is nan")
    run = collect(run_folders.outputs).runs.iloc[0]
    assert (run["state"], run["error"]) == (state, "loss is nan")


def test_two_learning_rates_and_three_seeds_are_two_settings(run_folders, make_metric):
    for lr in (0.1, 0.01):
        for seed in range(3):
            run_folders.add({"test_acc": make_metric(lr)}, seed=seed, config={"method.lr": lr})
    run_folders.add({"test_acc": make_metric(0.5)}, method="finetune", config={"method.lr": 7})
    values = collect(run_folders.outputs).values
    labels = values.groupby(["method", "setting"])["value"].agg(["nunique", "size"])
    assert labels.index.tolist() == [("contrastive", "lr=0.01"), ("contrastive", "lr=0.1"), ("finetune", "")]
    assert labels["nunique"].tolist() == [1, 1, 1]
    assert labels["size"].tolist() == [3, 3, 1]


def test_two_train_sizes_are_two_tables_for_every_method(run_folders, make_metric):
    for size in (100, 200):
        for method in ("contrastive", "finetune"):
            run_folders.add({"test_acc": make_metric(0.5)}, method=method, config={"dataset.train_size": size})
    runs = collect(run_folders.outputs).runs
    assert sorted(runs["data_setting"].unique()) == ["dataset.train_size=100", "dataset.train_size=200"]
    assert (runs["setting"] == "").all()
    assert not runs["duplicate"].any()


def test_runs_that_no_setting_tells_apart_are_shown_apart(run_folders, make_metric):
    folders = [run_folders.add({"test_acc": make_metric(v)}) for v in (0.1, 0.9)]
    run_folders.add({"test_acc": make_metric(0.5)}, seed=1)
    collection = collect(run_folders.outputs)
    assert collection.runs["duplicate"].tolist() == [True, True, False]
    assert collection.runs["setting"].tolist() == [*(f"fingerprint={folder.name}" for folder in folders), ""]
    assert sorted(s.mean for s in aggregate(collection, None, None).stats) == [0.1, 0.5, 0.9]


def test_a_run_without_config_joins_the_only_setting_or_none(run_folders, make_metric):
    (run_folders.add(seed=5) / "config.yaml").unlink()
    run_folders.add({"test_acc": make_metric(0.5)}, seed=0)
    assert collect(run_folders.outputs).runs["setting"].tolist() == ["", ""]
    run_folders.add({"test_acc": make_metric(0.5)}, seed=0, config={"method.lr": 3})
    settings = collect(run_folders.outputs).runs["setting"].tolist()
    assert sorted(settings) == ["lr=0.01", "lr=3", "settings unknown"]


def test_sixty_runs_of_sixty_metrics_are_twenty_rows_and_their_yardsticks(run_folders, make_metric, make_report):
    keys = [f"family/name{i}_acc" for i in range(60)]
    for i in range(60):
        metrics = {key: make_metric(0.5 + i / 1000, 0.5, floor=0.01, original=0.9) for key in keys}
        run_folders.add(metrics, seed=i % 3, method=f"method{i // 6}", config={"method.lr": i // 3 % 2})
    report = make_report(keys)
    collection = collect(run_folders.outputs)
    tables = build_tables(collection, judged(collection, report), report)
    assert len(tables[0].rows) == 22
