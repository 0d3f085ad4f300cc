import dataclasses
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import get_args

import numpy as np
import pytest

from cu.config.folder import config_folder
from cu.reporting.collect import collect
from cu.reporting.figures.build import DRAW
from cu.reporting.tables.build import build_tables
from cu.reporting.types import FigureName
from cu.reporting.write import judged, write_report
from cu.store.outputs import load_scores, save_scores

ALL = list(get_args(FigureName))


SPECIAL = {"batch_curve", "relearning", "layers"}  # of a published table, and of evaluation=extended


def test_every_name_can_be_drawn_and_the_default_report_draws_all_that_default_runs_have():
    import yaml

    assert list(DRAW) == ALL
    default, extended = (
        yaml.safe_load((config_folder() / f"report/{name}.yaml").read_text()) for name in ("default", "extended")
    )
    assert set(default["figures"]) == set(ALL) - SPECIAL - {"depths"}
    assert {"relearning", "layers"} < set(extended["figures"])


def test_all_figures_of_a_full_study_twice_the_same(filled):
    figures, again = (filled.build(*ALL)[0] for _ in range(2))
    for a, b in zip(figures, again, strict=True):
        for name in ("name", "title", "caption", "alt", "svg", "pdf", "png"):
            assert getattr(a, name) == getattr(b, name), f"{a.name}.{name}"
        assert a.data.equals(b.data)
    assert {figure.name.split("-")[0] for figure in figures} == set(ALL) - SPECIAL
    assert len({figure.name for figure in figures}) == len(figures)
    for figure in figures:
        assert len(figure.alt) > 60
        assert any(character.isdigit() for character in figure.alt), figure.alt
        assert "seeds 0, 1; 2 retrained models per run; 15 forget, 30 retain, 24 test samples (8 of class 2 (bag))" in (
            figure.caption
        )
        assert ET.fromstring(figure.svg).attrib["viewBox"]
        assert figure.pdf.startswith(b"%PDF")
        assert figure.png.startswith(b"\x89PNG")
        assert len(figure.data)


def test_figures_belong_to_tables(filled, make_report):
    report = make_report(["test_acc"])
    collection = collect(filled.outputs)
    tables = build_tables(collection, judged(collection, report), report)
    assert {figure.table for figure in filled.build("gap_map", "front")[0]} == {table.title for table in tables}


def test_nothing_asked_for_nothing_drawn(filled):
    assert filled.build() == ([], [])


def test_no_method_no_figure_but_reasons(study):
    study.add("retrain", 0, 0.5)
    figures, notes = study.build(*ALL)
    assert figures == []
    assert len(notes) == len(ALL)
    assert all(
        note.startswith(f"figure {kind}, digits / slim / class: ") for note, kind in zip(notes, ALL, strict=True)
    )


def test_missing_and_damaged_predictions_are_notes(filled):
    one, two = sorted(filled.outputs.glob("runs/*/*/*/finetune/*/predictions.npz"))
    one.unlink()
    figures, notes = filled.build("destinations", "roc")
    assert len(figures) == 2
    assert all("finetune: 1 of 2 runs kept no predictions.npz" in note for note in notes)
    two.write_bytes(b"PK\x03\x04")
    figures, notes = filled.build("destinations", "gap_map")
    assert [figure.name for figure in figures] == ["gap_map-digits-slim-class"]
    assert "predictions.npz is damaged" in notes[0]


def test_models_that_are_gone_are_left_out_with_a_note(filled):
    import shutil

    shutil.rmtree(filled.outputs / "models" / "original0")
    figures, notes = filled.build("histograms")
    assert "original" not in set(figures[0].data["model"])
    assert "models/original0 holds no predictions" in notes[0]


def test_a_sample_run_that_does_not_say_whom_it_forgot(study):
    folder = study.add("contrastive", 0, 0.6, scenario="sample")
    (folder / "forget_ids.csv").unlink()
    figures, notes = study.build("histograms")
    assert figures == []
    assert "cu-evaluate resume=rerun" in notes[0]


def test_a_method_without_the_seed_is_named(filled):
    filled.add("scrub", 7, 0.4, models={"original": "original0", "retrained": ["a0", "b0"]})
    _, notes = filled.build("histograms")
    assert "figure histograms, digits / slim / class: scrub has no run with seed 0, forget_seed 0" in notes


def test_at_most_four_methods_get_a_panel_contrastive_first(study):
    for i, method in enumerate(["amun", "contrastive", "delete", "finetune", "salun", "scrub", "ssd"]):
        study.add(method, 0, 0.1 * i)
    assert [row.label for row in study.scene().few()] == ["contrastive", "amun", "delete", "finetune"]
    _, notes = study.build("histograms", "roc")
    told = "shows 4 of 7 methods, contrastive, amun, delete, finetune; report.methods chooses others"
    assert [told in note for note in notes] == [True, True]


def test_hundreds_of_settings_are_not_drawn(study, make_metric):
    for i in range(43):
        study.folders.add({"test_acc": make_metric(0.5, 0.5, floor=0.1)}, config={"method.lr": i})
    assert [len(study.scene().rows), study.scene().total] == [40, 43]
    _, notes = study.build("gap_map")
    assert notes == ["figures, digits / slim / class: show 40 of 43 methods and settings"]


def test_outputs_that_nobody_foresaw_cost_a_figure_not_the_report(filled):
    for path in filled.outputs.glob("runs/*/*/*/*/*/predictions.npz"):
        save_scores(path, {**load_scores(path), "train/logits": np.zeros((2, 2, 2))})
    figures, notes = filled.build("histograms", "gap_map")
    assert [figure.name for figure in figures] == ["gap_map-digits-slim-class"]
    assert "cannot be drawn (" in notes[0]


def test_every_method_comes_before_the_second_setting_of_any(study):
    for temperature in (0.1, 0.2, 0.3):
        study.add("contrastive", 0, 0.1, config={"method.temperature": temperature})
    study.add("finetune", 0, 0.1)
    assert [row.label for row in study.scene().few()] == [
        "contrastive (temperature=0.1)",
        "finetune",
        "contrastive (temperature=0.2)",
        "contrastive (temperature=0.3)",
    ]


def test_files_on_disk(filled, make_report, caplog):
    target = filled.outputs / "reports" / "test"
    files = write_report(make_report(["test_acc"], figures=["front", "batch_curve"]), filled.outputs, target).files
    assert [file.name for file in files[:4]] == ["test.md", "test.csv", "test.tex", "test.html"]
    stem = "front-digits-slim-class"
    assert [file.relative_to(target).as_posix() for file in files[4:]] == [
        f"figures/{stem}.{suffix}" for suffix in ("svg", "pdf", "png", "csv")
    ]
    (figure,), _ = filled.build("front")
    assert files[4].read_text() == figure.svg
    assert files[7].read_text() == figure.data.to_csv(index=False)
    assert sorted(file.name for file in target.rglob("*") if file.is_file()) == sorted(file.name for file in files)
    assert any("figure batch_curve" in message for message in caplog.messages)


@pytest.mark.slow
def test_figures_need_no_torch():
    code = "import cu.reporting.figures.build, sys; print('torch' in sys.modules, 'sklearn' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]


def test_a_figure_cannot_be_changed(filled):
    with pytest.raises(dataclasses.FrozenInstanceError):
        filled.figure("front").name = "x"
