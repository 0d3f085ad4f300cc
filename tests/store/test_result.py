import json

import pytest

from cu.disk.files import Damaged
from cu.store.result import SCHEMA, read_run_result, read_train_result, write_result


def test_what_is_written_is_read(tmp_path, run_result):
    result = run_result()
    write_result(tmp_path, result)
    assert read_run_result(tmp_path) == result


def test_there_may_be_none(tmp_path):
    assert read_run_result(tmp_path) is None
    assert read_train_result(tmp_path) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: r.pop("metrics"), "damaged .metrics"),
        (lambda r: r.update(scenario="both"), "damaged .scenario"),
        (lambda r: r["metrics"]["forget_train_acc"].update(value="high"), "metrics.forget_train_acc.value"),
        (lambda r: r.update(seeds=None), "damaged .seeds"),
        (lambda r: r.update(schema=SCHEMA - 1), f"has schema {SCHEMA - 1}, this version of cu reads {SCHEMA}"),
        (lambda r: r.pop("schema"), "has schema None"),
    ],
)
def test_anything_else_is_named(tmp_path, run_result, change, reason):
    write_result(tmp_path, run_result())
    content = json.loads((tmp_path / "result.json").read_text())
    change(content)
    (tmp_path / "result.json").write_text(json.dumps(content))
    with pytest.raises(Damaged, match=reason) as caught:
        read_run_result(tmp_path)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", "\x00\x01"])
def test_no_text_is_taken_for_a_result(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    if text == "null":
        assert read_run_result(tmp_path) is None
        return
    with pytest.raises(Damaged):
        read_run_result(tmp_path)
