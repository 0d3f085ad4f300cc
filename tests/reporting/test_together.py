import pytest

from cu.reporting.aggregate import aggregate
from cu.reporting.collect import collect
from cu.reporting.tables import build_tables


@pytest.fixture
def tables(run_folders, make_report):
    def build(chosen, **changes):
        report = make_report(chosen, **changes)
        collection = collect(run_folders.outputs)
        cells = aggregate(collection, report.seeds, report.methods, report.margins)
        return build_tables(collection, cells, report)

    return build


def test_models_become_blocks_of_one_table(run_folders, make_metric, tables):
    for model, floor in (("resnet9", 0.01), ("resnet10", 0.02)):
        for method, value in (("near", 0.51), ("far", 0.7)):
            run_folders.add({"test_acc": make_metric(value, 0.5, floor=floor)}, method=method, model=model)
    run_folders.add(method="far", model="resnet10", seed=1, state="failed", error="no")
    run_folders.add({"test_acc": make_metric(0.5)}, dataset="svhn", model="resnet9")
    first, second = tables(["test_acc", "nowhere"], together="model", models=["resnet9", "resnet10"])
    assert (first.title, second.title) == ("digits / class", "svhn / class")
    apart = {table.title: table for table in tables(["test_acc", "nowhere"])}
    for model in ("resnet9", "resnet10"):
        own = apart[f"digits / {model} / class"]
        assert first.headings == own.headings
        block = [row for row in first.rows if row.label.startswith(f"{model} / ")]
        assert [row.label.removeprefix(f"{model} / ") for row in block] == [r.label for r in (*own.rows, own.floor)]
        assert [row.cells for row in block] == [r.cells for r in (*own.rows, own.floor)]
        assert [row.best for row in block] == [r.best for r in (*own.rows, own.floor)]
    assert any(row.best for row in first.rows)
    assert [row.label.partition(" / ")[0] for row in first.rows] == ["resnet9"] * 4 + ["resnet10"] * 4
    assert first.floor is None
    assert first.footnotes[0] == "[1] nowhere: no run of this row reports it"
    assert "resnet10 / far, seed 1: failed: no" in first.holes
    assert first.provenance.startswith("4 of 5 runs finished")


def test_footnotes_are_numbered_across_blocks(run_folders, make_metric, tables):
    for model, reason in (("a", "skipped: one"), ("b", "skipped: two")):
        run_folders.add({"x": make_metric(None, status=reason)}, model=model)
    (table,) = tables(["x"], together="model")
    assert {row.label: row.cells for row in table.rows} == {
        "a / contrastive": ("n/a [1]",),
        "b / contrastive": ("n/a [2]",),
    }
    assert table.footnotes == ("[1] x: skipped: one", "[2] x: skipped: two")
