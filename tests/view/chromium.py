"""Headless Chromium, driven over its debugging pipe by the standard library alone."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import signal
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SWITCHES = (
    "--headless=new",
    "--no-sandbox",  # the page is our own, and a container's root cannot have one
    "--remote-debugging-pipe",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",  # WebGL without a graphics card
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def find_chromium() -> str | None:
    """Path of a Chromium, None if there is none."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Chromium:
    """One browser with one page.

    Args:
        program: path of it.
        folder: empty; for profile and log.
        size: of the page, width and height.
        more: further switches.

    Attributes:
        events: what the browser reported so far: method and parameters.
    """

    def __init__(self, program: str, folder: Path, size: tuple[int, int] = (1000, 700), more: tuple[str, ...] = ()):
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._numbers, self._rest = itertools.count(1), b""
        switches = (*SWITCHES, *more, f"--user-data-dir={folder}", f"--window-size={size[0]},{size[1]}", "about:blank")
        # it reads commands from descriptor 3 and writes answers to 4; both may be taken here
        reads, self._to = _high_pipe()
        self._from, writes = _high_pipe()
        log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT)
        actions = [(os.POSIX_SPAWN_DUP2, old, new) for old, new in ((log, 1), (log, 2), (reads, 3), (writes, 4))]
        environment = dict(os.environ) | {"HOME": str(folder)}
        self._pid = os.posix_spawn(program, [program, *switches], environment, file_actions=actions, setpgroup=0)
        for end in (reads, writes, log):
            os.close(end)
        self._session: str | None = None
        try:
            self._attach(size)
        except BaseException:
            self.close()
            raise

    def _attach(self, size: tuple[int, int]) -> None:
        (target,) = [t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        self._session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False
        )

    def close(self) -> None:
        """End the browser with all its processes."""
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._to)
        os.close(self._from)

    def call(self, method: str, seconds: float = 60, **parameters: Any) -> dict[str, Any]:
        """One command of the DevTools protocol, and its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + seconds
        while True:
            answer = self._read(until)
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.events.append((answer["method"], answer["params"]))

    def _read(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(0, until - time.monotonic()))
            part = os.read(self._from, 1 << 20) if ready else b""
            assert part, "Chromium says nothing"
            self._rest += part
        line, self._rest = self._rest.split(b"\0", 1)
        return json.loads(line)

    def evaluate(self, expression: str) -> Any:
        """The value of JavaScript in the page, a promise's included."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, (expression, result["exceptionDetails"])
        return result["result"].get("value")

    def wait_for(self, expression: str, seconds: float = 120) -> None:
        """Until it is true in the page."""
        until = time.monotonic() + seconds
        while not self.evaluate(expression):
            assert time.monotonic() < until, f"still not {expression}: {self.evaluate('document.body.innerText')}"
            time.sleep(0.2)

    def screenshot(self) -> bytes:
        """The page as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def press(self, key: str) -> None:
        """A key, by its name."""
        codes = {"ArrowRight": 39, "ArrowLeft": 37, "Tab": 9, "Space": 32}
        text = {"text": " "} if key == "Space" else {}
        name = " " if key == "Space" else key
        for kind in ("keyDown", "keyUp"):
            more = text if kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=key, windowsVirtualKeyCode=codes[key], **more)


def _high_pipe() -> tuple[int, int]:
    """A pipe whose ends are no small numbers."""
    low = os.pipe()
    reads, writes = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low)
    for end in low:
        os.close(end)
    return reads, writes
