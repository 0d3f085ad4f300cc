"""Reports to open: the HTML pages of reports beside docs/results, and the lists of what was made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pages.page import Incomplete, Page

MOST_BYTES = 2_000_000


def copy_reports(page: Page, said: Sequence[str], docs: Path) -> list[Path]:
    """Copy what `cu-report` wrote beside a page, without links to files that stay where it was made.

    Args:
        page: The page.
        said: What each of its `cu-report` commands printed.
        docs: The folder of pages.

    Raises:
        Incomplete: A report is larger than `MOST_BYTES`.
    """
    sources = [html_of(text) for text in said]
    found: dict[Path, bytes] = {}
    for source in sources:
        name = page.name if len(sources) == 1 else f"{page.name}-{source.stem}"
        content = re.sub(r'<p class="files">.*?</p>', "", source.read_text(encoding="utf-8"), flags=re.S).encode()
        if len(content) > MOST_BYTES:
            size = f"{len(content) / 1e6:.1f} MB, more than {MOST_BYTES / 1e6:.0f}"
            raise Incomplete(f"{source} has {size}: ask for fewer report.figures")
        found[docs / f"{name}.html"] = content
    for path, content in found.items():
        path.write_bytes(content)
    return list(found)


def html_of(said: str) -> Path:
    """The page among the files that `cu-report` says it has written."""
    written = next(line for line in said.splitlines() if line.startswith("written: "))
    return next(Path(name) for name in written.removeprefix("written: ").split(", ") if name.endswith(".html"))


def gallery(pages: Mapping[str, Page], docs: Path) -> str:
    """The page that links the reports."""
    lines = [line for page in pages.values() for line in _reports(page, docs)]
    head = (
        "Reports as `cu-report` writes them, one file each that asks for nothing: open one in a browser. GitHub shows "
        "only its source: download it, or build the site (`mkdocs build`). The files that lie beside a report, CSV, "
        "LaTeX and figures, are not here."
    )
    return "\n\n".join(["# Reports to open", head, "\n".join(lines) or "None has been made yet."]) + "\n"


def _reports(page: Page, docs: Path) -> list[str]:
    alone = docs / f"{page.name}.html"
    found = [alone] if alone.exists() else sorted(docs.glob(f"{page.name}-*.html"))
    told = [(path, f" ({path.stem.removeprefix(page.name + '-')})" if path.stem != page.name else "") for path in found]
    return [
        f"- [{page.title}{which}]({path.name}), {path.stat().st_size / 1e6:.1f} MB. "
        f"Its tables: [{page.name}]({page.name}.md)."
        for path, which in told
    ]


def index(pages: Mapping[str, Page], docs: Path) -> str:
    """The page that lists all pages, and says which have not been made."""
    made = [page for page in pages.values() if (docs / f"{page.name}.md").exists()]
    there = [f"- [{page.title}]({page.name}.md). {page.about.strip()}" for page in made]
    gone = [f"- {page.title}: `scripts/results --only {page.name}`" for page in pages.values() if page not in made]
    found = ["# Results", "Written by `scripts/results` from run folders; what each page shows stands in `pages.yaml`."]
    found += ["\n".join(there)] * bool(there)
    found += ["As `cu-report` shows them: [reports to open](gallery.md)."] * bool(there)
    return "\n\n".join(found + (["Not made yet:", "\n".join(gone)] if gone else [])) + "\n"
