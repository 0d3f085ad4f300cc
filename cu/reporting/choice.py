"""Which trial of a search comes closest to retraining, for every data set, scenario and method."""

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

CELL = ["dataset", "scenario", "method"]
COLUMNS = [*CELL, "trial", "settings", "value", "state", "seed"]


def trials(collection: Collection, key: str) -> pd.DataFrame:
    """One row per trial of a search, those that failed included, by data set, scenario, method and trial.

    Args:
        collection: Runs; those without a `trial` in their config are not of a search and left out.
        key: The metric that judges a trial, lower is better: the column `value`, NaN for a run that has none.

    Raises:
        ConfigError: No run is a trial, or a run cannot be read.
    """
    values = collection.values.loc[collection.values["key"] == key].set_index("fingerprint")["value"]
    rows = []
    for run in collection.runs.to_dict("records"):
        config = _config(Path(run["path"]) / "config.yaml")
        if "trial" not in config:
            continue
        settings = ", ".join(f"{name}={value}" for name, value in config["trials"][config["trial"]].items())
        own = {name: run[name] for name in (*CELL, "state", "seed")}
        value = values.get(run["fingerprint"], float("nan"))
        rows.append({**own, "trial": config["trial"], "settings": settings, "value": value})
    if not rows:
        raise ConfigError("no run is a trial of a search; make some with cu-unlearn -m experiment=baselines/search")
    return pd.DataFrame(rows, columns=COLUMNS).sort_values([*CELL, "trial"]).reset_index(drop=True)


def _config(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read ({first_line(error)}); delete the folder and search again") from error
    return config if isinstance(config, dict) else {}


def choice(tried: pd.DataFrame) -> pd.DataFrame:
    """The row with the smallest value of each data set, scenario and method, the first of several.

    Raises:
        ConfigError: A method has no trial with a value, or fewer trials than another: budgets must be equal.
    """
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


def write_choice(tried: pd.DataFrame, configs: Path) -> list[Path]:
    """Write `tuned/<dataset>/<scenario>/<method>.yaml` for the best trials and `tuned/<dataset>/trials.csv` of all.

    Args:
        tried: From `trials`.
        configs: The folder of the Hydra groups, `search` among them.
    """
    written = []
    for row in choice(tried).to_dict("records"):
        own = tried.loc[(tried.loc[:, CELL] == [row[name] for name in CELL]).all(axis=1), "value"]
        path = configs / "tuned" / row["dataset"] / row["scenario"] / f"{row['method']}.yaml"
        node = {"method": settings_of(configs / "search", row["method"], row["trial"])}
        comment = (
            f"# Trial {row['trial']} of {len(own)} in configs/search/{row['method']}.yaml: "
            f"{row['value']:.2%} from retraining on validation data (the worst: {own.max():.2%})."
        )
        write_text(path, f"# @package _global_\n{comment}\n{OmegaConf.to_yaml(OmegaConf.create(node))}")
        written.append(path)
    for dataset, rows in tried.groupby("dataset"):
        path = configs / "tuned" / str(dataset) / "trials.csv"
        write_text(path, rows.assign(value=rows["value"].round(6)).to_csv(index=False, lineterminator="\n"))
        written.append(path)
    return written
