"""A headless Chromium that does what a person does: opens a page, chooses a file, presses a button, looks."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", "--remote-debugging-pipe",
)  # fmt: skip
_CONSOLE = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")


class Page:
    """A page under remote control, through the two pipes of `--remote-debugging-pipe`.

    Attributes:
        console: what was written to it so far, by the page or about it.
    """

    def __init__(self, commands: int, replies: int) -> None:
        self._commands, self._replies, self._rest, self._number, self._session = commands, replies, b"", 0, ""
        self.console: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "DOM", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the DevTools protocol and its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            reply = self._next()
            if reply.get("method") in _CONSOLE:
                self.console.append(reply["params"])
            if reply.get("id") == self._number:
                assert "error" not in reply, reply["error"]
                return dict(reply["result"])

    def open(self, address: str, *, width: int, height: int, phone: bool = False) -> None:
        """Show an address in a window of this size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone,
        )  # fmt: skip
        self.call("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete'")

    def value(self, script: str) -> Any:
        """What an expression in the page gives."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait_for(self, script: str, *, timeout_s: float = 60) -> None:
        """Return when an expression is true."""
        deadline = time.monotonic() + timeout_s
        while not self.value(script):
            assert time.monotonic() < deadline, f"never true: {script}"
            time.sleep(0.1)

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in an input, as in its dialogue."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", files=[str(path)], nodeId=node)

    def picture(self) -> bytes:
        """A screenshot of the whole page, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self._replies, 2**20)
            assert more, "the browser has ended"
            self._rest += more
        message, self._rest = self._rest.split(b"\0", 1)
        return dict(json.loads(message))


@contextlib.contextmanager
def browser(folder: Path, *, microphone: Path | None = None) -> Iterator[Page]:
    """A browser while the block runs; `microphone` is a WAV file that it hears instead of one."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    heard = [f"--use-file-for-fake-audio-capture={microphone}"] if microphone else []
    command_out, command_in = os.pipe()
    reply_out, reply_in = os.pipe()

    def as_3_and_4() -> None:
        # Where Chromium looks for them; first out of the way of each other.
        one, other = os.dup(command_out), os.dup(reply_in)
        os.dup2(one, 3)
        os.dup2(other, 4)

    process = subprocess.Popen(
        [CHROMIUM, *_SWITCHES, *heard, f"--user-data-dir={folder / 'profile'}"],
        preexec_fn=as_3_and_4, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    os.close(command_out)
    os.close(reply_in)
    try:
        yield Page(command_in, reply_out)
    finally:
        os.killpg(process.pid, 9)
        process.wait(30)
        os.close(command_in)
        os.close(reply_out)
