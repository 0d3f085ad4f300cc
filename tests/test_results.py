import importlib
import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = str(ROOT / "scripts")
sys.path.insert(0, SCRIPTS)
try:
    results = importlib.import_module("results")
    blocks = importlib.import_module("pages.blocks")
    gallery = importlib.import_module("pages.gallery")
finally:
    sys.path.remove(SCRIPTS)

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
    opened = (tmp_path / "docs" / "tiny.html").read_text()
    assert f"{100 * found[0]['metrics']['retain_test_acc']['value']:.1f}" in opened
    assert [link for link in re.findall(r'href="(.*?)"', opened) if not link.startswith("#")] == []
    assert "[A tiny page](tiny.html), 0." in (tmp_path / "docs" / "gallery.md").read_text()
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


def test_a_report_that_is_too_large_is_said_and_not_shown(tmp_path, monkeypatch):
    page = tmp_path / "reports" / "digits.html"
    page.parent.mkdir()
    page.write_text("<p>" + "x" * 2_000_000)
    tiny = results.Page(name="tiny", title="", about="")
    with pytest.raises(results.Incomplete, match=r"digits\.html has 2\.0 MB, more than 2: ask for fewer"):
        gallery.copy_reports(tiny, [f"table\nwritten: a.md, {page}, b.tex\n"], tmp_path)
    assert list(tmp_path.glob("*.html")) == []


def test_several_reports_of_a_page_have_names_of_their_own(tmp_path):
    said = []
    for name in ("table1", "table2"):
        (tmp_path / f"{name}.html").write_text(f'<p class="files"><a href="{name}.csv">CSV</a></p>{name}')
        said.append(f"written: {tmp_path / name}.md, {tmp_path / name}.html")
    docs = tmp_path / "docs"
    docs.mkdir()
    page = results.Page(name="paper", title="Tables", about="")
    assert [path.name for path in gallery.copy_reports(page, said, docs)] == ["paper-table1.html", "paper-table2.html"]
    assert (docs / "paper-table2.html").read_text() == "table2"
    assert "[Tables (table2)](paper-table2.html)" in gallery.gallery({"paper": page}, docs)


TABLE = """# A page

| method      |   forget acc [%] |   forget acc of few |   seeds |
|:------------|-----------------:|--------------------:|--------:|
| retrain     |      0.0 ± 0.0   |                 1   |     3/3 |
| ec ○        |      7.5 \\* [1]  |                 2   |     3/3 |
| ec_more     |      9.9         |                 3   |     3/3 |

text

| other | value |
|:--|--:|
| a \\| b | 4 |
"""


@pytest.fixture
def cut(tmp_path):
    """`(selectors) -> lines` of a block that is cut from a page."""
    (tmp_path / "page.md").write_text(TABLE)

    def lines(selectors, name="page"):
        (block,) = blocks.blocks(f"<!-- made by: scripts/results --only {name}{selectors} -->\nold\n<!-- end -->\n")
        return blocks.cut(block, tmp_path).strip().splitlines()

    return lines


def test_a_block_is_cut_from_a_page(cut):
    assert cut(" | columns seeds, forget acc [%] | rows ec") == [
        "| method | seeds | forget acc [%] |",
        "| :-- | --: | --: |",
        "| ec ○ | 3/3 | 7.5 \\* [1] |",
    ]
    assert cut(" | table 2")[2:] == ["| a \\| b | 4 |"]
    assert len(cut("")) == 5


@pytest.mark.parametrize(
    ("selectors", "message"),
    [
        (" | table 3", "page.md has 2 tables"),
        (" | columns gap", "no column of page.md begins with 'gap'; there are forget acc"),
        (" | rows scrub", "no row of page.md begins with 'scrub'"),
    ],
)
def test_a_block_of_what_is_not_there_says_so(cut, selectors, message):
    with pytest.raises(results.Incomplete, match=message):
        cut(selectors)
    with pytest.raises(results.Incomplete, match="scripts/results --only gone"):
        cut("", "gone")
    with pytest.raises(ValueError, match="lines: a block has table, columns, rows"):
        cut(" | lines 3")


def test_only_blocks_that_are_asked_for_are_run(tmp_path, monkeypatch):
    docs = tmp_path / "docs" / "results"
    docs.mkdir(parents=True)
    (docs / "page.md").write_text(TABLE)
    (docs / "pages.yaml").write_text("page: {title: A page, about: Nothing.}")
    text = "<!-- made by: {} -->\nold\n<!-- end -->\n"
    commands = ("cu-unlearn", "python scripts/load.py", "scripts/results --only page | table 2")
    (tmp_path / "docs" / "a.md").write_text("".join(map(text.format, commands)))
    (tmp_path / "README.md").write_text(text.format("cu-report"))
    monkeypatch.setattr(blocks, "printed", lambda command: f"{command} said\n")

    def bodies(*words):
        assert results.main(["--docs", str(docs), *words]) == 0
        files = (tmp_path / "README.md", tmp_path / "docs" / "a.md")
        return [block.body.splitlines()[0] for path in files for block in blocks.blocks(path.read_text())]

    assert bodies("--blocks", "python scripts/load.py") == ["old", "old", "python scripts/load.py said", ""]
    assert bodies("--blocks", str(tmp_path / "README.md"))[:2] == ["cu-report said", "old"]
    assert bodies("--blocks")[1] == "cu-unlearn said"


def test_what_a_command_prints_is_shown_without_this_machine(command):
    out = "Run .../x  \ntracked offline: look with wandb\n"
    assert blocks.shown(out, "training", 0, "cu-unlearn") == "Run .../x"
    assert blocks.shown("", "a\nerror: no\n", 2, "cu-unlearn") == "error: no"
    with pytest.raises(results.Incomplete, match="exit code 1 of cu-unlearn"):
        blocks.shown("", "", 1, "cu-unlearn")
    made = blocks.printed("cu-unlearn recipe.epochs=many")
    assert (
        made
        == "\n```text\n$ cu-unlearn recipe.epochs=many\nerror: recipe.epochs must be an integer, got 'many'\n```\n\n"
    )
