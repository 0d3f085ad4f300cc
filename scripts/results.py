"""Write the pages of docs/results from run folders; no number in them is typed by hand.

    python scripts/results.py [--only digits ...] [--dry] [--outputs outputs/results] [--docs docs/results]

A page is an entry of docs/results/pages.yaml: runs, reports of them, scripts whose output it shows. What is finished is
not done again. A page is written only if every run that it shows is finished. Exit code 1 if one is not.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from cu.engine.hardware import cpu_name
from cu.store.provenance import git_state

ROOT = Path(__file__).resolve().parents[1]
FIXED = ("hardware.num_threads=1", "tracking=none")


class Incomplete(RuntimeError):
    """A page cannot be written; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a page shows.

    Attributes:
        name: Of its file.
        title: Its heading.
        about: What is shown, in a sentence or two.
        runs: Words of `cu-unlearn`, for each command.
        report: Words of `cu-report`, for each command.
        scripts: Scripts with their arguments.
        pictures: Figures of the reports to show, by the start of their names.
    """

    name: str
    title: str
    about: str
    runs: Sequence[str] = ()
    report: str | Sequence[str] = ()
    scripts: Sequence[str] = field(default_factory=list)
    pictures: Sequence[str] = field(default_factory=list)

    @property
    def reports(self) -> Sequence[str]:
        """Words of `cu-report`, for each command."""
        return [self.report] if isinstance(self.report, str) else self.report


def main(arguments: Sequence[str] | None = None) -> int:
    """Make pages; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", help="names of pages")
    parser.add_argument("--dry", action="store_true", help="print the commands and run nothing")
    parser.add_argument("--outputs", type=Path, default=Path("outputs/results"))
    parser.add_argument("--docs", type=Path, default=ROOT / "docs" / "results")
    asked = parser.parse_args(arguments)
    pages = read_pages(asked.docs / "pages.yaml")
    if unknown := set(asked.only or ()) - pages.keys():
        parser.error(f"no page {', '.join(sorted(unknown))}; there are {', '.join(pages)}")
    failed = 0
    for page in (pages[name] for name in asked.only or pages):
        outputs = asked.outputs / page.name
        if asked.dry:
            print("\n".join(shown(words) for words in commands(page, outputs)))
            continue
        try:
            text = made(page, outputs) + pictures(page, outputs, asked.docs)
            (asked.docs / f"{page.name}.md").write_text(text, encoding="utf-8")
        except Incomplete as reason:
            print(f"error: {page.name}: {reason}", file=sys.stderr)
            failed = 1
    if not asked.dry:
        (asked.docs / "index.md").write_text(index(pages, asked.docs), encoding="utf-8")
    return failed


def read_pages(path: Path) -> dict[str, Page]:
    """The pages that a file defines, by name."""
    return {name: Page(name=name, **entry) for name, entry in yaml.safe_load(path.read_text(encoding="utf-8")).items()}


def commands(page: Page, outputs: Path) -> Iterator[list[str]]:
    """The words of each command of a page, its name first."""
    place = f"paths.outputs={outputs}"
    for words in page.runs:
        yield ["cu-unlearn", *shlex.split(words), *FIXED, place]
    for words in page.reports:
        yield ["cu-report", *shlex.split(words), "tracking=none", place]
    for words in page.scripts:
        yield ["python", *shlex.split(words.format(outputs=outputs))]


def shown(words: Sequence[str]) -> str:
    """A command as one types it."""
    return shlex.join(words)


def executed(words: Sequence[str]) -> str:
    """What a command prints.

    Raises:
        Incomplete: It fails.
    """
    name, *rest = words
    start = [sys.executable] if name == "python" else [sys.executable, "-m", "cu", name.removeprefix("cu-")]
    ended = subprocess.run([*start, *rest], stdout=subprocess.PIPE, text=True, cwd=ROOT if name == "python" else None)
    if ended.returncode:
        raise Incomplete(f"exit code {ended.returncode} of {shown(words)}")
    return ended.stdout


def made(page: Page, outputs: Path) -> str:
    """Run the commands of a page and write it.

    Raises:
        Incomplete: A command fails, or a run that a report shows is not finished.
    """
    parts, told = [], list(commands(page, outputs))
    for words in told:
        print(shown(words), file=sys.stderr)
        said = executed(words)
        if words[0] == "cu-report":
            parts.append(report_of(said))
        elif words[0] == "python":
            parts.append(f"```text\n{said.strip()}\n```")
    typed = "\n".join(shown(words) for words in told)
    head = [f"# {page.title}", page.about.strip(), facts(outputs if page.runs else None)]
    return "\n\n".join([*head, f"```bash\n{typed}\n```", *parts]) + "\n"


def pictures(page: Page, outputs: Path, docs: Path) -> str:
    """Copy the figures that a page shows beside it; returns the lines that show them."""
    lines = []
    for kind in page.pictures:
        for source in sorted(outputs.glob(f"reports/**/figures/{kind}*.svg")):
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


def facts(outputs: Path | None) -> str:
    """When, where and by which commit: of the runs below a folder; of now, if there is none."""
    if outputs is None:
        commit, dirty = git_state()
        now = datetime.now(timezone.utc).isoformat(timespec="minutes")
        return f"Made {now} by {commit_text(commit, dirty)} on {cpu_name()}."
    results = [json.loads(path.read_text(encoding="utf-8")) for path in outputs.glob("runs/*/*/*/*/*/result.json")]
    ends = [
        json.loads(path.read_text(encoding="utf-8"))["ended"] for path in outputs.glob("runs/*/*/*/*/*/status.json")
    ]
    made_by = [result["provenance"] for result in results]
    commits = {commit_text(one["commit"], one["dirty"]) for one in made_by}
    machines = {machine_text(one["machine"]) for one in made_by}
    seeds = sorted({result["seeds"]["seed"] for result in results})
    references = min(result["references"] for result in results)
    return (
        f"{len(results)} runs, finished {min(ends)[:16]} to {max(ends)[:16]} (UTC) by {', '.join(sorted(commits))} "
        f"on {', '.join(sorted(machines))}; seeds {', '.join(map(str, seeds))}; {references} retrained models or more "
        "in each run. This page is written by `scripts/results`; every table ends with its noise floor."
    )


def commit_text(commit: str | None, dirty: bool | None) -> str:
    """A commit in a few words."""
    return f"commit {commit[:12]}{' with changes' if dirty else ''}" if commit else "an installed package"


def machine_text(machine: Mapping[str, Any]) -> str:
    """A machine in a few words."""
    return f"{machine['device_name']} ({machine['device']}, {machine['precision']}, {machine['num_threads']} threads)"


def index(pages: Mapping[str, Page], docs: Path) -> str:
    """The page that lists all pages, and says which have not been made."""
    there = [
        f"- [{page.title}]({page.name}.md). {page.about.strip()}" for page in pages.values() if made_in(docs, page)
    ]
    gone = [
        f"- {page.title}: `scripts/results --only {page.name}`" for page in pages.values() if not made_in(docs, page)
    ]
    found = ["# Results", "Written by `scripts/results` from run folders; what each page shows stands in `pages.yaml`."]
    found += ["\n".join(there)] * bool(there)
    return "\n\n".join(found + (["Not made yet:", "\n".join(gone)] if gone else [])) + "\n"


def made_in(docs: Path, page: Page) -> bool:
    """Whether a page has been made."""
    return (docs / f"{page.name}.md").exists()


if __name__ == "__main__":
    sys.exit(main())
