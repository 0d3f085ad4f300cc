import json

import pandas as pd
import pytest

from cu.reporting.render.media import mirror
from cu.reporting.write import write_report


class Recorder:
    def __init__(self):
        self.tables, self.images, self.pages = {}, {}, {}

    def table(self, name, columns, rows):
        self.tables[name] = (columns, rows)

    def image(self, name, file, caption):
        self.images[name] = (file, caption)

    def page(self, name, file):
        self.pages[name] = file


@pytest.fixture
def mirrored(run_folders, make_metric, make_report, tmp_path):
    for seed, value in enumerate((0.8, 0.9)):
        run_folders.add({"test_acc": make_metric(value, 0.9, floor=0.01)}, seed=seed)
    run_folders.add({"test_acc": make_metric(None, status="skipped: why")}, method="scrub")
    written = write_report(make_report(["test_acc"]), run_folders.outputs, tmp_path / "report")
    recorder = Recorder()
    mirror(written, recorder)
    return written, recorder


def test_tables_arrive_as_numbers_and_holes_as_nothing(mirrored):
    _, recorder = mirrored
    columns, rows = recorder.tables["tables/digits / slim / class"]
    assert columns == ["method", "test_acc [%] →ref", "seeds"]
    by_label = {row[0]: row[1] for row in rows}
    assert by_label["contrastive"] == pytest.approx(85.0)
    assert by_label["scrub"] is None
    assert by_label["noise floor"] == pytest.approx(1.0)


def test_all_statistics_arrive_and_are_plain(mirrored):
    written, recorder = mirrored
    columns, rows = recorder.tables["statistics"]
    long = pd.read_csv(written.folder / "test.csv")
    assert columns == list(long)
    assert len(rows) == len(long)
    json.dumps(rows, allow_nan=False)
    means = dict(zip(long["method"], long["mean"], strict=True))
    assert {row[columns.index("method")]: row[columns.index("mean")] for row in rows}["contrastive"] == means[
        "contrastive"
    ]


def test_the_page_arrives(mirrored):
    written, recorder = mirrored
    assert recorder.pages == {"page": written.page}
    assert written.page in written.files
