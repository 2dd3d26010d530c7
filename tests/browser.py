"""A real browser, headless, driven through its DevTools protocol: just what the page's tests need."""

import base64
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATH = next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One tab. Use it in a ``with`` block."""

    def __init__(self, profile):
        options = ["--headless=new", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")  # root has none
        self._process = subprocess.Popen(
            [PATH, *options, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._socket = None
        try:
            self._connect(Path(profile) / "DevToolsActivePort")
        except BaseException:
            self.__exit__()
            raise

    def _connect(self, port_file):
        deadline = time.monotonic() + 30
        while not (port_file.exists() and "\n" in port_file.read_text()):
            assert time.monotonic() < deadline, "the browser did not start"
            assert self._process.poll() is None, "the browser ended"
            time.sleep(0.05)
        port = int(port_file.read_text().split()[0])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            tabs = json.load(answer)
        url = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {url.split(str(port), 1)[1]} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._read(1)
        self._calls = 0
        self.events = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._socket is not None:
            self._socket.close()
        self._process.terminate()
        self._process.wait(30)

    def call(self, method, **parameters):
        """Send one command, and return its result."""
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": parameters}
        self._send(json.dumps(message).encode())
        while (answer := self._receive()).get("id") != self._calls:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, path, *, scripts=True, width=1200, dark=False):
        """Open a file, and wait until it has loaded."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.events.clear()
        self.call("Page.navigate", url=Path(path).as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive())

    def evaluate(self, expression):
        """Evaluate JavaScript in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key):
        """Press a key and let go of it."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key)

    def complaints(self):
        """What the browser wrote to its console: errors, violations of the policy."""
        kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [event["params"] for event in self.events if event["method"] in kinds]

    def requests(self):
        """The addresses that were asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]

    # WebSocket frames (RFC 6455)

    def _send(self, payload):
        size = len(payload)
        if size < 126:
            head = bytes([0x81, 0x80 | size])
        else:
            head = bytes([0x81, 0x80 | 127]) + size.to_bytes(8, "big")
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        self._socket.sendall(head + mask + masked)

    def _receive(self):
        message = b""
        while True:
            first, second = self._read(2)
            size = second & 0x7F
            if size > 125:
                size = int.from_bytes(self._read(2 if size == 126 else 8), "big")
            message += self._read(size)
            if first & 0x80:
                return json.loads(message)

    def _read(self, size):
        data = b""
        while len(data) < size:
            chunk = self._socket.recv(size - len(data))
            assert chunk, "the browser hung up"
            data += chunk
        return data
