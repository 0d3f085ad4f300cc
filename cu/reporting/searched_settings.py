"""Settings that a search chose, as files of the groups `settings` and `cells`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from omegaconf import OmegaConf

from cu.disk.files import write_text
from cu.reporting.best_trials import CELL, MADE_FOR, OPTIONS, POINT, TRIAL, best_trials, points, require_both_modes

WRITER = "scripts/select_trials.py"


def points_file(search: Path, scenario: str, method: str) -> Path:
    """Where the points of a method are: for a scenario alone in the folder of its name, else in one file for all."""
    own = search / scenario / f"{method}.yaml"
    return own if own.exists() else search / f"{method}.yaml"


def settings_of(file: Path, trial: str, batchnorm: str) -> Mapping[str, Any]:
    """The method's settings at one point of its file."""
    point = {"trial": trial, **({"batchnorm": batchnorm} if batchnorm else {})}
    config = OmegaConf.merge(OmegaConf.load(file), point)
    container = OmegaConf.to_container(config, resolve=True)
    assert isinstance(container, dict)
    return container["method"]


def write_settings(tried: pd.DataFrame, configs: Path) -> list[Path]:
    """Write `settings/searched/<option>.yaml`, and below `cells/searched/<option>` the best trials and a table of all.

    Args:
        tried: From `trials`.
        configs: The folder of the Hydra groups, `search` among them.

    Raises:
        ConfigError: The search is not finished, see `points` and `require_both_modes`.
    """
    require_both_modes(tried)
    all_points, best, written = points(tried), best_trials(tried), []
    for row in best.to_dict("records"):
        own = all_points.loc[(all_points.loc[:, CELL] == [row[name] for name in CELL]).all(axis=1), "value"]
        file = points_file(configs / "search", row["scenario"], row["method"])
        comment = (
            f"# Written by {WRITER}: trial {row['trial']} of {len(own)} in {file.relative_to(configs.parent)}, "
            f"{row['value']:.2%}\n# from retraining by {judged_by(row['option'])} (the worst: {own.max():.2%})."
        )
        node = {
            "settings": {"trial": row["trial"]},
            "method": settings_of(file, row["trial"], row["batchnorm"]),
        }
        path = configs / "cells" / "searched" / row["option"] / row["scenario"] / f"{row['method']}.yaml"
        write_text(path, f"# @package _global_\n{comment}\n{OmegaConf.to_yaml(OmegaConf.create(node))}")
        written.append(path)
    for option, rows in tried.groupby("option"):
        table = configs / "cells" / "searched" / str(option) / "trials.csv"
        write_text(
            table, rows.loc[:, TRIAL].assign(value=rows["value"].round(6)).to_csv(index=False, lineterminator="\n")
        )
        file = configs / "settings" / "searched" / f"{option}.yaml"
        write_text(file, option_file(str(option), rows))
        written += [table, file]
    return written


def judged_by(option: str) -> str:
    """What the trials of an option were judged by, in words."""
    return "probes and accuracies" if option.endswith(OPTIONS["agg/probe_gap"]) else "accuracies on validation data"


def option_file(option: str, rows: pd.DataFrame) -> str:
    """The option of the group `settings` that brings what a search found."""
    made_for = {name: None if pd.isna(value) else value for name, value in rows.iloc[0][MADE_FOR].items()}
    counts = sorted({len(set(own[POINT].itertuples(index=False, name=None))) for _, own in rows.groupby(CELL)})
    on = "; ".join(
        f"{scenario}: seed {' '.join(sorted(set(map(str, own['seed']))))}"
        + (f", classes {', '.join(classes)}" if (classes := sorted(set(filter(None, own["classes"])))) else "")
        for scenario, own in rows.groupby("scenario")
    )
    node = {
        "defaults": [{"override /cells": f"searched/{option}/${{scenario}}/${{method}}"}],
        "settings": {"made_for": made_for, "best_of": counts[-1]},
    }
    text = yaml.safe_dump(node, sort_keys=False)
    return (
        "# @package _global_\n"
        f"# Written by {WRITER}: for each scenario and method the best of {' or '.join(map(str, counts))} trials by\n"
        f"# {judged_by(option)}, against retraining; {on}.\n"
        f"# All of them are in configs/cells/searched/{option}/trials.csv.\n{text}"
    )
