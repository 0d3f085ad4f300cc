"""README and docs: links lead somewhere, every command composes, and the site builds without a warning or a network."""

import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from cu.config.build import check_components
from cu.config.folder import config_folder
from cu.config.parse import parse
from cu.config.schema import ReportConfig, RunConfig, TrainConfig

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
KINDS = {"unlearn": RunConfig, "train": TrainConfig, "report": ReportConfig, "evaluate": None}
STARTS = ("cu-", "scripts/", "python scripts/", ".venv/bin/cu-")
MISTAKES = {"cu-unlearn hardware.precison=bf16"}  # shown together with the line that it ends in
sys.path.insert(0, str(ROOT / "scripts"))
try:
    blocks = importlib.import_module("pages.blocks")
finally:
    sys.path.remove(str(ROOT / "scripts"))
BLOCKS = [(page, block) for page in PAGES for block in blocks.blocks(page.read_text(encoding="utf-8"))]
ELSEWHERE = ("--config-dir", "--version", "...")  # configs of the reader's own; no config at all


def commands_in(text):
    """Commands of code blocks and of code in lines, one each."""
    blocks = re.findall(r"^```(?:bash|text)\n(.*?)^```", text, re.M | re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += [line for line in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S)) if " " in line]
    for line in lines:
        for part in re.split(r"&&|;", line.split(" #")[0]):
            words = part.strip().removeprefix("$ ").removeprefix("do ").strip()
            if words.startswith(STARTS):
                yield words.replace("$t", "1").removeprefix(".venv/bin/").removeprefix("python ")


COMMANDS = sorted(
    {(command, page.name) for page in PAGES for command in commands_in(page.read_text(encoding="utf-8"))}
    | {(block.command.removeprefix("python "), page.name) for page, block in BLOCKS}
)
OURS = sorted({command for command, _ in COMMANDS if command.split()[0][3:] in KINDS and command.startswith("cu-")})


def test_there_are_commands_to_check():
    assert len(OURS) > 25
    assert {command.split()[0] for command, _ in COMMANDS} >= {"cu-unlearn", "cu-report", "cu-evaluate", "scripts/demo"}


def test_scripts_that_are_named_are_there():
    named = {command.split()[0] for command, _ in COMMANDS if command.startswith("scripts/")}
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_blocks_are_closed_and_say_their_command_once():
    assert {page.name for page, _ in BLOCKS} >= {"README.md", "configuration.md", "faults.md"}
    for page in PAGES:
        text = page.read_text(encoding="utf-8") if page.name != "CONTRIBUTING.md" else ""
        opened, closed = re.findall(r"<!-- (made by:|end -->)", text).count("made by:"), text.count("<!-- end -->")
        assert opened == closed == sum(own == page for own, _ in BLOCKS), page.name
    for page, block in BLOCKS:
        if block.command.startswith("cu-"):
            assert block.body.startswith(f"\n```text\n$ {block.command}\n"), page.name
        elif block.page is None:
            assert block.body.startswith("\n```text\n"), page.name
            assert block.body.count("\n") > 4, f"{page.name} has not been made"


def test_blocks_of_pages_of_results_are_what_those_pages_say():
    wrong = [
        page.name for page, block in BLOCKS if block.page and block.body != blocks.cut(block, ROOT / "docs" / "results")
    ]
    assert wrong == []


@pytest.mark.slow
def test_blocks_of_refused_commands_are_what_they_print():
    refused = [block for _, block in BLOCKS if "\nerror: " in block.body]
    assert refused
    assert [blocks.printed(block.command) for block in refused] == [block.body for block in refused]


def first_of_each(words):
    """Overrides without sweeps: of each key its first value; launchers are not composed, since each is a package."""
    own = [word for word in words if not word.startswith(("-", "hydra/", "hydra."))]
    for word, override in zip(own, OverridesParser.create().parse_overrides(own), strict=True):
        if not override.is_sweep_override():
            yield word
        elif override.is_discrete_sweep():
            yield f"{override.get_key_element()}={next(iter(override.sweep_string_iterator()))}"


@pytest.mark.slow
def test_every_command_composes_and_its_settings_are_possible():
    wrong = {}
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        for command in OURS:
            name, *words = shlex.split(command)
            if any(word in words for word in ELSEWHERE):
                continue
            words = [word for word in words if word not in ("--cfg", "job", "--help", "-m", "plan=true")]
            if len(words) == 1 and (group := re.fullmatch(r"(experiment|report)=([\w/]+)", words[0])):
                if not (config_folder() / group[1] / f"{group[2]}.yaml").exists():
                    wrong[command] = "there is no such file"
                continue  # tests/config composes all of these
            try:
                config = compose(name[3:], list(first_of_each(words)), return_hydra_config=False)
                plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
                if kind := KINDS[name[3:]]:
                    check_components(parse(kind, plain))
            except Exception as error:
                wrong[command] = str(error).splitlines()[0]
    assert wrong.keys() == MISTAKES


def test_links_lead_to_files_and_headings():
    wrong = []
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, _ = target.partition("#")
            if not target.startswith(("http://", "https://", "mailto:")) and path and not (page.parent / path).exists():
                wrong.append(f"{page.name}: {target}")
    assert wrong == []


def test_extras_that_are_named_exist():
    known = set(re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M))
    named = {
        extra for page in PAGES for extra in re.findall(r"pip install '(?:\.|cu)\[(\w+)\]'", page.read_text("utf-8"))
    }
    assert named
    assert named <= known


def test_the_readme_is_short():
    assert (ROOT / "README.md").stat().st_size <= 10_000


def test_the_site_builds_without_a_warning_and_asks_for_nothing(tmp_path):
    pytest.importorskip("mkdocs")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    ended = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    loaded = re.compile(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:)?//[^"]+"')
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 10
    assert [page.name for page in pages if loaded.search(page.read_text(encoding="utf-8"))] == []
