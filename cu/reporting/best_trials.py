"""Which trial of a search comes closest to retraining, by network, scenario and method, and its settings as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from omegaconf import OmegaConf

from cu.errors import ConfigError, first_line
from cu.reporting.collect import Collection
from cu.store.files import write_text

CELL = ["option", "scenario", "method"]
MADE_FOR = ["dataset", "train_size", "model", "width"]
TRIAL = ["dataset", "scenario", "method", "trial", "settings", "value", "state", "seed"]
WRITER = "scripts/select_trials.py"


def trials(collection: Collection, key: str) -> pd.DataFrame:
    """One row per trial of a search, those that failed included, by data set, network, scenario, method and trial.

    Args:
        collection: Runs; those without a `trial` in their config are not of a search and left out.
        key: The metric that judges a trial, lower is better: the column `value`, NaN for a run that has none.

    Returns:
        `option`, the name that the chosen settings get; what they were searched on (`MADE_FOR`; None where a network
        has no width or all images were trained on); and the columns of `TRIAL`.

    Raises:
        ConfigError: No run is a trial, or a run cannot be read.
    """
    values = collection.values.loc[collection.values["key"] == key].set_index("fingerprint")["value"]
    rows = []
    for run in collection.runs.to_dict("records"):
        config = _config(Path(run["path"]) / "config.yaml")
        if "trial" not in config:
            continue
        size = {"train_size": config["dataset"].get("train_size"), "width": config["model"].get("width")}
        width = "" if size["width"] is None else f"_w{size['width']}"
        settings = ", ".join(f"{name}={value}" for name, value in config["trials"][config["trial"]].items())
        own = {name: run[name] for name in ("dataset", "model", "scenario", "method", "state", "seed")}
        own |= {"trial": config["trial"], "settings": settings}
        value = values.get(run["fingerprint"], float("nan"))
        rows.append({"option": f"{run['dataset']}/{run['model']}{width}", **own, **size, "value": value})
    if not rows:
        raise ConfigError("no run is a trial of a search; make some with cu-unlearn -m experiment=baselines/search")
    table = pd.DataFrame(rows, columns=["option", *MADE_FOR[1:], *TRIAL], dtype=object).astype({"value": float})
    return table.sort_values([*CELL, "trial"]).reset_index(drop=True)


def _config(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read ({first_line(error)}); delete the folder and search again") from error
    return config if isinstance(config, dict) else {}


def best_trials(tried: pd.DataFrame) -> pd.DataFrame:
    """The row with the smallest value of each option, scenario and method, the first of several.

    Raises:
        ConfigError: A method has no trial with a value, or fewer trials than another: budgets must be equal. Or an
            option's trials were trained on different numbers of images.
    """
    for option, rows in tried.groupby("option"):
        if len(found := set(rows["train_size"])) > 1:
            raise ConfigError(f"trials of {option} have several dataset.train_size: {', '.join(map(str, found))}")
    sizes = tried.groupby(CELL)["trial"].nunique()
    if sizes.nunique() > 1:
        fewest = " / ".join(map(str, sizes.idxmin()))  # type: ignore[arg-type]
        raise ConfigError(f"{fewest} has {sizes.min()} trials, others have {sizes.max()}: finish the search first")
    best = tried.dropna(subset="value").sort_values(["value", "trial"]).drop_duplicates(CELL).sort_values(CELL)
    if len(best) < len(sizes):
        left = sizes.index.difference(pd.MultiIndex.from_frame(best.loc[:, CELL]))[0]
        raise ConfigError(f"{' / '.join(left)}: no trial finished")
    return best.reset_index(drop=True)


def settings_of(search: Path, method: str, trial: str) -> Mapping[str, Any]:
    """The method's settings in one trial, from its file in the folder `search`."""
    config = OmegaConf.merge(OmegaConf.load(search / f"{method}.yaml"), {"trial": trial})
    container = OmegaConf.to_container(config, resolve=True)
    assert isinstance(container, dict)
    return container["method"]


def write_settings(tried: pd.DataFrame, configs: Path) -> list[Path]:
    """Write `settings/searched/<option>.yaml`, and below `cells/searched/<option>` the best trials and a table of all.

    Args:
        tried: From `trials`.
        configs: The folder of the Hydra groups, `search` among them.
    """
    best, written = best_trials(tried), []
    for row in best.to_dict("records"):
        own = tried.loc[(tried.loc[:, CELL] == [row[name] for name in CELL]).all(axis=1), "value"]
        comment = (
            f"# Written by {WRITER}: trial {row['trial']} of {len(own)} in configs/search/{row['method']}.yaml, "
            f"{row['value']:.2%}\n# from retraining on validation data (the worst: {own.max():.2%})."
        )
        node = {
            "settings": {"trial": row["trial"]},
            "method": settings_of(configs / "search", row["method"], row["trial"]),
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


def option_file(option: str, rows: pd.DataFrame) -> str:
    """The option of the group `settings` that brings what a search found."""
    made_for = {name: None if pd.isna(value) else value for name, value in rows.iloc[0][MADE_FOR].items()}
    count = rows["trial"].nunique()
    node = {
        "defaults": [{"override /cells": f"searched/{option}/${{scenario}}/${{method}}"}],
        "settings": {"made_for": made_for, "best_of": count},
    }
    text = yaml.safe_dump(node, sort_keys=False)
    return (
        "# @package _global_\n"
        f"# Written by {WRITER}: for each scenario and method the best of {count} trials by the gap to retraining\n"
        f"# on validation data; all of them are in configs/cells/searched/{option}/trials.csv.\n{text}"
    )
