"""The table of a job that two processes share is that of one process, within what two retrained models differ by."""

import json

import pytest

COUNTED = ("eff/samples", "eff/steps")
LEAST = 1e-4  # of a metric whose floor is zero or not known


@pytest.mark.slow
@pytest.mark.long
def test_two_processes_give_the_table_of_one(tiny, tmp_path, single, torchrun):
    words = ["-m", "cu", "unlearn", *tiny, "reference.k=2", "hardware.precision=fp32"]
    running = {
        "one": single(*words, f"paths.outputs={tmp_path / 'one'}"),
        "two": torchrun(*words, f"paths.outputs={tmp_path / 'two'}"),
    }
    tables = {}
    for name, process in running.items():
        said = process.communicate(timeout=300)
        assert process.returncode == 0, said[1]
        (path,) = (tmp_path / name).glob("runs/*/*/*/*/*/result.json")
        tables[name] = json.loads(path.read_text())
    one, two = tables.values()
    assert one["fingerprint"] == two["fingerprint"]
    assert one["metrics"].keys() == two["metrics"].keys()
    for key in one["metrics"]:
        if key.startswith("eff/") and not key.startswith(COUNTED):
            continue  # seconds and memory
        here, there = one["metrics"][key], two["metrics"][key]
        for column in ("value", "ref"):
            if isinstance(here[column], float):
                assert there[column] == pytest.approx(here[column], abs=max(here["floor"] or 0.0, LEAST)), key
