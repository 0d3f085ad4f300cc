"""A real browser, driven through Chrome's DevTools protocol over a pair of pipes: no package, no port."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cu.reporting.scales import SCALES
from cu.reporting.tables.types import Cell, Heading, Label, MethodRow, Note, SeedCount, TableData

PATIENCE = 120.0  # seconds; a machine may be busy
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_KEYS = {"Enter": ("Enter", 13, "\r"), "Space": (" ", 32, " "), "Tab": ("Tab", 9, "")}


def chromium() -> str | None:
    return os.environ.get("CU_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)


class Browser:
    """One tab of a headless Chromium; `problems` and `addresses` are what it complained about and asked for."""

    def __init__(self, command: str, folder: Path) -> None:
        folder.mkdir()
        pipes = [str(folder / name) for name in ("to", "from")]
        for pipe in pipes:
            os.mkfifo(pipe)
        flags = ["--headless", "--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}", "--disable-gpu"]
        flags += ["--no-first-run", "--disable-background-networking", "--disable-component-update"]
        flags += ["--no-sandbox"] if os.geteuid() == 0 else []
        # The protocol's descriptors are 3 (to the browser) and 4 (from it); a shell puts the pipes there.
        shell = ["sh", "-c", 'to=$1; from=$2; shift 2; exec "$@" 3<"$to" 4>"$from"', "sh", *pipes, command]
        self.process = subprocess.Popen([*shell, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.sender, self.receiver = os.open(pipes[0], os.O_WRONLY), os.open(pipes[1], os.O_RDONLY)
        self.buffer, self.count, self.session = b"", 0, None
        self.problems: list[str] = []
        self.addresses: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def close(self) -> None:
        os.close(self.sender)
        os.close(self.receiver)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and wait for its answer."""
        self.count += 1
        call = {"id": self.count, "method": method, "params": params}
        os.write(self.sender, json.dumps({**call, **({"sessionId": self.session} if self.session else {})}).encode())
        os.write(self.sender, b"\0")
        answer = self._until(lambda message: message.get("id") == self.count)
        assert "error" not in answer, f"{method}: {answer.get('error')}"
        return answer["result"]

    def open(self, path: Path, width: int = 1280, dark: bool = False, scripts: bool = True) -> None:
        """Load a file, as seen on a screen so wide."""
        self.problems, self.addresses = [], []
        self.send("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send("Page.navigate", url=path.as_uri())
        self._until(lambda message: message.get("method") == "Page.loadEventFired")

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, name: str) -> None:
        """Press and release a key where the focus is."""
        key, code, text = _KEYS[name]
        event = {"key": key, "code": name, "windowsVirtualKeyCode": code, "text": text}
        self.send("Input.dispatchKeyEvent", type="keyDown", **event)
        self.send("Input.dispatchKeyEvent", type="keyUp", **event)

    def type(self, text: str) -> None:
        """Write where the focus is."""
        self.send("Input.insertText", text=text)

    def screenshot(self, path: Path) -> None:
        """The whole page as PNG."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        content = self.send("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
        path.write_bytes(base64.b64decode(content))

    def _until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while True:
            while b"\0" in self.buffer:
                line, _, self.buffer = self.buffer.partition(b"\0")
                message = json.loads(line)
                self._note(message.get("method"), message.get("params", {}))
                if wanted(message):
                    return message
            ready, _, _ = select.select([self.receiver], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the browser does not answer"
            chunk = os.read(self.receiver, 1 << 20)
            assert chunk, "the browser went away"
            self.buffer += chunk

    def _note(self, event: str | None, params: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.addresses.append(params["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.problems.append(params["exceptionDetails"]["text"])
        elif event == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.problems.append(str(params["args"]))
        elif event == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.problems.append(params["entry"]["text"])


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    command = chromium()
    if command is None and os.environ.get("CI"):
        pytest.fail(f"no browser, and CI must have one: none of {', '.join(_NAMES)} on PATH, CU_CHROMIUM is not set")
    if command is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} on PATH, and CU_CHROMIUM is not set")
    browser = Browser(command, tmp_path_factory.mktemp("browser") / "run")
    yield browser
    browser.close()


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure as the page needs it."""

    name: str = "bars"
    table: str = "digits / slim / class"
    title: str = "Bars"
    caption: str = "Two bars."
    alt: str = "Bars: 1 and 2."
    svg: str = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="90pt" height="60pt" viewBox="0 0 90 60" color="#777777">'
        '<style>* {fill: white}</style><defs><rect id="bar" width="30" height="50"/></defs>'
        '<use href="#bar" style="fill: teal"/><text x="40" y="20" fill="currentColor">bar</text></svg>'
    )
    choice: Any = None


def row(name: str, *values: float, best: int | None = None, published: float = float("nan"), **label: Any) -> MethodRow:
    """A row whose first value has a spread and a gap, and perhaps a published number."""
    cells = [
        Cell(
            value=value,
            std=0.1 if i == 0 else float("nan"),
            gap=0.5 if i == 0 else float("nan"),
            footnote=None if value == value else 1,
            best=best == i,
            published=published if i == 0 else float("nan"),
            published_gap=value - published if i == 0 else float("nan"),
        )
        for i, value in enumerate(values)
    ]
    return MethodRow(label=Label(name=name, **label), cells=tuple(cells), seeds=SeedCount(finished=2, expected=2))


def table(*rows: MethodRow, **changes: Any) -> TableData:
    """A table of two columns with its noise floor."""
    parts: dict[str, Any] = {
        "title": "digits / slim / class",
        "headings": (
            Heading(title="forget acc", scale=SCALES["fraction"], direction="match_retrained"),
            Heading(title="time", scale=SCALES["seconds"], direction="lower"),
        ),
        "rows": rows,
        "floor": MethodRow(label=Label(name="noise floor", role="floor"), cells=(Cell(value=0.2), Cell())),
        "legend": "mean ± std over seeds",
        "notes": (Note(text="time: not measured", mark=1), Note(text="looks forgotten, is not", mark="exposed")),
        "warnings": (),
        "holes": (),
        "provenance": "2 of 2 runs finished; commit abc; torch 2.5",
    }
    return TableData(**{**parts, **changes})


@pytest.fixture(scope="session")
def make_row() -> Callable[..., MethodRow]:
    return row


@pytest.fixture(scope="session")
def make_table() -> Callable[..., TableData]:
    return table


@pytest.fixture(scope="session")
def drawing() -> type[Drawing]:
    return Drawing
