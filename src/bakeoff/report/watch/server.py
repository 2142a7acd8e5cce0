"""The live page on this machine: a server on the loopback interface that only reads, or a file, written again."""

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bakeoff.errors import BakeoffError, RequestError
from bakeoff.files import write_text
from bakeoff.report.watch import page
from bakeoff.study.watch import Standing, Watched

HOST = "127.0.0.1"
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class Looker:
    """Looks at a study at most every so many seconds, however many ask."""

    def __init__(self, watched: Watched, price: float | None, every: float) -> None:
        self._watched, self._price, self._every = watched, price, every
        self._lock, self._next = threading.Lock(), 0.0
        self._standing: Standing | None = None
        self._text = ""

    def look(self) -> tuple[Standing, str]:
        """Where it stands, and the page."""
        with self._lock:
            if self._standing is None or time.monotonic() >= self._next:
                self._standing = self._watched.look()
                self._text = page(self._standing, price=self._price, every=self._every, now=datetime.now(UTC))
                self._next = time.monotonic() + self._every
            return self._standing, self._text


def server(looker: Looker, port: int) -> ThreadingHTTPServer:
    """A server for the page, at /, and the same as JSON, at /data.json. port: 0 takes a free one.

    It answers nobody but this machine, and only who calls it by its own name: no page of another site can read it.
    Raises RequestError where the port can't be had.
    """

    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "bakeoff", ""
        timeout = 10  # seconds for a request to be said

        def do_GET(self) -> None:
            names = {f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")}  # type: ignore[attr-defined]
            if self.headers.get("Host") not in names:
                self.send_error(403, "this page is for this machine alone")
                return
            kinds = {"/": "text/html; charset=utf-8", "/data.json": "application/json"}
            if self.path not in kinds:
                self.send_error(404)
                return
            try:
                standing, text = looker.look()
            except (BakeoffError, OSError) as error:
                self.send_error(503, "the store can't be read", str(error))
                return
            body = (text if self.path == "/" else json.dumps(standing.as_json())).encode()
            self.send_response(200)
            for name, value in (
                ("Content-Type", kinds[self.path]),
                ("Content-Length", str(len(body))),
                ("Content-Security-Policy", _POLICY),
                ("X-Content-Type-Options", "nosniff"),
                ("Referrer-Policy", "no-referrer"),
                ("Cache-Control", "no-store"),
            ):
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 (as the class spells it)

        def log_message(self, format: str, *values: object) -> None:
            """Nothing is printed for every look."""

    try:
        return ThreadingHTTPServer((HOST, port), Handler)
    except (OSError, OverflowError) as error:
        raise RequestError(
            f"port {port} can't be had ({error}); choose another (--port), or 0 for a free one"
        ) from None


def write_again(looker: Looker, path: Path, every: float, wait: Callable[[float], object] = time.sleep) -> Standing:
    """Write the page to a file, again and again until the study is complete."""
    while True:
        standing, text = looker.look()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, text)
        except OSError as error:
            raise RequestError(f"can't write {path}: {(error.strerror or str(error)).lower()}") from None
        if standing.complete:
            return standing
        wait(every)
