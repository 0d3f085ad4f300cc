"""The cases of a user with pictures of their own: what is deleted is not used again, and who is forgotten is told."""

import json

import numpy as np
import pytest
from PIL import Image

SETTINGS = (
    *("dataset=image_folder", "dataset.image_size=8", "dataset.crop=0", "model.width=4", "recipe.epochs=1"),
    *("method=finetune", "method.recipe.epochs=1", "evaluation=paper", "hardware.num_threads=1", "scenario=indices"),
)


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Pictures of two classes; one class folder is a link."""
    monkeypatch.chdir(tmp_path)
    for part, count in (("train", 30), ("val", 6), ("test", 8)):
        for number, name in enumerate(("cat", "dog")):
            folder = tmp_path / "my photos" / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = np.random.default_rng((number, i, count)).integers(0, 256, (8, 8, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{i:02d}.png")
    (tmp_path / "my photos/train/dog").rename(tmp_path / "dogs")
    (tmp_path / "my photos/train/dog").symlink_to(tmp_path / "dogs")
    return tmp_path


def results(folder):
    return {path.parent: json.loads(path.read_text()) for path in folder.glob("outputs/runs/*/*/*/*/*/result.json")}


def test_a_request_by_name_and_the_next_one_after_the_pictures_are_deleted(command, photos):
    first, second = photos / "first.txt", photos / "second.txt"
    first.write_text("dog/03.png\ndog/04.png\ncat/1*.png\n")
    second.write_text("file;id\ncat/00.png;0\n")
    words = ("unlearn", *SETTINGS, "dataset.folder=my photos", "save_model=true")
    ended = command(*words, f"scenario.file={first}")
    assert ended.code == 0, ended.err
    assert "to forget: 12 of 60 training images: cat/10.png, cat/11.png, cat/12.png and 9 more" in ended.err
    ((run, result),) = results(photos).items()
    assert [line.split(",")[1] for line in (run / "forget_ids.csv").read_text().splitlines()][-2:] == [
        "dog/03.png",
        "dog/04.png",
    ]
    assert not list(run.glob("wandb*")), "nothing of one's own pictures is mirrored unasked"
    assert result["split_sizes"] == {"retain": 48, "forget": 12, "val": 12, "test": 16, "test_forget": 0}
    assert command(*words, f"scenario.file={first}").err[0].startswith("already finished: ")

    (photos / "dogs/03.png").unlink()  # behind a link, and the ids of others shift
    ended = command(*words, f"scenario.file={second}", f"model.checkpoint={run / 'model.safetensors'}")
    assert ended.code == 0, ended.err
    assert not ended.err[0].startswith("already finished")
    (line,) = [line for line in ended.err if "earlier requests" in line]
    assert "left out of everything: 11 samples; 1 more are not in the data set any more" in line
    (last,) = [own for own in results(photos).values() if own["fingerprint"] != result["fingerprint"]]
    assert last["split_sizes"]["retain"] == 59 - 11 - 1
    ended = command(*words, f"scenario.file={first}")
    assert "dog/03.png is not among the training images" in ended.err[-1], "the deleted picture is gone"
