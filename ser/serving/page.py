"""The page's own server: static files, and one question, 'what is in this clip?'. For this machine alone."""

import json
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ser.audio import LARGEST_SENT_BYTES, AudioError, decode
from ser.serving.client import ServedModel, ServedModelError
from ser.serving.spectrogram_image import picture

_PIECE = 1 << 20
_STATIC = Path(__file__).with_name("static")
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_POLICY = "default-src 'self'; media-src 'self' blob:; img-src 'self' data:; frame-ancestors 'none'"


def page_server(model: ServedModel, *, port: int = 0) -> ThreadingHTTPServer:
    """A server of the page on the loopback interface; `serve_forever` runs it.

    Args:
        model: that hears the clips.
        port: to listen at; 0 for a free one.

    Raises:
        OSError: the port is taken.
    """
    files = {f"/{path.name}": path for path in _STATIC.iterdir() if path.suffix in _KINDS}
    files["/"] = files.pop("/page.html")
    server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
    server.daemon_threads = True
    server.page_model, server.page_files = model, files  # type: ignore[attr-defined]
    return server


def heard(model: ServedModel, audio: bytes) -> dict[str, Any]:
    """What the page shows of the bytes of a sound file: a picture and the model's answer, or `error`, a sentence."""
    try:
        drawn = picture(decode(audio))
        return {**drawn, **asdict(model.hear(audio))}
    except (AudioError, ServedModelError) as error:
        return {"error": str(error)}


def too_large(n_bytes: int) -> str:
    """Why a file of more than `LARGEST_SENT_BYTES` is not heard."""
    sizes = f"{n_bytes / 2**20:.1f} MiB, at most {LARGEST_SENT_BYTES / 2**20:g} are taken"
    return f"the file has {sizes}: send a compressed or shorter one"


class _Handler(BaseHTTPRequestHandler):
    """Answers a browser of this machine; other sites that it has open are kept out."""

    server_version, sys_version = "ser", ""

    def do_GET(self) -> None:
        """Give the page, its files, and the name of the model."""
        if not self._is_ours():
            return
        files: dict[str, Path] = self.server.page_files  # type: ignore[attr-defined]
        path = urlsplit(self.path).path
        if path == "/model":
            named = {"name": self._model.name, "url": self._model.url}
            self._send_json({**named, "largest_bytes": LARGEST_SENT_BYTES})
        elif path in files:
            self._send(files[path].read_bytes(), f"{_KINDS[files[path].suffix]}; charset=utf-8")
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        """Hear a clip."""
        if not self._is_ours():
            return
        length = self.headers.get("Content-Length", "")
        if urlsplit(self.path).path != "/hear":
            self.send_error(404)
        elif not length.isdecimal():
            self.send_error(411)
        elif int(length) > LARGEST_SENT_BYTES:
            self._pass_over(int(length))
            self._send_json({"error": too_large(int(length))})
        else:
            self._send_json(heard(self._model, self.rfile.read(int(length))))

    def _pass_over(self, length: int) -> None:
        """Read what was sent: who is still sending does not see the answer."""
        while length > 0 and (piece := self.rfile.read(min(length, _PIECE))):
            length -= len(piece)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    @property
    def _model(self) -> ServedModel:
        model: ServedModel = self.server.page_model  # type: ignore[attr-defined]
        return model

    def _is_ours(self) -> bool:
        """Refuse a name that was bent to this address, and questions from other sites."""
        ours = {f"{host}:{self.server.server_port}" for host in ("127.0.0.1", "localhost")}  # type: ignore[attr-defined]
        origin = self.headers.get("Origin")
        if self.headers.get("Host") in ours and (origin is None or urlsplit(origin).netloc in ours):
            return True
        self.send_error(403)
        return False

    def _send_json(self, content: dict[str, Any]) -> None:
        self._send(json.dumps(content).encode(), "application/json")

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)
