"""Who may ask the page, and how much: this machine alone, by its own name, from the page itself, and not too often."""

import json
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

HOST = "127.0.0.1"
MOST_BYTES = 32 * 2**20  # of an image that is sent
_MOST_ASKED = 2 * 2**20  # bytes of a question: a drawing, or the name of an image that was sent before
_PER_SECOND, _AT_ONCE = 20.0, 60.0  # questions
_BYTES_PER_SECOND, _BYTES_AT_ONCE = 16 * 2.0**20, 128 * 2.0**20

_UPLOAD = "/gradio_api/upload"
# What the page uses of Gradio; of what else there is, some asks other machines.
_READ = ("/assets/", "/static/js/", "/static/img/", "/gradio_api/heartbeat/", "/gradio_api/file=")
_READ_ONLY = frozenset({
    "/", "/theme.css", "/favicon.ico", "/gradio_api/startup-events", "/gradio_api/queue/data",
    "/gradio_api/upload_progress",
})  # fmt: skip
_ASK = "/gradio_api/queue/join"
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; connect-src 'self'; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


class Bucket:
    """So much at once, and so much per second."""

    def __init__(self, most: float, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._per_second, self._clock = most, per_second, clock
        self._left, self._at, self._lock = most, clock(), threading.Lock()

    def take(self, amount: float) -> bool:
        """Take so much, if it's there."""
        with self._lock:
            now = self._clock()
            self._left = min(self._most, self._left + (now - self._at) * self._per_second)
            self._at = now
            if amount > self._left:
                return False
            self._left -= amount
            return True


class Guard:
    """Stands before a page and refuses, with a sentence, what doesn't come from the page itself.

    port: of the server. before_image: called before an image is taken in.
    """

    def __init__(self, app: App, port: int, before_image: Callable[[], None]) -> None:
        self._app, self._before_image = app, before_image
        self._names = {f"{name}:{port}" for name in (HOST, "localhost")}
        self._asked, self._bytes = Bucket(_AT_ONCE, _PER_SECOND), Bucket(_BYTES_AT_ONCE, _BYTES_PER_SECOND)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refused = self._refused(scope, headers)
        if not refused and scope["path"] == _ASK:
            body, whole = await _body(receive)
            refused = _refused_question(body)
            receive = _again(body, whole, receive)
        if refused:
            await _refuse(send, *refused)
            return
        if scope["path"] == _UPLOAD:
            self._before_image()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        await self._app(scope, receive, answer)

    def _refused(self, scope: Message, headers: dict[str, str]) -> tuple[int, str] | None:
        """The status and the sentence of a request that isn't let through."""
        if headers.get("host") not in self._names:
            return 403, "this page is for this machine alone, by its own name"
        origin, path, method = headers.get("origin"), scope["path"], scope["method"]
        navigates = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
        elsewhere = headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and not navigates
        if elsewhere or (origin is not None and origin not in {f"http://{name}" for name in self._names}):
            return 403, "another page may not ask this one"
        if method in ("GET", "HEAD"):
            known = path in _READ_ONLY or path.startswith(_READ)
            return None if known and ".." not in path else (404, "there is no such page")
        if method != "POST" or path not in (_UPLOAD, _ASK):
            return 404, "there is no such page"
        size = headers.get("content-length", "")
        if not size.isdecimal() or not size.isascii() or len(size) > 18:
            return 411, "what is sent must say how large it is"
        most = MOST_BYTES if path == _UPLOAD else _MOST_ASKED
        if int(size) > most:
            return 413, f"it has {int(size):,} bytes, and {most:,} are the most"
        if not self._asked.take(1) or not self._bytes.take(int(size)):
            return 429, "too much at once: wait a few seconds"
        return None


async def _body(receive: Receive) -> tuple[bytes, bool]:
    """A request's body, and whether the asker is still there."""
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"", False
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts), True


def _again(body: bytes, whole: bool, rest: Receive) -> Receive:
    """What gives a body that was read already once more, and then what follows."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}] if whole else []

    async def receive() -> Message:
        return waiting.pop() if waiting else await rest()

    return receive


def _refused_question(body: bytes) -> tuple[int, str] | None:
    """An image is named by where the server put it: an address would be fetched, wherever that is."""
    try:
        if _addresses(json.loads(body)):
            return 403, "this page asks no other machine for an image; save it, and drop the file"
    except (ValueError, RecursionError):
        return 400, "that is no question"
    return None


def _addresses(value: object) -> bool:
    if isinstance(value, dict):
        path = value.get("path")
        return (isinstance(path, str) and "://" in path) or any(map(_addresses, value.values()))
    return isinstance(value, list) and any(map(_addresses, value))


async def _refuse(send: Send, status: int, sentence: str) -> None:
    body = f"bakeoff: {sentence}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode()),
               (b"connection", b"close"), *_HEADERS]  # fmt: skip
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
