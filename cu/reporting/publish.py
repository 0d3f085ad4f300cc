"""Write a report, and mirror it where runs are mirrored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cu.config.build import build, check_components
from cu.config.schema import ReportConfig
from cu.reporting.render.media import mirror
from cu.reporting.types import Report
from cu.reporting.write import Written, write_report
from cu.store.fingerprint import fingerprint
from cu.tracking.types import RunLabel


def publish(config: ReportConfig, written_config: Mapping[str, Any]) -> Written:
    """Write the report below `paths.outputs`; its tables, figures and page go to W&B if tracking is on.

    Raises:
        ConfigError: A setting is wrong, or there are no runs that the report asks for.
    """
    check_components(config)
    settings: Report = build(config.report)
    outputs = config.paths.outputs
    written = write_report(settings, outputs, outputs / "reports" / settings.name)
    identity = f"report-{fingerprint(written.page.read_text(encoding='utf-8'))}"
    if not any(written.folder.glob(f"wandb/*-{identity}")):
        label = RunLabel(identity, f"report {settings.name}", "reports", "report", (settings.name,))
        tracker, code = build(config.tracking).open(label, written.folder, written_config), 1
        try:
            mirror(written, tracker)
            code = 0
        finally:
            tracker.close(code)
    return written
