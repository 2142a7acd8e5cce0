"""`bakeoff demo`: runs asked on a page, who may ask it, and the page in a real browser."""

import asyncio
import http.client
import json
import os
import re
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import bakeoff as bo
from bakeoff.cli import main
from bakeoff.data.images import BadImage
from bakeoff.errors import RequestError
from bakeoff.inference import demo as inference
from bakeoff.inference.classifier import Classifier
from bakeoff.inference.drawing import Manner, manner
from bakeoff.report.demo import guard, server
from bakeoff.runs.workspace import Workspace
from tests.helpers import DATA, needs
from tests.test_browser import BROWSER

# The command, with every address that it asks for written to a file.
RECORDED = """
import socket, sys
from bakeoff.cli import main
out, connect, find = open(sys.argv.pop(1), "a", buffering=1), socket.socket.connect, socket.getaddrinfo
def connected(self, address): print(address, file=out); return connect(self, address)
def found(host, *rest, **more): print((host,), file=out); return find(host, *rest, **more)
socket.socket.connect, socket.getaddrinfo = connected, found
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    bo.train("digits", length=0.1, store=root, device="cpu")
    return root


@pytest.fixture(scope="module")
def found(store: Path) -> inference.Demo:
    where = Workspace.open(store=store, device="cpu")
    return inference.load(where, ("last", "last"), tta=None, task=None, model=None, observer=lambda event: None)


def drawn(path: Path, light: bool = False) -> Path:
    """A 1 in a corner of a large paper."""
    image = np.full((280, 280), 0 if light else 255, np.uint8)
    image[20:120, 30:50] = 255 - image[0, 0]
    Image.fromarray(image).save(path)
    return path


def bomb(px: int) -> bytes:
    """A PNG of a hundred kilobytes, and of so many pixels a side."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer, row = zlib.compressobj(9), bytes(1 + (px + 7) // 8)
    data = b"".join(packer.compress(row) for _ in range(px)) + packer.flush()
    head = struct.pack(">IIBBBBB", px, px, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_it_says_what_predict_says(store: Path, found: inference.Demo, tmp_path: Path) -> None:
    for path, label in found.examples(tmp_path):
        (said,) = bo.predict("last", [path], topk=3, store=store, device="cpu")
        for answer in found.of_file(path, 3):
            assert answer.classes == said.classes
            assert answer.seen.shape == (8, 8, 1)
        assert label in "0123456789"
    assert len(list(tmp_path.iterdir())) == 10


def test_a_drawing_is_made_like_the_images_that_were_learned(found: inference.Demo, tmp_path: Path) -> None:
    like = found.manners[0]
    assert (like.height, like.width, like.dark) == (8, 8, True)
    assert like.share == 1.0  # digits reach from edge to edge
    drawing = np.asarray(Image.open(drawn(tmp_path / "one.png")))
    image = like.image(drawing)
    assert image is not None
    assert image.dtype == torch.uint8
    assert (image[0, :, 3:5].amax(1) > 200).all()  # in the middle, from edge to edge, light on dark
    assert not image[0, :, :2].any()
    light = Manner(28, 28, False, 0.5).image(drawing)
    assert light is not None
    assert light.shape == (1, 28, 28)
    assert (light[0] < 128).any(1).sum() == 14
    assert light[0, 0, 0] == 255
    assert like.image(np.full((280, 280), 255, np.uint8)) is None
    answers = found.of_drawing((tmp_path / "one.png").read_bytes(), 5)
    assert answers is not None
    assert len(answers) == 2
    with pytest.raises(BadImage, match="it is not an image"):
        found.of_drawing(b"no", 5)


def test_without_its_data_it_can_be_asked(store: Path, tmp_path: Path) -> None:
    where = Workspace.open(store=store, device="cpu")
    run = Classifier.load(where, "last")
    assert manner(run, None) == Manner(8, 8, True, 0.8)
    alone = inference.Demo((run,), None, "they are gone", (manner(run, None),))
    assert alone.examples(tmp_path) == []
    assert alone.of_file(drawn(tmp_path / "one.png", light=True), 1)[0].classes


def asked(method: str = "GET", path: str = "/", body: bytes = b"", **headers: Any) -> tuple[int, str]:
    """What a guard of port 80 says, or 200 where it lets something through with its body whole."""
    named = {"host": "127.0.0.1:80", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if method == "POST" and "content-length" not in named:
        named["content-length"] = str(len(body))
    sent: list[Any] = []

    async def page(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["body"] == body
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": method, "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
    }  # fmt: skip
    asyncio.run(guard.Guard(page, 80, lambda: None)(scope, receive, send))
    assert b"content-security-policy" in dict(sent[0]["headers"])
    return sent[0]["status"], sent[1]["body"].decode()


def test_nobody_but_the_page_itself_may_ask_it() -> None:
    assert asked() == (200, "")
    assert asked(host="localhost:80")[0] == 200
    assert asked(origin="http://127.0.0.1:80", sec_fetch_site="same-origin")[0] == 200
    assert asked(sec_fetch_site="cross-site", sec_fetch_mode="navigate")[0] == 200  # a link to it
    for host in ("evil.example", "evil.example:80", "127.0.0.1:81", "127.0.0.1", ""):
        assert asked(host=host) == (403, "bakeoff: this page is for this machine alone, by its own name\n")
    others: tuple[dict[str, Any], ...] = (
        {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "https://127.0.0.1:80"},
        {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"},
    )  # fmt: skip
    for other in others:
        assert asked(**other) == (403, "bakeoff: another page may not ask this one\n")
    question: dict[str, Any] = {"method": "POST", "path": "/gradio_api/queue/join", "body": b"{}"}
    assert asked(**question)[0] == 200
    assert asked(**question, origin="http://evil.example")[0] == 403
    assert asked(**question, sec_fetch_site="cross-site", sec_fetch_mode="navigate")[0] == 403


def test_what_the_page_doesn_t_use_of_gradio_isn_t_there() -> None:
    for path in ("/gradio_api/proxy=http://evil.example", "/config", "/docs", "/monitoring", "/login", "/assets/../x",
                 "/gradio_api/info", "/gradio_api/vibe-code", "/static/ffmpeg/x.js"):  # fmt: skip
        assert asked(path=path)[0] == 404
    for path in ("/", "/gradio_api/run/predict", "/gradio_api/api/predict", "/gradio_api/component_server"):
        assert asked("POST", path)[0] == 404
    assert asked("DELETE", "/gradio_api/upload")[0] == 404
    named = {"data": [None, {"deep": [{"path": "http://evil.example/x.png", "meta": {"_type": "gradio.FileData"}}]}]}
    status, said = asked("POST", "/gradio_api/queue/join", json.dumps(named).encode())
    assert (status, said.startswith("bakeoff: this page asks no other machine")) == (403, True)
    for body in (b"", b"{", b"[" * 100_000):
        assert asked("POST", "/gradio_api/queue/join", body)[0] == 400


def test_what_is_sent_has_limits() -> None:
    large: dict[str, Any] = {"content_length": str(guard.MOST_BYTES + 1)}
    assert asked("POST", "/gradio_api/upload", **large)[0] == 413
    assert asked("POST", "/gradio_api/queue/join", content_length=str(3 * 2**20))[0] == 413
    for length in ("", "x", "-1", "9" * 5000):
        assert asked("POST", "/gradio_api/upload", content_length=length)[0] == 411
    now = [0.0]
    bucket = guard.Bucket(3, 2.0, lambda: now[0])
    assert [bucket.take(1) for _ in range(4)] == [True, True, True, False]
    now[0] = 0.5
    assert [bucket.take(1) for _ in range(2)] == [True, False]


def test_no_page_without_gradio_or_its_port(
    found: inference.Demo, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(RequestError, match=r"pip install 'bakeoff\[demo\]'"):
        server.ServedDemo(found, 0, 5)
    assert main(["demo", "nosuchrun", "--store", str(store)]) == 2
    assert "nosuchrun" in capsys.readouterr().err


@pytest.mark.slow
@needs("mnist")
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH")
def test_draw_a_seven_and_read_7(store: Path, tmp_path: Path) -> None:
    """The whole way, as a person goes it, on a page as wide as a phone: no request leaves this machine."""
    run = bo.train("mnist-5k", with_=["trivialaugment"], store=store, data=DATA, device="cpu").run_id
    addresses, complaints = tmp_path / "addresses", open(tmp_path / "complaints", "w")  # noqa: SIM115
    command = [sys.executable, "-c", RECORDED, str(addresses), "demo", run, "last", "--port", "0", "--device", "cpu"]
    where = ["--store", str(store), "--data", str(DATA), "--json"]
    process = subprocess.Popen(
        [*command, *where], stdout=subprocess.PIPE, stderr=complaints, text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        try:
            told = ""
            for line in process.stdout:
                told += line
                if line == "}\n":
                    break
            url = json.loads(told)["url"]
            refuses_strangers(url)
            walk(url, process.pid, tmp_path)
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        finally:
            process.kill()
    complaints.close()
    assert (tmp_path / "complaints").read_text().endswith("the page is closed\n")
    assert not list(tmp_path.glob("bakeoff-demo-*"))
    asked_for = {re.findall(r"'([^']*)'", line)[0] for line in addresses.read_text().splitlines()}
    assert asked_for <= {"127.0.0.1", "localhost"}


def refuses_strangers(url: str) -> None:
    port = int(re.findall(r":(\d+)/", url)[0])

    def status(path: str = "/", **headers: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", path, headers=headers)
        try:
            return connection.getresponse().status
        finally:
            connection.close()

    assert status() == 200
    assert status(Host="evil.example") == status(Origin="http://evil.example") == 403
    assert status("/gradio_api/file=/etc/passwd") in (403, 404)
    assert status("/gradio_api/proxy=http://127.0.0.1:1/") == 404


def walk(url: str, pid: int, folder: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True, color_scheme="dark")
        requests: list[str] = []
        errors: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        read, said = page.locator("[data-testid=label-output-value]"), page.locator("#said p")

        def expect(top: list[str] | None, sentence: str) -> None:
            """Both runs name this class first, and the page says this."""
            if top is not None:
                playwright.expect(read).to_have_text(top, timeout=20_000)
            playwright.expect(said).to_contain_text(sentence, timeout=20_000)

        box = page.locator("canvas").bounding_box()
        assert box is not None

        def at(x: float, y: float) -> tuple[float, float]:
            return box["x"] + x * box["width"], box["y"] + y * box["height"]

        page.mouse.move(*at(0.3, 0.2))
        page.mouse.down()
        page.mouse.move(*at(0.7, 0.2), steps=5)
        page.mouse.move(*at(0.45, 0.85), steps=8)
        page.mouse.up()
        expect(["7", "7"], "")
        assert page.locator(".seen img").count() == 2
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.get_by_role("button", name="Clear").click()
        expect([], "Draw, or drop")

        page.get_by_role("tab", name="Picture").click()
        Image.effect_noise((500, 375), 64).convert("RGB").save(folder / "photo.jpg")
        drop(page, folder / "photo.jpg")
        playwright.expect(page.locator(".seen img")).to_have_count(2, timeout=20_000)
        playwright.expect(read).to_have_count(2)
        (folder / "garbage.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
        (folder / "bomb.png").write_bytes(bomb(30_000))
        for name, sentence in (("garbage.png", "it is not an image"), ("bomb.png", "89,478,485 pixels")):
            before = peak(pid)
            page.set_input_files("input[type=file]", folder / name)
            expect([], f"That image can't be read: {'' if name == 'garbage.png' else 'it has more than '}")
            expect(None, sentence)
            assert peak(pid) - before < 50_000  # KiB
        page.locator(".gallery-item").nth(3).click()
        expect(None, "Its label is 3.")
        playwright.expect(read).to_have_count(2)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        browser.close()
    assert not errors
    assert all(each.startswith((url, "data:", "blob:")) for each in requests)


def drop(page: Any, path: Path) -> None:
    """Drop a file where images are dropped, as a hand does."""
    held = page.evaluate_handle(
        """([bytes, name]) => {
          const held = new DataTransfer();
          held.items.add(new File([new Uint8Array(bytes)], name, {type: "image/jpeg"}));
          return held;
        }""",
        [list(path.read_bytes()), path.name],
    )
    page.locator("input[type=file]").locator("xpath=..").dispatch_event("drop", {"dataTransfer": held})


def peak(pid: int) -> int:
    """The most memory that a process had, KiB."""
    return int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])
