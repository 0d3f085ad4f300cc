"""Which trial of a search comes closest to retraining, by network, scenario and method, and its settings as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from cu.errors import ConfigError, first_line
from cu.reporting.collect import Collection

CELL = ["option", "scenario", "method"]
POINT = ["trial", "batchnorm"]
MADE_FOR = ["dataset", "train_size", "model", "width"]
TRIAL = ["dataset", "scenario", "classes", "method", *POINT, "settings", "value", "state", "seed"]
ENDED = ("finished", "failed", "diverged")  # a trial that fails has had its chance
OPTIONS = {"agg/val_gap": "", "agg/probe_gap": "_probes"}  # what the name of an option ends with, by what judges


def trials(collection: Collection, key: str) -> pd.DataFrame:
    """One row per trial of a search, those that failed included, by data set, network, scenario, method and trial.

    Args:
        collection: Runs; those without a `trial` in their config are not of a search and left out.
        key: The metric that judges a trial, lower is better: the column `value`, NaN for a run that has none.

    Returns:
        `option`, the name that the chosen settings get; what they were searched on (`MADE_FOR`; None where a network
        has no width or all images were trained on); and the columns of `TRIAL`: `classes` are the forgotten ones,
        empty in sample scenarios; `batchnorm` is the mode of normalisation, empty where a method has no choice.

    Raises:
        ConfigError: No run is a trial, or a run cannot be read.
    """
    # Two names of one method have one fingerprint, and one value.
    values = collection.values.loc[collection.values["key"] == key].groupby("fingerprint")["value"].first()
    rows = []
    for run in collection.runs.to_dict("records"):
        path = Path(run["path"]) / "config.yaml"
        config = _config(path)
        if "trial" not in config or config.get("objective") not in (None, key):
            continue
        try:
            size = {"train_size": config["dataset"].get("train_size"), "width": config["model"].get("width")}
            settings = ", ".join(f"{name}={value}" for name, value in config["trials"][config["trial"]].items())
        except (LookupError, TypeError, AttributeError) as error:
            raise ConfigError(f"{path} is cut off; delete the folder and search again") from error
        width = "" if size["width"] is None else f"_w{size['width']}"
        own = {name: run[name] for name in ("dataset", "model", "scenario", "method", "state", "seed")}
        own |= {"trial": config["trial"], "batchnorm": config.get("batchnorm", ""), "settings": settings}
        own["classes"] = " ".join(map(str, config.get("scenario", {}).get("classes", [])))
        value = values.get(run["fingerprint"], float("nan"))
        option = f"{run['dataset']}/{run['model']}{width}{OPTIONS.get(key, '')}"
        rows.append({"option": option, **own, **size, "value": value})
    if not rows:
        raise ConfigError("no run is a trial of a search; make some with cu-unlearn -m experiment=baselines/search")
    table = pd.DataFrame(rows, columns=["option", *MADE_FOR[1:], *TRIAL], dtype=object).astype({"value": float})
    return table.sort_values([*CELL, *POINT, "classes"]).reset_index(drop=True)


def _config(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read ({first_line(error)}); delete the folder and search again") from error
    return config if isinstance(config, dict) else {}


def points(tried: pd.DataFrame) -> pd.DataFrame:
    """One row per point of a search: the mean of `value` over the classes and seeds it was tried on, NaN if one failed.

    Raises:
        ConfigError: A run has not ended. Or a method has fewer points than another, or a point fewer runs: budgets must
            be equal. Or an option's trials were trained on different numbers of images.
    """
    if (open_ones := tried.loc[~tried["state"].isin(ENDED)]).size:
        first = open_ones.iloc[0]
        raise ConfigError(f"{first['method']} / {first['trial']} is {first['state']}: finish the search first")
    for option, rows in tried.groupby("option"):
        if len(found := set(rows["train_size"])) > 1:
            raise ConfigError(f"trials of {option} have several dataset.train_size: {', '.join(map(str, found))}")
    found = tried.groupby([*CELL, *POINT], as_index=False).agg(
        value=("value", lambda values: values.mean(skipna=False)), runs=("value", "size")
    )
    _equal(found.groupby(CELL)["trial"].nunique(), "trials")
    _equal(found.set_index([*CELL, *POINT])["runs"].groupby(["option", "scenario"]), "runs")
    return found


def require_both_modes(tried: pd.DataFrame) -> None:
    """Check that of all methods with a choice of normalisation as many points were tried in the other mode.

    Raises:
        ConfigError: One has fewer than another.
    """
    found = points(tried)
    again = found.loc[found["batchnorm"] != ""].groupby(CELL)["trial"].agg(lambda trials: trials.duplicated().sum())
    _equal(again, "trials in another mode of normalisation")


def _equal(sizes: Any, what: str) -> None:
    parts = [sizes] if isinstance(sizes, pd.Series) else [part for _, part in sizes]
    for part in parts:
        if part.nunique() > 1:
            names: tuple[str, ...] = part.idxmin()  # type: ignore[assignment]
            fewest = " / ".join(name for name in names if name)
            raise ConfigError(f"{fewest} has {part.min()} {what}, others have {part.max()}: finish the search first")


def best_trials(tried: pd.DataFrame) -> pd.DataFrame:
    """The point with the smallest mean of each option, scenario and method, the first of several.

    Returns:
        The columns of `CELL`, `POINT`, `MADE_FOR`, and `value`.

    Raises:
        ConfigError: As `points`, or a method has no point with a value.
    """
    found = points(tried)
    cells = set(found.loc[:, CELL].itertuples(index=False, name=None))
    best = found.dropna(subset="value").sort_values(["value", *POINT]).drop_duplicates(CELL).sort_values(CELL)
    if left := sorted(cells - set(best.loc[:, CELL].itertuples(index=False, name=None))):
        raise ConfigError(f"{' / '.join(left[0])}: no trial finished")
    made_for = tried.loc[~tried["option"].duplicated(), ["option", *MADE_FOR]]
    return best.merge(made_for, on="option").drop(columns="runs").reset_index(drop=True)


def other_modes(tried: pd.DataFrame) -> list[str]:
    """The words of `cu-unlearn` that try the best point of every method in the other mode of batch normalisation.

    A mode is worth a trial for every method that trains with batch normalisation, and which one is better is not known
    beforehand; with it at one point each, the budget grows by one trial and not to twice the trials. A search over
    several networks has a best point for each of them.
    """
    alike: dict[tuple[str, str, str, str], list[str]] = {}
    several = tried["model"].nunique() > 1
    for row in best_trials(tried).to_dict("records"):
        if mode := row["batchnorm"]:
            network = f"model={row['model']} " if several else ""
            other = "frozen" if mode == "train" else "train"
            alike.setdefault((network, row["scenario"], row["trial"], other), []).append(row["method"])
    return [
        f"{network}scenario={scenario} trial={trial} batchnorm={other} method={','.join(methods)}"
        for (network, scenario, trial, other), methods in sorted(alike.items())
    ]
