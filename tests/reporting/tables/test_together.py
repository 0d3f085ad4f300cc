from cu.reporting.render.texts import row_texts


def test_models_become_blocks_of_one_table(run_folders, make_metric, tables, cells, notes):
    sizes = {"retain": 10**7, "forget": 10**7, "val": 0, "test": 10**7, "test_forget": 10**6}
    for model, floor in (("resnet9", 0.01), ("resnet10", 0.02)):
        for method, value in (("near", 0.501), ("far", 0.7)):
            for seed in range(3):
                metrics = {"test_acc": make_metric(value + seed / 1e4, 0.5, floor=floor)}
                run_folders.add(metrics, method=method, model=model, seed=seed, split_sizes=sizes)
    run_folders.add(method="far", model="resnet10", seed=3, state="failed", error="no")
    run_folders.add({"test_acc": make_metric(0.5)}, dataset="svhn", model="resnet9")
    first, second = tables(["test_acc", "nowhere"], together="model", models=["resnet9", "resnet10"])
    assert (first.title, second.title) == ("digits / class", "svhn / class")
    apart = {table.title: table for table in tables(["test_acc", "nowhere"])}
    for model in ("resnet9", "resnet10"):
        own = apart[f"digits / {model} / class"]
        assert first.headings == own.headings
        block = [row for row in first.rows if row.label.model == model]
        told = [row_texts(row, own)[1:] for row in own.all_rows()]
        assert [row_texts(row, first)[1:] for row in block] == told
        assert [row.label.name for row in block] == [row.label.name for row in own.all_rows()]
    assert any(cell.best for row in first.rows for cell in row.cells)
    assert [row.label.model for row in first.rows] == ["resnet9"] * 4 + ["resnet10"] * 4
    assert first.floor is None
    assert notes(first)[0] == "[1] nowhere: no run of this row reports it"
    assert "resnet10 / far, seed 3: failed: no" in first.holes
    assert first.provenance.startswith("12 of 13 runs finished")


def test_footnotes_are_numbered_across_blocks(run_folders, make_metric, tables, cells, notes):
    for model, reason in (("a", "skipped: one"), ("b", "skipped: two")):
        run_folders.add({"x": make_metric(None, status=reason)}, model=model)
    (table,) = tables(["x"], together="model")
    assert cells(table) == {"a / contrastive": ("n/a [1]",), "b / contrastive": ("n/a [2]",)}
    assert notes(table) == ["[1] x: skipped: one", "[2] x: skipped: two"]
