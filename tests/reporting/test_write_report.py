import csv
import io

import pytest
import yaml

from cu.config.folder import config_folder
from cu.errors import ConfigError
from cu.reporting.collect import collect
from cu.reporting.types import Report
from cu.reporting.write import judged, long_form, show_report, write_report


@pytest.fixture
def filled(run_folders, make_metric):
    for seed in range(3):
        for method, offset in (("finetune", 0.1), ("neg_grad", 0.3)):
            value = 0.8 + offset / 3 + seed / 700
            run_folders.add({"test_acc": make_metric(value, 0.8, floor=1 / 300)}, method=method, seed=seed)
    run_folders.add(method="scrub", state="failed", error="100% of <GPU_0> memory & more: {50} #1 ~ ^ \\ $ é 漢 \x1b|")
    return run_folders


def test_four_files_and_no_litter(filled, make_report):
    target = filled.outputs / "reports" / "test"
    paths = write_report(make_report(["test_acc"]), filled.outputs, target).files
    assert [path.name for path in paths] == ["test.md", "test.csv", "test.tex", "test.html"]
    assert sorted(target.iterdir()) == sorted(paths)


def test_same_runs_give_same_files(filled, make_report, tmp_path):
    report = make_report(["test_acc"])
    first = [path.read_bytes() for path in write_report(report, filled.outputs, tmp_path / "a").files]
    assert first == [path.read_bytes() for path in write_report(report, filled.outputs, tmp_path / "b").files]


def test_csv_read_back_equals_the_aggregate(filled, make_report, tmp_path):
    path = write_report(make_report(["test_acc"]), filled.outputs, tmp_path).files[1]
    with path.open(newline="") as file:
        back = list(csv.DictReader(file))
    expected = long_form(judged(collect(filled.outputs), make_report(["test_acc"])), None).to_dict("records")
    assert len(back) == len(expected) == 3
    for row, cell in zip(back, expected, strict=True):
        assert list(row) == list(cell)
        for name, value in cell.items():
            if isinstance(value, str):
                assert row[name] == value
            else:
                assert row[name] == "" if value is None or value != value else float(row[name]) == value


def test_markdown_is_aligned_and_reads_back(filled, make_report, tmp_path):
    text = write_report(
        make_report([{"key": "test_acc", "title": "a|b"}]), filled.outputs, tmp_path
    ).markdown.read_text()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    body = [[cell.strip() for cell in line.replace("\\|", "/").strip("|").split("|")] for line in lines]
    assert body[0] == ["method", "a/b [%] →ref", "seeds"]
    assert ["finetune", "83.5 ± 0.1 (+3.5)", "3/3"] in body
    assert ["noise floor", "0.3", ""] in body
    assert "- scrub, seed 0: failed: 100% of" in text


def test_selection(filled, make_report, make_metric, tmp_path):
    filled.add({"test_acc": make_metric(0.1)}, dataset="svhn")
    report = make_report(["test_acc"], datasets=["digits"], methods=["neg_grad", "finetune"], seeds=[2, 7])
    text = write_report(report, filled.outputs, tmp_path).markdown.read_text()
    rows = [line.strip("| ").split("|")[0].strip() for line in text.splitlines() if line.startswith("| ")]
    assert [row for row in rows if "_" in row or row == "finetune"] == ["neg_grad", "finetune"]
    assert "svhn" not in text
    assert "scrub" not in text
    assert "finetune, seed 7: missing: no run" in text


def test_what_was_asked_for_and_is_nowhere_is_named(filled, make_report, tmp_path, caplog):
    report = make_report(["tset_acc"], datasets=["digits", "cifar100"])
    text = write_report(report, filled.outputs, tmp_path).markdown.read_text()
    assert caplog.messages == [
        "report.datasets: no run of cifar100",
        "report.columns: no run reports tset_acc (did you mean test_acc?)",
    ]
    assert all(f"Warning: {message}" in text for message in caplog.messages)


def test_nothing_to_report_is_one_line(filled, make_report, tmp_path):
    with pytest.raises(ConfigError, match=r"paths.outputs: no runs below .*; make some with cu-unlearn first"):
        write_report(make_report(["test_acc"]), tmp_path / "nowhere", tmp_path)
    with pytest.raises(ConfigError, match=r"report.datasets: no run matches \['mnist'\]; there are runs of digits"):
        write_report(make_report(["test_acc"], datasets=["mnist"]), filled.outputs, tmp_path)


def test_default_report_is_valid(filled, tmp_path):
    settings = yaml.safe_load((config_folder() / "report" / "default.yaml").read_text())
    assert settings.pop("_target_") == f"{Report.__module__}.{Report.__qualname__}"
    report = Report(**settings)
    assert len(report.columns_for("class")) == len({column.key for column in report.columns_for("class")})
    assert report.columns_for("sample")[0].scale.unit == "%"
    assert write_report(report, filled.outputs, tmp_path).markdown.name == "default.md"


def test_yaml_values_match_the_annotations():
    from pydantic import TypeAdapter

    settings = yaml.safe_load((config_folder() / "report" / "default.yaml").read_text())
    settings.pop("_target_")
    assert TypeAdapter(Report).validate_python(settings) == Report(**settings)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "", "a//b", "a/", ".", "a\nb", "\x1b[31m", "a:b"])
def test_a_name_cannot_leave_the_folder_of_reports(filled, make_report, tmp_path, name):
    with pytest.raises(ConfigError, match=r"report\.name="):
        write_report(
            make_report(["test_acc"], name=name), filled.outputs, tmp_path / "reports" / name.replace("\0", "")
        )
    assert not (tmp_path / "reports").exists()


def test_ordinary_names_are_allowed(make_report):
    for name in ("paper/table1", "mnist v1.2", "été_2=a-b"):
        make_report(["test_acc"], name=name).check_name()


def test_a_terminal_gets_tables_as_wide_as_it_is(filled, make_report, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", "50")
    written = write_report(make_report(["test_acc", "other", "another"]), filled.outputs, tmp_path)
    terminal, file = Terminal(), io.StringIO()
    show_report(written, terminal)
    show_report(written, file)
    assert "columns do not fit in" in " ".join(terminal.getvalue().split())
    assert file.getvalue() == written.markdown.read_text() + "\n"
