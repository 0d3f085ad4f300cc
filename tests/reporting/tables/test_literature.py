import csv
import shutil
import subprocess
from collections import Counter

import pytest

from cu.errors import ConfigError
from cu.reporting.tables.literature import FOLDER, printed_numbers
from cu.reporting.write import write_report

NAME = "arxiv_2401_10458"
PRINTED = printed_numbers(NAME)
CLASS_METHODS = {"retrain", "contrastive", "boundary_shrink", "boundary_expand", "scrub", "unsir"}
SAMPLE_METHODS = {"retrain", "contrastive", "finetune", "gradient_ascent", "fisher", "lcodec"}


def test_all_numbers_of_all_tables_are_there_once():
    lines = (FOLDER / f"{NAME}.csv").read_text().splitlines()
    assert "arXiv 2401.10458v1" in lines[0]
    rows = list(csv.DictReader(lines[1:]))
    # Four networks, six methods, and as many rows per network as each table has.
    counts = {"1": 72, "2": 72, "3": 24, "4": 48, "5": 48, "6": 48, "7": 24}
    assert Counter(row["table"] for row in rows) == counts
    assert len(PRINTED) == len(rows) == 336


def test_numbers_are_in_stored_units():
    for (dataset, model, scenario, method, key), value in PRINTED.items():
        assert dataset in ("cifar10", "svhn")
        assert model in ("resnet18", "resnet34", "resnet50", "resnet101")
        assert method in (CLASS_METHODS if scenario == "class" else SAMPLE_METHODS)
        assert 10 < value < 30_000 if key == "eff/total_seconds" else 0 <= value <= 1


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (("cifar10", "resnet18", "class", "contrastive", "retain_test_acc"), 0.8579),
        (("cifar10", "resnet18", "class", "scrub", "forget_train_acc"), 0.3542),
        (("cifar10", "resnet101", "class", "boundary_expand", "forget_test_acc"), 0.0850),
        (("svhn", "resnet18", "class", "unsir", "retain_test_acc"), 0.903),
        (("svhn", "resnet101", "class", "boundary_shrink", "forget_test_acc"), 0.4539),
        (("cifar10", "resnet101", "class", "retrain", "eff/total_seconds"), 7493.79),
        (("cifar10", "resnet101", "sample", "retrain", "forget_train_acc"), 0.8569),
        (("cifar10", "resnet18", "sample", "gradient_ascent", "test_acc"), 0.6823),
        (("svhn", "resnet50", "sample", "lcodec", "forget_train_acc"), 0.9995),
        (("svhn", "resnet101", "sample", "lcodec", "test_acc"), 0.8165),
        (("cifar10", "resnet34", "sample", "contrastive", "mia/member_rate_forget"), 0.5359),
        (("cifar10", "resnet101", "sample", "finetune", "mia/member_rate_retain"), 0.5943),
        (("cifar10", "resnet18", "sample", "contrastive", "eff/total_seconds"), 158.4),  # 2.64 minutes
        (("cifar10", "resnet101", "sample", "lcodec", "eff/total_seconds"), 29700.6),  # 495.01 minutes
    ],
)
def test_numbers_are_those_printed(cell, value):
    assert PRINTED[cell] == value


def test_unknown_papers_are_named():
    assert printed_numbers(None) == {}
    with pytest.raises(ConfigError, match=r"report.published=nowhere is none of arxiv_2401_10458"):
        printed_numbers("nowhere")


@pytest.fixture
def files(run_folders, make_metric, make_report, tmp_path):
    """Markdown, CSV and LaTeX of two models' runs in a cell of the paper's table 1."""
    for model, value in (("resnet18", 0.8779), ("resnet34", 0.9)):
        metrics = {"retain_test_acc": make_metric(value, 0.88), "forget_test_acc": make_metric(0.5)}
        run_folders.add(metrics, dataset="cifar10", model=model)
    columns = [{"key": "retain_test_acc", "title": "retain", "scale": "percent2"}, "val_acc"]
    report = make_report(columns, methods=["contrastive", "unsir"], published=NAME, together="model", note="Mind.")
    return [path.read_text() for path in write_report(report, run_folders.outputs, tmp_path / "report").files[:3]]


def test_markdown_has_a_column_for_them(files):
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in files[0].splitlines() if line[:1] == "|"]
    assert rows[0] == ["method", "retain [%] →ref", "published", "val_acc [%]", "seeds"]
    assert ["resnet18 / contrastive", "87.79 (−0.21)", "85.79 (+2.00)", "n/a [1]", "1/1"] in rows
    assert ["resnet34 / unsir", "— (missing)", "47.02", "— (missing)", "0/1 (missing 1)"] in rows
    assert ["resnet18 / retrained (reference)", "88.00", "86.96 (+1.04)", "n/a", "1"] in rows
    assert "published: the printed value (ours less it). Lee, Zhang" in files[0]
    assert "\nMind.\n" in files[0]


def test_csv_has_them_in_stored_units(files):
    (row,) = (
        row
        for row in csv.DictReader(files[1].splitlines())
        if row["model"] == "resnet18" and row["key"] == "retain_test_acc"
    )
    assert float(row["published"]) == 0.8579
    assert float(row["published_gap"]) == pytest.approx(0.02)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_with_them(files, tmp_path):
    assert "85.79 (+2.00)" in files[2]
    document = (
        "\\documentclass{article}\n\\usepackage{array,booktabs,longtable}\n\\begin{document}\n"
        + files[2]
        + "\\end{document}\n"
    )
    (tmp_path / "document.tex").write_text(document)
    subprocess.run(["pdflatex", "-halt-on-error", "document.tex"], cwd=tmp_path, check=True, capture_output=True)
