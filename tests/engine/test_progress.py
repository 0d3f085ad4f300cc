import logging

import pytest

from cu.engine.progress import duration, eta_log


def logged(caplog, seconds_of_pieces):
    now = [0.0]
    finished = eta_log("shadows", len(seconds_of_pieces), clock=lambda: now[0])
    with caplog.at_level(logging.INFO, logger="cu"):
        for seconds in seconds_of_pieces:
            now[0] += seconds
            finished()
    return [record.getMessage() for record in caplog.records]


def test_at_most_one_line_in_twenty_seconds(caplog):
    assert logged(caplog, [1.0] * 45) == [
        "shadows: 20 of 45 done, about 25 s left",
        "shadows: 40 of 45 done, about 5 s left",
    ]


def test_quick_work_is_silent(caplog):
    assert logged(caplog, [0.1] * 50) == []


def test_pieces_that_were_there_do_not_count_in_the_estimate(caplog):
    assert logged(caplog, [0.01] * 10 + [30.0] + [0.0] * 9)[0] == "shadows: 11 of 20 done, about 4 min left"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (9000, "2.5 h")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words
