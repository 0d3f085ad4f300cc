import doctest
from pathlib import Path

import cu.api


def test_the_examples_print_what_they_say():
    found = doctest.testmod(cu.api)
    assert found.attempted > 8
    assert found.failed == 0


def test_it_only_passes_names_on():
    assert sorted(cu.api.__all__) == cu.api.__all__
    assert all(getattr(cu.api, name).__module__ != "cu.api" for name in cu.api.__all__)


def test_the_tour_of_the_house_names_files_that_exist():
    root = Path(cu.api.__file__).parents[1]
    tour = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = {word.strip("`.,;:()") for word in tour.split() if word.strip("`.,;:()").startswith(("cu/", "scripts/"))}
    files = {name for name in named if not name.endswith("mine.py")}
    assert len(files) > 15
    assert not [name for name in files if not (root / name).exists()]
