import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("results", ROOT / "scripts" / "results.py")
assert spec is not None
assert spec.loader is not None
results = sys.modules["results"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(results)

PAGE = """
tiny:
  title: A tiny page
  about: One method on some digits.
  runs: ["-m {words} method=finetune,{other}"]
  report: report=default report.figures=null
other: {{title: Another, about: It is not made.}}
"""


@pytest.fixture
def inside(command, monkeypatch):
    """Commands run in this process."""

    def executed(words):
        ended = command(words[0].removeprefix("cu-"), *words[1:])
        if ended.code:
            raise results.Incomplete(f"exit code {ended.code}")
        return ended.out

    monkeypatch.setattr(results, "executed", executed)


def pages(folder, tiny, other):
    folder.mkdir()
    words = " ".join(word for word in tiny if word.split("=")[0] not in ("method", "tracking", "hardware.num_threads"))
    (folder / "pages.yaml").write_text(PAGE.format(words=words, other=other))
    return ["--docs", str(folder), "--only", "tiny", "--outputs", str(folder / "outputs")]


def test_a_page_says_what_its_run_folders_say(inside, tiny, tmp_path):
    asked = pages(tmp_path / "docs", tiny, "random_label")
    assert results.main(asked) == 0
    text = (tmp_path / "docs" / "tiny.md").read_text()
    found = [json.loads(path.read_text()) for path in tmp_path.glob("docs/outputs/tiny/runs/*/*/*/*/*/result.json")]
    assert len(found) == 2
    for result in found:
        value = 100 * result["metrics"]["retain_test_acc"]["value"]
        rows = {
            line.split("|")[1].strip().replace("\\", ""): line for line in text.splitlines() if line.startswith("|")
        }
        line = next(line for name, line in rows.items() if name.startswith(result["names"]["method"]))
        assert f"{value:.1f}" in line
        assert result["provenance"]["commit"][:12] in text
    assert "cu-unlearn -m dataset.train_size=300" in text
    assert "seeds 0; 1 retrained models or more" in text
    listed = (tmp_path / "docs" / "index.md").read_text()
    assert "[A tiny page](tiny.md)" in listed
    assert "Another: `scripts/results --only other`" in listed


def test_a_page_with_a_hole_is_not_written(inside, tiny, tmp_path, capsys):
    asked = pages(tmp_path / "docs", tiny, "finetune method.recipe.optimizer.lr=0.01,1e30")
    assert results.main(asked) == 1
    assert not (tmp_path / "docs" / "tiny.md").exists()
    assert "error: tiny: exit code" in capsys.readouterr().err


def test_dry_prints_commands_and_runs_none(capsys, monkeypatch):
    monkeypatch.setattr(results, "executed", None)
    assert results.main(["--dry", "--only", "digits", "calibration"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["cu-unlearn", "cu-report", "python"]


def test_holes_of_a_report_are_not_overlooked():
    with pytest.raises(results.Incomplete, match="scrub, seed 1: failed"):
        results.report_of("# default\n\n## digits\n\nHoles:\n\n- scrub, seed 1: failed: no memory\n")
    assert results.report_of("# default\n\n## digits\n\ntable\nwritten: a, b\n") == "## digits\n\ntable"
