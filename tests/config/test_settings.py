"""Settings are chosen by name and never by chance; what was chosen for something else is said."""

import re
from functools import cache

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from cu.config.build import check_components
from cu.config.folder import config_folder
from cu.config.parse import parse
from cu.config.schema import RunConfig, TrainConfig
from cu.config.settings import doubts
from cu.config.validate import check
from cu.errors import ConfigError

pytestmark = pytest.mark.slow  # a hundred configs


def validate(config):
    """Check a config as a job does before it reads data; part of a config, group by group."""
    whole = {"seed", "dataset", "tracking"} <= config.keys()
    if whole:
        check_components(parse(RunConfig if "method" in config else TrainConfig, config))
    for group, node in {} if whole else config.items():
        check(node, group)


def yaml_files(group):
    """Every file of a group by its option's name."""
    folder = config_folder() / group
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.yaml"))}


def plain(path):
    return OmegaConf.to_container(OmegaConf.load(path))


@cache
def composed(*overrides):
    """The resolved config of a run, and the chosen option of every group."""
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose("unlearn", list(overrides), return_hydra_config=True)
    names = {group: str(option) for group, option in config.hydra.runtime.choices.items()}
    with_hydra = {name: node for name, node in config.items() if name != "hydra"}
    return OmegaConf.to_container(OmegaConf.create(with_hydra), resolve=True), names


@cache
def method(name, recipe="short"):
    """A method as its own file has it."""
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        parts = [OmegaConf.to_container(compose(option)) for option in (f"method/{name}", f"recipe/{recipe}")]
    return OmegaConf.to_container(OmegaConf.create({k: v for part in parts for k, v in part.items()}), resolve=True)


SETTINGS, CELLS = yaml_files("settings"), yaml_files("cells")
SEARCHED = [option for option in SETTINGS if option.startswith("searched/")]


