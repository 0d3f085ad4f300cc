import json

import pytest

from cu.errors import ConfigError
from cu.models.checkpoints.preprocessing import as_told, differences, told

OURS = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "image_size": 32, "resize": "cover",
        "interpolation": "bilinear", "crop_share": 1.0}  # fmt: skip
VIT = {
    "do_resize": True,
    "size": {"height": 224, "width": 224},
    "resample": 2,
    "image_mean": [0.5] * 3,
    "image_std": [0.5] * 3,
}
CONVNEXT = {
    "size": {"shortest_edge": 224},
    "crop_pct": 0.875,
    "resample": 3,
    "image_mean": OURS["mean"],
    "image_std": OURS["std"],
}
TIMM = {"architecture": "vit", "pretrained_cfg": {"input_size": [3, 384, 384], "mean": [0.5] * 3, "std": [0.5] * 3,
        "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "center"}}  # fmt: skip


HALF = "dataset.mean=[0.5,0.5,0.5] dataset.std=[0.5,0.5,0.5]"
CASES = {
    "vit": ("preprocessor_config.json", VIT, f"{HALF} dataset.image_size=224 dataset.resize=stretch"),
    "convnext": (
        "preprocessor_config.json",
        CONVNEXT,
        "dataset.image_size=224 dataset.interpolation=bicubic dataset.crop_share=0.875",
    ),
    "timm": ("config.json", TIMM, f"{HALF} dataset.image_size=384 dataset.interpolation=bicubic"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_differs_from_the_config_beside_the_weights_is_said_as_one_types_it(tmp_path, case):
    name, content, expected = CASES[case]
    (tmp_path / name).write_text(json.dumps(content))
    assert differences(tmp_path / "model.safetensors", OURS).endswith(
        f"gives images otherwise: say preprocessing=checkpoint or {expected}"
    )
    assert differences(tmp_path, {**OURS, **told(tmp_path)}) is None


def test_without_a_config_nothing_is_said(tmp_path):
    (tmp_path / "config.json").write_text('{"hidden_size": 3}')
    assert told(tmp_path) == {}
    assert differences(tmp_path / "a.pt", OURS) is None
    (tmp_path / "config.json").write_text("{")
    assert differences(tmp_path / "a.pt", OURS) is None


def test_a_config_that_asks_for_it_is_filled_in_from_beside_the_checkpoint(tmp_path):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(CONVNEXT))
    asked = {"preprocessing": "checkpoint", "model": {"checkpoint": str(tmp_path)}, "dataset": {**OURS, "folder": "x"}}
    expected = {**OURS, "folder": "x", "image_size": 224, "interpolation": "bicubic", "crop_share": 0.875}
    assert as_told(asked)["dataset"] == expected
    assert as_told({**asked, "preprocessing": "given"})["dataset"] == asked["dataset"]
    assert as_told({**asked, "dataset": {"mean": [0.5]}})["dataset"] == {"mean": OURS["mean"]}


@pytest.mark.parametrize("checkpoint", [None, "nowhere.pt", "damaged/model.safetensors"])
def test_what_cannot_be_filled_in_is_one_line(tmp_path, checkpoint):
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "config.json").write_text("{")
    path = checkpoint and str(tmp_path / checkpoint)
    with pytest.raises(ConfigError, match="preprocessing=checkpoint"):
        as_told({"preprocessing": "checkpoint", "model": {"checkpoint": path}, "dataset": {}})
