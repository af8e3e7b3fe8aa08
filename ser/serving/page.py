"""Demo page: a Starlette application that shows predictions of a served model to browsers of this machine."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ser.audio import LARGEST_SENT_BYTES, AudioError, decode
from ser.serving.client import ServedModel, ServedModelError
from ser.serving.spectrogram_image import compute_plot_data

_HOST = "127.0.0.1"
_UPLOAD_S = 60.0
_SHUTDOWN_S = 2.0
_STATIC = Path(__file__).with_name("static")
_POLICY = "default-src 'self'; media-src 'self' blob:; img-src 'self' data:; frame-ancestors 'none'"
_SECURITY_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@contextmanager
def serve_page(model: ServedModel, *, port: int = 0) -> Iterator[str]:
    """Serve the demo page on the loopback interface while the block runs.

    Args:
        model: the served model.
        port: to listen at; 0 for a free one.

    Yields:
        The address of the page.

    Raises:
        OSError: the port cannot be used.
    """
    with _listen(port) as listener:
        port = listener.getsockname()[1]
        server = uvicorn.Server(
            uvicorn.Config(
                make_application(model, port=port),
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
            )
        )
        # A daemon, like the threads that it starts, so that a prediction in progress does not delay the exit.
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            yield f"http://{_HOST}:{port}"
        finally:
            server.should_exit = True
            thread.join(_SHUTDOWN_S)


def make_application(model: ServedModel, *, port: int) -> Starlette:
    """Make the application: static files, `/model` and `/hear`.

    Args:
        model: the served model.
        port: at which it is served; requests to another host or port are refused.
    """

    async def describe_model(_: Request) -> Response:
        return JSONResponse({"name": model.name, "url": model.url, "largest_bytes": LARGEST_SENT_BYTES})

    async def predict_upload(request: Request) -> Response:
        try:
            async with asyncio.timeout(_UPLOAD_S):
                audio = await _receive_upload(request)
        except AudioError as error:
            return JSONResponse({"error": str(error)})
        except TimeoutError:
            message = f"the upload took longer than {_UPLOAD_S:g} s: send it again, or a shorter file"
            return JSONResponse({"error": message}, 408, {"Connection": "close"})
        except ClientDisconnect:
            return Response(status_code=400)
        return JSONResponse(await run_in_threadpool(predict_clip, model, audio))

    return Starlette(
        routes=[
            Route("/model", describe_model),
            Route("/hear", predict_upload, methods=["POST"]),
            Mount("/", StaticFiles(directory=_STATIC, html=True)),
        ],
        middleware=[Middleware(_SameOrigin, port=port)],
    )


def predict_clip(model: ServedModel, audio: bytes) -> dict[str, Any]:
    """Predict the emotion of a sound file: the model's answer with plot data, or `error`, a one-line message."""
    try:
        plot_data = compute_plot_data(decode(audio))
        return {**plot_data, **asdict(model.predict(audio))}
    except (AudioError, ServedModelError) as error:
        return {"error": str(error)}


class _SameOrigin:
    """Middleware that refuses other host names (DNS rebinding) and other sites, and sets the security headers."""

    def __init__(self, app: ASGIApp, *, port: int) -> None:
        self._app = app
        self._hosts = {f"{host}:{port}" for host in (_HOST, "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_SECURITY_HEADERS)
            await send(message)

        allowed = self._is_same_origin(Headers(scope=scope))
        app = self._app if allowed else PlainTextResponse("Forbidden", 403)
        await app(scope, receive, send_with_headers)

    def _is_same_origin(self, headers: Headers) -> bool:
        origins = {None, *(f"http://{host}" for host in self._hosts)}
        return headers.get("Host") in self._hosts and headers.get("Origin") in origins


async def _receive_upload(request: Request) -> bytes:
    """Read the body of a request to its end, because a browser that is still sending does not read the reply.

    Raises:
        AudioError: the body has more than `LARGEST_SENT_BYTES`.
    """
    body, n_bytes = bytearray(), 0
    async for piece in request.stream():
        n_bytes += len(piece)
        if n_bytes <= LARGEST_SENT_BYTES:
            body += piece
    if n_bytes > LARGEST_SENT_BYTES:
        sizes = f"{n_bytes / 2**20:.1f} MiB, at most {LARGEST_SENT_BYTES / 2**20:g} are accepted"
        raise AudioError(f"the file has {sizes}", "send a compressed or shorter one")
    return bytes(body)


def _listen(port: int) -> socket.socket:
    """Open a listening socket, so that a port in use is an error before the server starts."""
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return listener