def cells_of(option):
    """The files that an option may bring, by the groups' options that make it bring them."""
    entries = plain(SETTINGS[option]) or {}
    lines = [str(e["override /cells"]) for e in entries.get("defaults", []) if "override /cells" in e]
    found = {}
    for line in lines:
        pattern = re.sub(r"\\\$\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(line))
        matches = {cell: re.fullmatch(pattern, cell) for cell in CELLS}
        found |= {cell: match.groupdict() for cell, match in matches.items() if match}
    return found


def first_cell(option):
    """The groups' options that bring the first of an option's files."""
    return [f"{group}={name}" for group, name in next(iter(cells_of(option).values()), {}).items()]


@pytest.mark.parametrize("option", SETTINGS)
def test_every_option_composes_and_brings_its_file(option, assert_keys_are_fields, assert_within):
    more = ["trial=a"] if option.endswith("trial") else []
    config, names = composed(f"settings={option}", *first_cell(option), *more)
    validate(config)
    assert_keys_are_fields(config)
    assert names["settings"] == option
    if found := list(cells_of(option)):
        assert_within(plain(CELLS[found[0]]), config)


def test_every_file_is_brought_by_an_option():
    assert {cell for option in SETTINGS for cell in cells_of(option)} == set(CELLS)


@pytest.mark.parametrize("cell", CELLS)
def test_every_file_fits_its_method(cell, assert_keys_are_fields):
    content, name = plain(CELLS[cell]), cell.rpartition("/")[2]
    assert CELLS[cell].read_text().startswith("# @package _global_\n# "), "says where it comes from"
    if "method" in content:
        config = OmegaConf.to_container(OmegaConf.merge(method(name), {"method": content["method"]}))
        validate(config)
        assert_keys_are_fields(config)


@pytest.mark.parametrize("option", SEARCHED)
def test_a_search_says_what_it_was_made_for_and_by(option):
    settings = plain(SETTINGS[option])["settings"]
    assert set(settings) == {"made_for", "best_of"}
    assert {"dataset", "train_size", "model"} <= set(settings["made_for"])
    for cell in cells_of(option):
        assert set(plain(CELLS[cell])) == {"settings", "method"}
        assert "# Written by scripts/select_trials.py: trial" in CELLS[cell].read_text()


@pytest.mark.parametrize("option", [option for option in SETTINGS if cells_of(option)])
def test_nothing_is_brought_unless_it_is_asked_for(option):
    cell = first_cell(option)
    config, names = composed(*cell)
    assert names["settings"] == "none"
    assert config["settings"] == {}
    assert config["method"] == method(names["method"])["method"]
    more = ["trial=a"] if option.endswith("trial") else []
    assert composed(f"settings={option}", *cell, *more)[0] != config


def test_later_layers_win(tmp_path):
    def file(path, epochs, head=""):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        text = f"# @package _global_\n{head}method: {{recipe: {{epochs: {epochs}}}}}\n"
        (tmp_path / path).write_text(text, encoding="utf-8")

    def epochs(*words):
        return composed(f"hydra.searchpath=[file://{tmp_path}]", "method=finetune", *words)[0]["method"]["recipe"][
            "epochs"
        ]

    file("settings/mine.yaml", 101)
    file("experiment/mine.yaml", 102)
    file("experiment/choosing.yaml", 103, "defaults:\n  - override /settings: mine\n")
    own = epochs()
    assert own < 100
    assert epochs("settings=mine") == 101
    assert epochs("settings=mine", "experiment=mine") == 102
    assert epochs("experiment=choosing") == 103
    assert epochs("experiment=choosing", "method.recipe.epochs=104") == 104
    searched = (f"settings={SEARCHED[0]}", "dataset=fashion_mnist", "experiment=mine")
    assert epochs(*searched) == 102
    assert epochs(*searched, "method.recipe.epochs=104") == 104


def test_an_experiment_s_settings_can_be_switched_off():
    config, names = composed("experiment=small/table1", "settings=none", "method=scrub")
    assert names["settings"] == "none"
    assert config["method"] == method("scrub")["method"]


NAMES = {"dataset": "fashion_mnist", "model": "resnet18", "scenario": "class", "method": "scrub", "settings": "mine"}
RUN = {"dataset": {"train_size": None}, "model": {"width": 8}, "method": {"_target_": "a.b", "lr": 1}}
FITS = {"dataset": ["cifar10", "fashion_mnist"], "train_size": None, "model": "resnet18", "width": 8}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (None, []),
        ({"made_for": FITS}, []),
        ({"made_for": {}}, []),
        (
            {"made_for": {**FITS, "dataset": "cifar10", "width": 16}},
            ["were made for dataset=cifar10, model.width=16; this run has dataset=fashion_mnist, model.width=8"],
        ),
        (
            {"made_for": {**FITS, "train_size": 3000, "model": ["vgg11", "vgg16"]}},
            [
                "were made for dataset.train_size=3000, model=vgg11,vgg16; "
                "this run has dataset.train_size=null, model=resnet18"
            ],
        ),
        ({"made_for": FITS, "best_of": 6, "trial": "a"}, []),
        (
            {"made_for": FITS, "best_of": 6},
            ["hold nothing for method=scrub in scenario=class: the settings of its own file are used"],
        ),
    ],
)
def test_settings_made_for_something_else_are_said(settings, said):
    config = RUN if settings is None else {**RUN, "settings": settings}
    assert doubts(config, NAMES) == [f"settings=mine {line}" for line in said]


def test_a_method_without_settings_needs_none():
    config = {**RUN, "settings": {"made_for": FITS, "best_of": 6}, "method": {"_target_": "a.b"}}
    assert doubts(config, NAMES) == []


def test_a_network_without_width_is_not_of_any():
    config = {**RUN, "settings": {"made_for": {"width": 8}}, "model": {}}
    assert doubts(config, NAMES) == ["settings=mine were made for model.width=8; this run has model.width=null"]


def test_what_settings_were_made_for_must_be_known():
    with pytest.raises(ConfigError, match=r"settings.made_for.depth is unknown; it may name dataset, train_size"):
        doubts({**RUN, "settings": {"made_for": {"depth": 18}}}, NAMES)


@pytest.mark.parametrize("experiment", ["paper/table4", "small/table1", "small/table5", "baselines/fashion_mnist"])
def test_an_experiment_s_settings_are_made_for_it(experiment):
    for name in ("contrastive", "retrain"):
        assert doubts(*composed(f"experiment={experiment}", f"method={name}")) == []
