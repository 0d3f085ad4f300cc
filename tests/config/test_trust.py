import pytest

from cu.config.component import Component
from cu.config.trust import is_trusted, require_trusted
from cu.errors import ConfigError

DIGITS = {"_target_": "cu.data.datasets.digits.Digits"}


@pytest.mark.parametrize(
    ("key", "node", "place"),
    [
        ("scenario", {"_target_": "joblib.load"}, "scenario"),
        ("dataset", {"_target_": "cu.disk.files.write_text", "path": "x", "text": "y"}, "dataset"),
        ("dataset", {"_target_": "cu.engine.recipe.Recipe"}, "dataset"),
        ("dataset", {"_target_": "cu.data.datasets.files.missing"}, "dataset"),
        ("dataset", {**DIGITS, "mean": {"_target_": "os.system"}}, r"dataset\.mean"),
        ("dataset", {**DIGITS, "std": [1, {"_target_": "cu.disk.files.write_text"}]}, r"dataset\.std\[1\]"),
        ("evaluation.metrics.mine", {"_target_": "os.getcwd", "_partial_": True}, r"evaluation\.metrics\.mine"),
    ],
)
def test_only_settings_of_the_group_are_built(key, node, place):
    with pytest.raises(ConfigError, match=f"^{place}._target_="):
        require_trusted({key: Component(node)}, [])


def test_what_is_named_in_so_many_words_may_run():
    node = {"_target_": "my_package.nets.Net", "part": {"_target_": "my_package.parts.Part"}}
    with pytest.raises(ConfigError, match=r"trust=\[my_package.nets\]"):
        require_trusted({"model": Component(node)}, [])
    require_trusted({"model": Component(node)}, ["my_package"])
    require_trusted({"model": Component(node)}, ["*"])
    assert not is_trusted("my_package_evil.Net", ["my_package"])
    assert is_trusted("my_package:net", ["my_package"])


def test_classes_of_the_project_need_no_word():
    metric = {"_target_": "cu.metrics.accuracy.accuracy.split_accuracies", "_partial_": True}
    require_trusted({"dataset": Component(DIGITS), "evaluation.metrics.accuracy": Component(metric)}, [])
