import importlib.util
import json
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("check_leaderboard", ROOT / "scripts" / "check_leaderboard.py")
assert spec is not None
assert spec.loader is not None
board = sys.modules["check_leaderboard"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(board)


@pytest.fixture
def page(tmp_path, finished):
    """`(changes) -> exit code`, of a page with one row that the finished run stands behind."""
    (source,) = finished.glob("runs/*/*/*/*/*")
    folder = tmp_path / "leaderboard" / "mine" / source.name
    shutil.copytree(source, folder)
    metrics = json.loads((folder / "result.json").read_text())["metrics"]

    def cell(key, part):
        value = metrics.get(key, {}).get(part)
        return "n/a" if value is None else f"{100 * value:.1f}"

    numbers = [cell(key, part) for key in board.METRICS for part in ("value", "gap")]
    cells = ["mine", "digits", "resnet18_slim", "class", "finetune", "1", "1", *numbers]

    def check(**changes):
        row = [changes.get(name, own) for name, own in zip((*board.COLUMNS, *map(str, range(6))), cells, strict=True)]
        head = ["| " + " | ".join(["x"] * len(row)) + " |"] * 2
        (tmp_path / "board.md").write_text("\n".join([*head, "| " + " | ".join(row) + " |"]))
        return board.main(["--file", str(tmp_path / "board.md")])

    check.folder = folder
    return check


def test_a_row_that_its_run_folder_stands_behind_passes(page, monkeypatch, capsys):
    assert page() == 1
    assert "1 seeds and 1 retrained models; it takes 3 and 2" in capsys.readouterr().err
    monkeypatch.setattr(board, "FEWEST_SEEDS", 1)
    monkeypatch.setattr(board, "FEWEST_REFERENCES", 1)
    assert page() == 0
    assert page(**{"2": "99.9"}) == 1
    assert "retain_test_acc value is 99.9, its runs give" in capsys.readouterr().err
    assert page(method="contrastive") == 1


def test_a_setting_that_was_changed_afterwards_is_found(page, monkeypatch, capsys):
    monkeypatch.setattr(board, "FEWEST_SEEDS", 1)
    monkeypatch.setattr(board, "FEWEST_REFERENCES", 1)
    config = page.folder / "config.yaml"
    config.write_text(config.read_text().replace("train_size: 300", "train_size: 200"))
    assert page() == 1
    assert "config.yaml gives" in capsys.readouterr().err


def test_the_page_in_the_docs_is_right():
    assert board.main([]) == 0
