"""The paper's experiments: every cell of every table composes, means what it should, and has a row in a report."""

from functools import cache
from itertools import chain, cycle, product

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from cu.config.build import build, check_components
from cu.config.component import Component
from cu.config.folder import config_folder
from cu.config.parse import parse
from cu.config.schema import RunConfig, TrainConfig
from cu.config.validate import check
from cu.evaluation.suite import spec_of
from cu.methods.types import scenarios_of
from cu.reporting.collect.columns import DISTANCE
from cu.reporting.collect.labels import flatten
from cu.reporting.collect.matching import agrees
from cu.reporting.tables.literature import printed_numbers
from cu.store.plan import NAMED, plan_unlearning

PRINTED = printed_numbers("arxiv_2401_10458")
SIZES = ("paper", "small")
pytestmark = pytest.mark.slow  # hundreds of configs
TABLES = [f"{size}/table{number}" for size in SIZES for number in range(1, 8)]


def validate(config):
    """Check a config as a job does before it reads data; part of a config, group by group."""
    whole = {"seed", "dataset", "tracking"} <= config.keys()
    if whole:
        check_components(parse(RunConfig if "method" in config else TrainConfig, config))
    for group, node in {} if whole else config.items():
        check(node, group)


def built(node):
    """What a plain config names."""
    return build(Component(node))


@cache
def composed(name, *overrides, hydra=False):
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose(name, list(overrides), return_hydra_config=hydra)
    node = config.hydra.sweeper.params if hydra else config
    return OmegaConf.to_container(node, resolve=True)


@cache
def grid(experiment):
    """The values that an experiment sweeps, by key."""
    params = composed("unlearn", f"experiment={experiment}", hydra=True)
    return {key: str(values).split(",") for key, values in params.items()}


def cell(experiment, method, model):
    return composed("unlearn", f"experiment={experiment}", f"method={method}", f"model={model}")


def cells(experiment):
    """Every method once, and every model at least once: what a model is does not depend on the method."""
    swept = grid(experiment)
    assert len(swept["method"]) >= len(swept["model"])
    return [cell(experiment, *pair) for pair in zip(swept["method"], cycle(swept["model"]))]


def identity(config):
    return plan_unlearning(config, dict.fromkeys(NAMED, "x")).identity


