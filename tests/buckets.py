"""An S3 server on this machine, and a proxy in front of it that does what networks do."""

import http.client
import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def s3_server() -> Iterator[str]:
    """A process of moto's server; its address."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ})
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, "moto's server didn't start"
            time.sleep(0.1)
        yield address
    finally:
        process.kill()
        process.wait()


def make_bucket(address: str, name: str) -> None:
    """Make a bucket."""
    urllib.request.urlopen(urllib.request.Request(f"{address}/{name}", method="PUT"), timeout=30)


class Network(ThreadingHTTPServer):
    """A proxy that answers some requests with 500, some late, and drops some: before they arrive, or their answers.

    share: of requests that don't go well. happened: what was done, and how often. down: nothing goes well.
    """

    daemon_threads = True

    def __init__(self, upstream: str, *, share: float, seed: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream, self.share = upstream.removeprefix("http://"), share
        self.down = False
        self.happened: Counter[str] = Counter()
        self._draw = random.Random(seed)
        self._lock = threading.Lock()
        self.address = f"http://127.0.0.1:{self.server_address[1]}"

    def next_fate(self) -> str:
        """What happens to the next request."""
        with self._lock:
            fates = ("fails", "late", "lost", "answer lost", "answer cut")
            fate = "lost" if self.down else "well" if self._draw.random() >= self.share else self._draw.choice(fates)
            self.happened[fate] += 1
            return fate

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections break here all the time."""


@contextmanager
def network(upstream: str, *, share: float, seed: int = 0) -> Iterator[Network]:
    """A running proxy."""
    proxy = Network(upstream, share=share, seed=seed)
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Network
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fate = self.server.next_fate()
        if fate == "lost":
            self._drop()
        elif fate == "fails":
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            if fate == "late":
                time.sleep(0.2)
            upstream = http.client.HTTPConnection(self.server.upstream, timeout=60)
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            content = answer.read()
            upstream.close()
            if fate == "answer lost":
                self._drop()
                return
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            length = answer.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if fate == "answer cut" else content)
            if fate == "answer cut":
                self._drop()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815 (names of http.server)

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *arguments: object) -> None:
        pass
