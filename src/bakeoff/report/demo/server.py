"""The page on this machine: a server on the loopback interface, until it is closed."""

import asyncio
import os
import shutil
import socket
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Self
from unittest import mock

from bakeoff.errors import BakeoffError, RequestError
from bakeoff.report.demo import FONTS, STYLE, page
from bakeoff.report.demo.guard import HOST, MOST_BYTES, Guard

if TYPE_CHECKING:
    import uvicorn

    from bakeoff.inference.demo import Demo

_STARTING, _ENDING = 60.0, 5.0  # seconds
_CONNECTIONS = 64
_KEPT_BYTES = 256 * 2**20  # of images that were sent
_ENVIRONMENT = {  # no telemetry, no other machine, no history on the disk
    "GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_RUN_HISTORY": "False", "GRADIO_MCP_SERVER": "False",
    "GRADIO_SSR_MODE": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1",
}  # fmt: skip


class ServedDemo:
    """A demo that is served, in a thread, until it is closed. Also a context manager.

    url: of its page. runs: their ids.
    """

    def __init__(self, demo: "Demo", port: int, topk: int) -> None:
        """port: 0 for a free one. Raises RequestError where it can't be had, or Gradio isn't installed."""
        self._socket = _bound(port)
        self.runs = tuple(run.record.run_id for run in demo.runs)
        self.url = f"http://{HOST}:{self._socket.getsockname()[1]}/"
        self._folder = Path(tempfile.mkdtemp(prefix="bakeoff-demo-")).resolve()
        self._environment = mock.patch.dict(os.environ, {**_ENVIRONMENT, "GRADIO_TEMP_DIR": str(self._folder)})
        self._environment.start()
        self._server: uvicorn.Server | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, args=(demo, topk), daemon=True)
        try:
            self._thread.start()
            for _ in range(round(_STARTING / 0.05)):
                if (self._server is not None and self._server.started) or not self._thread.is_alive():
                    break
                time.sleep(0.05)
            if self._error is not None:
                raise self._error
            if self._server is None or not self._server.started:
                raise BakeoffError("the page's server didn't start")
        except BaseException:
            self.close()
            raise

    def _serve(self, demo: "Demo", topk: int) -> None:
        async def serve() -> None:  # Gradio would leave loops of its own where none runs
            self._server = self._made(demo, topk)
            await self._server.serve([self._socket])

        try:
            asyncio.run(serve())
        except BaseException as error:
            self._error = error

    def _made(self, demo: "Demo", topk: int) -> "uvicorn.Server":
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what Gradio uses
                import fastapi
                import gradio as gr
                import uvicorn
        except ImportError:
            raise RequestError("a demo takes Gradio: pip install 'bakeoff[demo]'") from None
        examples = self._folder / "examples"
        examples.mkdir()
        theme = gr.themes.Default(primary_hue="blue", font=FONTS, font_mono=FONTS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            app = gr.mount_gradio_app(
                fastapi.FastAPI(openapi_url=None), page(demo, examples, topk), path="/", server_name=HOST,
                server_port=self._socket.getsockname()[1], footer_links=[], run_history=False, show_error=True,
                allowed_paths=[str(examples)], max_file_size=MOST_BYTES, ssr_mode=False, enable_monitoring=False,
                pwa=False, mcp_server=False, theme=theme, css=STYLE,
            )  # fmt: skip
        config = uvicorn.Config(
            Guard(app, self._socket.getsockname()[1], self._forget), log_config=None, access_log=False,
            limit_concurrency=_CONNECTIONS, timeout_graceful_shutdown=1, server_header=False, ws="none",
        )  # fmt: skip
        return uvicorn.Server(config)

    def _forget(self) -> None:
        """Remove the oldest of the images that were sent, where they take too much."""
        examples = self._folder / "examples"
        files = [each for each in self._folder.rglob("*") if each.is_file() and examples not in each.parents]
        sizes = {each: facts for each in files if (facts := _facts(each))}
        total = sum(size for _, size in sizes.values())
        for each in sorted(sizes, key=lambda file: sizes[file][0]):
            if total <= _KEPT_BYTES:
                break
            each.unlink(missing_ok=True)
            total -= sizes[each][1]

    def close(self) -> None:
        """End it: nothing is answered any more, and no file is left."""
        if self._server is not None and self._thread.is_alive():
            self._server.should_exit = True
            self._thread.join(_ENDING)
        self._socket.close()
        self._environment.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _facts(path: Path) -> tuple[float, int] | None:
    """When a file was written, and its size; None where it's gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime, found.st_size


def _bound(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((HOST, port))
        made.listen(_CONNECTIONS)
    except (OSError, OverflowError) as error:
        made.close()
        raise RequestError(
            f"port {port} can't be had ({error}); choose another (--port), or 0 for a free one"
        ) from None
    return made