@pytest.mark.parametrize("experiment", [t for t in TABLES if t[-1] in "1245"])
def test_every_cell_is_valid_and_of_the_paper_s_protocol(experiment):
    paper = experiment.startswith("paper")
    for config in cells(experiment):
        validate(config)
        assert built(config["scenario"]).kind in scenarios_of(built(config["method"]))
        assert config["evaluation"]["name"] == "paper"
        assert config["recipe"]["augment"] is config["dataset"]["augment"] is False
        assert config["recipe"]["epochs"] == (100 if paper else 8)
        assert (config["dataset"]["val_fraction"] == 0) is paper
        if "stop_on" in config["method"]:
            assert config["method"]["stop_on"] == ("test" if paper else "val")
            assert (config["method"]["temperature"], config["method"]["omega"]) == (0.7, 4)
        # Without validation data there is nothing to rewind to.
        assert not (paper and config["method"].get("rewind"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("number", "source"), [(3, 1), (6, 4), (7, 4)])
def test_tables_of_the_same_runs_train_nothing_twice(size, number, source):
    own, other = f"{size}/table{number}", f"{size}/table{source}"
    assert grid(own) == grid(other)
    for method in ("contrastive", "retrain"):
        first, second = cell(own, method, "resnet18"), cell(other, method, "resnet18")
        assert identity(first) == identity(second)
        assert first["evaluation"] == second["evaluation"]


@pytest.mark.parametrize("size", SIZES)
def test_figure_2_watches_runs_of_table_1(size):
    assert set(grid(f"{size}/figure2")["method"]) < set(grid(f"{size}/table1")["method"])
    for method in ("contrastive", "scrub"):
        watched, plain = (cell(f"{size}/{name}", method, "resnet18") for name in ("figure2", "table1"))
        assert identity(watched) == identity(plain)
        assert plain["evaluation"]["trajectory_every"] == 0
    omega = cell(f"{size}/figure2", "contrastive", "resnet18")["method"]["omega"]
    assert watched["evaluation"] == {**plain["evaluation"], "trajectory_every": omega}


def test_the_batch_sizes_of_the_release():
    assert cell("paper/table1", "contrastive", "resnet18")["method"]["recipe"]["batch_size"] == 64
    for table in (4, 5):
        assert cell(f"paper/table{table}", "contrastive", "resnet18")["method"]["recipe"]["batch_size"] == 128


def test_the_command_line_wins_over_an_experiment_s_protocol():
    config = composed("unlearn", "experiment=paper/table1", "method=contrastive", "method.stop_on=never")
    assert config["method"]["stop_on"] == "never"


@pytest.mark.parametrize("table", TABLES)
def test_the_report_of_a_table_shows_its_runs_and_no_others(table):
    report, swept = composed("report", f"report={table}")["report"], grid(table)
    assert report["name"] == table
    assert report["models"] == swept["model"]
    assert sorted(report["methods"]) == sorted(swept["method"])
    config = cell(table, "contrastive", "resnet18")
    assert agrees(flatten(config), report["where"])
    kind = built(config["scenario"]).kind
    assert report["scenarios"] == [kind]
    data = {"Cifar10": "cifar10", "SVHN": "svhn", "FashionMNIST": "fashion_mnist", "Digits": "digits"}
    assert report["datasets"] == [data[config["dataset"]["_target_"].rpartition(".")[2]]]
    shorter = cell(table, "contrastive", "resnet18") | {"recipe": {**config["recipe"], "epochs": 1}}
    assert not agrees(flatten(shorter), report["where"])


@pytest.mark.parametrize("number", range(1, 8))
def test_a_paper_table_has_a_column_for_every_printed_number(number):
    report = composed("report", f"report=paper/table{number}")["report"]
    assert report["published"] == "arxiv_2401_10458"
    (scenario,), (dataset,) = report["scenarios"], report["datasets"]
    columns = [column["key"] for column in report["columns"][scenario]]
    per_cell = {1: 3, 2: 3, 3: 1, 4: 2, 5: 2, 6: 2, 7: 1}[number]
    rows = product([dataset], report["models"], [scenario], report["methods"], columns)
    assert sum(row in PRINTED for row in rows) == 4 * 6 * per_cell
    assert composed("report", f"report=small/table{number}")["report"]["published"] is None


def test_every_printed_number_is_a_column_of_the_paper_s_evaluation():
    metrics = cell("paper/table1", "contrastive", "resnet18")["evaluation"]["metrics"]
    known = set(chain.from_iterable(spec_of(built(node)).keys for node in metrics.values()))
    assert {name[-1] for name in PRINTED} <= known


def test_the_representation_experiment_is_valid_planned_and_reported():
    name = "representation/fashion_mnist"
    swept = composed("unlearn", f"experiment={name}", hydra=True)
    assert swept["scenario.classes"] == "[5],[6]"
    planned = set()
    for method in swept["method"].split(","):
        config = composed("unlearn", f"experiment={name}", f"method={method}", "scenario=class", "scenario.classes=[6]")
        validate(config)
        assert "class" in scenarios_of(built(config["method"]))
        assert (config["reference"]["k"], config["evaluation"]["name"]) == (2, "representation")
        planned.add(str(identity(config)))
    assert len(planned) == len(swept["method"].split(","))
    report = composed("report", f"report={name}")["report"]
    known = {key for node in config["evaluation"]["metrics"].values() for key in spec_of(built(node)).keys}
    assert {column["key"] for column in report["columns"]["class"]} <= known | {DISTANCE}
    assert report["seeds"] == [int(seed) for seed in str(swept["seed"]).split(",")]


@pytest.mark.parametrize(("name", "count"), [("representation/ablation", 16), ("representation/queue", 3)])
def test_every_variant_of_a_representation_experiment_is_valid_planned_and_differs(name, count, tmp_path):
    swept = composed("unlearn", f"experiment={name}", hydra=True)["trial"].split(",")
    (tmp_path / "glyphs" / "train").mkdir(parents=True)  # what the identity of a folder of images looks at
    words = (f"experiment={name}", f"paths.data={tmp_path}")
    cells = [composed("unlearn", *words, f"trial={trial}") for trial in swept]
    for config in cells:
        validate(config)
        assert list(config["trials"]) == swept
        assert (config["reference"]["k"], config["evaluation"]["name"]) == (2, "representation")
    assert len({str(identity(config)) for config in cells}) == len(cells) == count
    report = composed("report", f"report={name}")["report"]
    known = {key for node in cells[0]["evaluation"]["metrics"].values() for key in spec_of(built(node)).keys}
    assert {column["key"] for column in report["columns"]["class"]} <= known | {DISTANCE}


def test_the_ablation_changes_one_part_at_a_time_of_what_is_reported():
    reported = composed(
        "unlearn",
        "experiment=representation/fashion_mnist",
        "method=contrastive_matching",
        "scenario=class",
        "scenario.classes=[6]",
    )
    assert reported["settings"]["trial"] == "b", "the searched point"
    swept = composed("unlearn", "experiment=representation/ablation", hydra=True)["trial"].split(",")
    words = ("experiment=representation/ablation", "scenario=class", "scenario.classes=[6]")
    cells = {trial: composed("unlearn", *words, f"trial={trial}") for trial in swept}
    assert cells["full"]["method"] == reported["method"]
    assert identity(cells["full"]) == identity(reported), "the same run"
    whole, weights = flatten(reported["method"]), {"embedding_weight", "feature_weight"}
    shares = {"embedding_share", "feature_share"}
    changed = {t: {k: v for k, v in flatten(c["method"]).items() if v != whole[k]} for t, c in cells.items()}
    assert {trial: set(parts) for trial, parts in changed.items()} == {
        "full": set(),
        "plain": {"match"},
        "to_zero": shares,
        "per_class": {"match"},
        "absolute": {"relative", *weights, *shares},
        "z_only": {"feature_weight"},
        "h_only": {"embedding_weight"},
        "every_stage": {"stage_weight"},
        "no_anchor": {"anchor_weight"},
        "no_distance": weights,
        "sliced_wasserstein": {"distance"},
        "adversarial_probe": {"distance"},
        "half_weight": weights,
        "double_weight": weights,
        "two_passes": {"recipe.epochs"},
        "estimated_level": {"recipe.epochs", "stop_on"},
    }
    for trial, factor in (("half_weight", 0.5), ("double_weight", 2.0)):
        assert {part: float(value) for part, value in changed[trial].items()} == {
            part: factor * float(whole[part]) for part in weights
        }
