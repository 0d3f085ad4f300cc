import http.server
import os
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from cu.config.build import composed
from cu.config.validate import check
from cu.errors import ConfigError
from cu.tracking import beforehand, mode
from cu.tracking.offline import hint, hint_for_all

pytest.importorskip("wandb")


@pytest.fixture(autouse=True)
def _no_account(monkeypatch, tmp_path):
    for name in [n for n in os.environ if n.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(mode, "has_key", lambda: True)
    monkeypatch.setenv(mode.NOTES, str(tmp_path / "sweep"))
    mode.unreachable.clear()
    yield
    mode.unreachable.clear()


@contextmanager
def server(status):
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, *words):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def asked(monkeypatch, url):
    import wandb

    monkeypatch.setattr(wandb.setup().settings, "base_url", url)
    return beforehand.server_answers()


def test_a_dead_server_is_said_once_and_no_process_of_the_sweep_waits_for_it(monkeypatch, caplog):
    assert not asked(monkeypatch, "http://127.0.0.1:9")
    (said,) = caplog.messages
    assert said.startswith("W&B cannot be reached, tracking offline: http://127.0.0.1:9 does not answer")
    mode.unreachable.clear()  # as in another process of the sweep
    assert mode.resolve_mode("online") == "offline"
    assert not beforehand.server_answers()
    assert len(caplog.messages) == 1
    monkeypatch.delenv(mode.NOTES)
    assert mode.resolve_mode("online") == "online"


def test_a_server_is_there_if_it_answers_whatever_it_says_of_us(monkeypatch, tmp_path):
    with server(503) as url:
        assert not asked(monkeypatch, url)
    mode.unreachable.clear()
    monkeypatch.setenv(mode.NOTES, str(tmp_path / "another sweep"))
    with server(404) as url:
        assert asked(monkeypatch, url)
    assert mode.resolve_mode("auto") == "online"
    assert beforehand.server_answers(), "nobody asks again: it is gone by now"


def test_a_run_of_its_own_asks_too_and_waits_but_seconds(monkeypatch):
    monkeypatch.delenv(mode.NOTES)
    monkeypatch.setattr(beforehand, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begin = time.monotonic()
        assert not asked(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert time.monotonic() - begin < 5
    assert mode.resolve_mode("online") == "offline"


@pytest.mark.parametrize(
    ("key", "value"), [("project", "a/b"), ("project", "x" * 129), ("project", ""), ("tags", [""])]
)
def test_names_that_wandb_would_refuse_are_said_beforehand(key, value):
    settings = dict(composed("tracking=wandb")["tracking"])
    check(settings, "tracking", frozenset())
    with pytest.raises(ConfigError, match=rf"^tracking\.{key}"):
        check({**settings, key: value}, "tracking", frozenset())


def test_a_mode_that_wandb_would_refuse_is_said_and_replaced(monkeypatch):
    said = []
    beforehand.correct_environment(said.append)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    beforehand.correct_environment(said.append)
    assert said == []
    monkeypatch.setenv("WANDB_MODE", "bogus")
    beforehand.correct_environment(said.append)
    assert said[0].startswith("warning: WANDB_MODE=bogus is none of online, offline, disabled")
    assert mode.resolve_mode("auto") == "offline"


def test_offline_runs_say_how_to_look_at_them_and_send_them(tmp_path):
    run = tmp_path / "runs/a/b/c/d/e"
    assert hint(run) is None
    assert hint_for_all(tmp_path, 0) is None
    (run / "wandb/offline-run-1").mkdir(parents=True)
    assert hint(run) == (
        f"tracked offline: look with `wandb leet {run}/wandb`, send with `wandb sync {run}/wandb/offline-run-1`"
    )
    assert f"`wandb sync {tmp_path}/runs/*/*/*/*/*/wandb/offline-run-*`" in hint_for_all(tmp_path, 0)
    assert hint_for_all(tmp_path, time.time() + 10) is None
