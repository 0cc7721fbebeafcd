"""Debian's Chromium without a window, driven through its own debugging pipe: open a page, wait for words, look."""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --remote-debugging-pipe --window-size=1500,1100"
)


def chromium() -> str | None:
    """The browser's path, where the machine has one."""
    return shutil.which("chromium")


class Browser:
    """One browser with one page; messages of the DevTools protocol, each ended by a zero byte, go through two pipes."""

    def __init__(self, folder: Path):
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        command = f"exec {chromium()} {FLAGS} --user-data-dir={folder} about:blank 3<&{to_browser} 4>&{from_browser}"
        self._process = subprocess.Popen(
            ["bash", "-c", command],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._number = 0
        self._left = b""
        self._session: str | None = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Page.enable")

    def _call(self, method: str, patience: float = 60.0, **params):
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + patience
        while True:
            while b"\0" in self._left:
                line, self._left = self._left.split(b"\0", 1)
                answer = json.loads(line)
                if answer.get("id") == self._number:
                    assert "error" not in answer, answer
                    return answer["result"]
            ready, _, _ = select.select([self._read], [], [], deadline - time.monotonic())
            assert ready, f"no answer to {method}"
            self._left += os.read(self._read, 1 << 20)

    def value(self, script: str):
        """What a JavaScript expression is on the page."""
        return self._call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def open(self, url: str) -> None:
        """Opens the address anew, also where only the part behind # is another."""
        self._call("Page.navigate", url="about:blank")
        self._call("Page.navigate", url=url)

    def wait(self, script: str, patience: float = 90.0):
        """Waits until the expression is true and returns its value; else says what the page shows."""
        deadline = time.monotonic() + patience
        while not (found := self.value(script)):
            assert time.monotonic() < deadline, f"{script} is not true of: {self.text()[-3000:]}"
            time.sleep(0.2)
        return found

    def text(self) -> str:
        """The page's words."""
        return self.value("document.body ? document.body.innerText : ''") or ""

    def picture(self, path: Path) -> None:
        """Writes what the page looks like as PNG."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    def close(self) -> None:
        """Ends the browser."""
        os.close(self._write)  # the browser ends with its pipe
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        os.close(self._read)
