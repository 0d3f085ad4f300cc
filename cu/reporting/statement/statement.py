"""A statement: facts, evidence and limits of one run as one mapping, which is the JSON twin of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cu import __version__
from cu.reporting.statement.evidence import Evidence, evidence
from cu.reporting.statement.record import Record
from cu.store.result import RunResult

FORM = 1  # of the JSON
NEVER_TESTED = (
    "copies of the data outside of the training set: backups, caches, logs, derived data sets",
    "other models that were trained on the data or started from the original model",
    "near-duplicates of the forgotten samples among those that were kept",
    "attackers who see the weights before and after, or who train on",
)
NO_REFERENCE = (
    "No model was retrained without the forgotten data. How near the new model is to one that never saw the data is "
    "therefore not known: the numbers compare forgotten with unseen samples, and the new model with the original. They "
    "can show that something was not forgotten; they cannot show that it was."
)
ONE_REFERENCE = "One model was retrained: what two retrained models would differ by is not known."
ONE_RUN = "One run, one seed: findings are of this model, without an error rate over seeds (cu-report gives one)."


def statement(record: Record, today: str) -> dict[str, Any]:
    """All that the page says.

    Args:
        record: Of the run.
        today: The date of the statement, as it is printed.
    """
    result = record.result
    found = evidence(result)
    return {
        "form": FORM,
        "made_with": f"cu {__version__}",
        "date": today,
        "run": {
            "fingerprint": result.fingerprint,
            "folder": str(record.folder),
            "finished": record.status.get("ended"),
        },
        "asked": asked(record),
        "forgotten": forgotten(record),
        "method": {"name": result.names.get("method"), "settings": plain(record.config.get("method", {}))},
        "seeds": asdict(result.seeds),
        "weights": weights(record),
        "references": {
            "count": result.references,
            "meaning": meaning(result),
            "retrained": list(result.models.retrained),
        },
        "evidence": [asdict(row) for row in found],
        "conclusion": conclusion(result, found),
        "doubts": [*result.doubts, *unknown(record)],
        "not_tested": not_tested(result),
        "versions": {**result.provenance.versions, "commit": result.provenance.commit},
        "machine": dict(result.provenance.machine),
    }


def asked(record: Record) -> dict[str, Any]:
    """What was asked, and of which model and data."""
    names, config, result = record.result.names, record.config, record.result
    data, model = config.get("dataset", {}), config.get("model", {})
    classes = [dict(enumerate(result.class_names)).get(c, str(c)) for c in result.forget_classes]
    count = result.split_sizes["forget"]
    what = f"class {', '.join(classes)}" if classes else f"{count:,} samples"
    return {
        "request": f"forget {what}: {count:,} of {count + result.split_sizes['retain']:,} training samples",
        "scenario": plain(config.get("scenario", {})),
        "dataset": data.get("folder") or names.get("dataset"),
        "model": model.get("name") or model.get("factory") or names.get("model"),
        "checkpoint": model.get("checkpoint"),
    }


def forgotten(record: Record) -> dict[str, Any]:
    """Who was forgotten: all ids and files, and a hash of the list."""
    rows = record.forgotten
    ids = [row["id"] for row in rows if row.get("id")]
    return {
        "count": len(rows),
        "sha256_of_list": record.forgotten_sha256,
        "ids": ids,
        "files": [row["file"] for row in rows if row.get("file")],
        "sha256_of_files": {row["file"]: row["sha256"] for row in rows if row.get("file") and row.get("sha256")},
    }


def weights(record: Record) -> dict[str, Any]:
    """Hashes of the weights before and after."""
    before, after, own = record.original, record.unlearned, record.handed_back
    return {
        "before": {"file": before.get("source"), "sha256": before.get("source_sha256") or before.get("sha256")},
        "after": {
            "file": str(record.folder / own["file"]) if own else "model.safetensors" if after else None,
            "sha256": own.get("sha256") or after.get("sha256"),
        },
    }


def unknown(record: Record) -> list[str]:
    """What the page leaves out because its record is gone."""
    known = weights(record)
    missing = [when for when in ("before", "after") if not known[when]["sha256"]]
    if not (record.folder / "model.safetensors").is_file():  # new weights that nobody kept need no hash
        missing = [when for when in missing if when == "before"]
    return [f"no record has the hash of the weights {when} unlearning: they cannot be proved" for when in missing]


def meaning(result: RunResult) -> str:
    """What the number of retrained models means for the evidence."""
    if result.references == 0:
        return NO_REFERENCE
    if result.references == 1:
        return ONE_REFERENCE
    return (
        f"{result.references} models were retrained without the forgotten data; floors are what two of them differ by."
    )


def conclusion(result: RunResult, found: list[Evidence]) -> list[str]:
    """What the evidence comes to, in sentences: under- and over-forgetting by name, for samples as for classes."""
    what = "the forgotten classes" if result.scenario == "class" else "the forgotten samples"
    lines = []
    for finding in ("under-forgotten", "over-forgotten"):
        if named := [row.what for row in found if row.finding == finding]:
            lines.append(f"{what}: {finding}, told by {'; '.join(named)}")
    if lost := [row.what for row in found if row.finding == "lost"]:
        lines.append(f"unlearning has cost {'; '.join(lost)}")
    if not lines:
        known = [row for row in found if row.finding == "in line"]
        lines.append(
            f"no under- or over-forgetting of {what} was found by {len(known)} measurements"
            if known
            else "nothing can be said about whether the model has forgotten"
        )
    return [*lines, ONE_RUN]


def not_tested(result: RunResult) -> list[str]:
    """What nobody should take for tested: metrics that were skipped, and what no metric looks at."""
    reasons: dict[str, list[str]] = {}
    for key, entry in result.metrics.items():
        if entry.status != "ok":
            reasons.setdefault(entry.note or entry.status.removeprefix("skipped: "), []).append(key)
    skipped = [f"{len(keys)} metrics ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''}): {reason}"
               for reason, keys in reasons.items()]  # fmt: skip
    return [*NEVER_TESTED, *skipped]


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without the names of classes."""
    return {
        name: plain(value) if isinstance(value, Mapping) else value
        for name, value in settings.items()
        if not name.startswith("_")
    }
