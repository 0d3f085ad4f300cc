"""Write the pages of docs/results from run folders; no number in them is typed by hand.

    python scripts/results.py [--only digits ...] [--dry] [--outputs outputs/results] [--docs docs/results]
    python scripts/results.py --blocks [README.md 'python scripts/load.py' ...]

A page is an entry of docs/results/pages.yaml: runs, reports of them, scripts whose output it shows. What is finished is
not done again. A page is written only if every run that it shows is finished; beside it stand its reports as HTML files
(2 MB at most) and its figures. `--blocks` makes what stands in README and docs between `<!-- made by: COMMAND -->` and
`<!-- end -->` again; what is cut from a page of results follows it whenever pages are made. Exit code 1 if a page or a
block cannot be made.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from pages.blocks import blocks, remade
from pages.facts import facts
from pages.gallery import copy_reports, gallery, html_of, index
from pages.page import ROOT, Incomplete, Page, commands, executed, read_pages, shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Make pages; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", help="names of pages")
    parser.add_argument("--blocks", nargs="*", metavar="FILE", help="blocks instead: of files, of commands, or all")
    parser.add_argument("--dry", action="store_true", help="print the commands and run nothing")
    parser.add_argument("--outputs", type=Path, default=Path("outputs/results"))
    parser.add_argument("--docs", type=Path, default=ROOT / "docs" / "results")
    asked = parser.parse_args(arguments)
    pages = read_pages(asked.docs / "pages.yaml")
    if unknown := set(asked.only or ()) - pages.keys():
        parser.error(f"no page {', '.join(sorted(unknown))}; there are {', '.join(pages)}")
    if asked.blocks is not None:
        if unknown := unknown_blocks(asked.blocks, with_blocks(asked.docs)):
            parser.error(f"no file or command of a block: {', '.join(unknown)}")
        return make_blocks(with_blocks(asked.docs), asked.docs, asked.blocks, dry=asked.dry)
    chosen = [pages[name] for name in asked.only or pages]
    if asked.dry:
        print("\n".join(shown(words) for page in chosen for words in commands(page, asked.outputs / page.name)))
        return 0
    failed = [make_page(page, asked.outputs / page.name, asked.docs) for page in chosen]
    for name, text in (("index", index(pages, asked.docs)), ("gallery", gallery(pages, asked.docs))):
        (asked.docs / f"{name}.md").write_text(text, encoding="utf-8")
    return max([*failed, make_blocks(with_blocks(asked.docs), asked.docs)])


def make_page(page: Page, outputs: Path, docs: Path) -> int:
    """Write a page with its reports and figures; returns the exit code."""
    try:
        text, reports = made(page, outputs)
        copy_reports(page, reports, docs)
        (docs / f"{page.name}.md").write_text(text + pictures(page, reports, docs), encoding="utf-8")
    except Incomplete as reason:
        print(f"error: {page.name}: {reason}", file=sys.stderr)
        return 1
    return 0


def with_blocks(docs: Path) -> list[Path]:
    """README and the pages around the folder of results that have blocks."""
    docs = docs.resolve()
    files = [docs.parents[1] / "README.md", *sorted(docs.parent.glob("*.md"))]
    return [path for path in files if path.exists() and blocks(path.read_text(encoding="utf-8"))]


def unknown_blocks(wanted: Sequence[str], files: Sequence[Path]) -> list[str]:
    """What is asked for and is neither a file with blocks nor the command of one."""
    commands = {block.command for path in files for block in blocks(path.read_text(encoding="utf-8"))}
    return [name for name in wanted if Path(name).resolve() not in files and name not in commands]


def make_blocks(files: Iterable[Path], docs: Path, wanted: Sequence[str] | None = None, dry: bool = False) -> int:
    """Make the blocks of some files again; returns the exit code.

    Args:
        files: Where the blocks stand.
        docs: The folder of pages, from which blocks are cut.
        wanted: Commands to run, as files that name them or as they stand in a block; all if empty, none if null.
        dry: Print the commands and run nothing.
    """
    failed = 0
    for path in files:
        named = [block.command for block in blocks(path.read_text(encoding="utf-8")) if not block.page]
        if wanted is None:
            named = []
        elif wanted and path.resolve() not in [Path(name).resolve() for name in wanted]:
            named = [command for command in named if command in wanted]
        if dry:
            print("\n".join(named), end="\n" * bool(named))
            continue
        try:
            path.write_text(remade(path, docs, named), encoding="utf-8")
        except Incomplete as reason:
            print(f"error: {path.name}: {reason}", file=sys.stderr)
            failed = 1
    return failed


def made(page: Page, outputs: Path) -> tuple[str, list[str]]:
    """Run the commands of a page; returns its text and what each `cu-report` printed.

    Raises:
        Incomplete: A command fails, or a run that a report shows is not finished.
    """
    parts, reports, told = [], [], list(commands(page, outputs))
    for words in told:
        print(shown(words), file=sys.stderr)
        said = executed(words)
        if words[0] == "cu-report":
            parts.append(report_of(said))
            reports.append(said)
        elif words[0] == "python":
            parts.append(f"```text\n{said.strip()}\n```")
    typed = "\n".join(shown(words) for words in told)
    head = [f"# {page.title}", page.about.strip(), facts(outputs if page.runs else None)]
    return "\n\n".join([*head, f"```bash\n{typed}\n```", *parts]) + "\n", reports


def pictures(page: Page, reports: Sequence[str], docs: Path) -> str:
    """Copy the figures that a page shows beside it, from what `cu-report` printed; returns the lines that show them."""
    folders = [html_of(said).parent / "figures" for said in reports]
    lines = []
    for kind in page.pictures:
        for source in (path for folder in folders for path in sorted(folder.glob(f"{kind}*.svg"))):
            target = docs / f"{page.name}-{source.name}"
            target.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
            lines.append(f"![{kind.replace('_', ' ')}]({target.name})")
    return "\n" + "\n\n".join(lines) + "\n" if lines else ""


def report_of(said: str) -> str:
    """The tables that `cu-report` printed as Markdown, without its own title and the list of its files.

    Raises:
        Incomplete: Runs are missing.
    """
    lines = [line for line in said.splitlines() if not line.startswith(("# ", "written: ", "figures: "))]
    if "Holes:" in lines:
        raise Incomplete("runs are missing: " + "; ".join(line[2:] for line in lines if line.startswith("- ")))
    return "\n".join(lines).strip()


if __name__ == "__main__":
    sys.exit(main())
