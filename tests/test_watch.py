"""`bakeoff watch`: where a study stands, on a page that only reads."""

import http.client
import json
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

import bakeoff as bo
from bakeoff.cli import main
from bakeoff.errors import RequestError
from bakeoff.report.watch import page
from bakeoff.report.watch.server import Looker, server, write_again
from bakeoff.runs.lease import Leases
from bakeoff.runs.store import Store
from bakeoff.storage import open_storage
from bakeoff.study.watch import Watched
from tests.buckets import CREDENTIALS, make_bucket, network, s3_server
from tests.kept import unpack
from tests.studies import write_study
from tests.test_browser import frames_of, seen_in_browser

NOW = datetime(2026, 11, 27, tzinfo=UTC)
KEPT = Path(__file__).parents[1] / "studies"


class Elements(HTMLParser):
    """The elements of a page, with what they ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.loads += [value for name, value in attrs if name in ("src", "href", "srcset", "action")]


def half_done(root: Path) -> Store:
    """A study of 48 rows and corners of which some are missing and some failed."""
    store = Store(root)
    write_study(store, runs=48, missing=range(40, 99), failed={3: "diverged", 4: "crashed"}, images=200)
    return store


def test_what_is_done_failed_and_left(tmp_path: Path) -> None:
    store = half_done(tmp_path)
    standing = Watched(store).look()
    rows = len(standing.spec.rows)
    assert (standing.done, standing.failed, standing.begun, standing.left) == (38, 2, 0, rows - 40)
    assert not standing.complete
    assert standing.seconds > 0
    assert standing.seconds_left == pytest.approx(standing.seconds / 38 * (rows - 40) / standing.spec.jobs, rel=0.1)
    assert standing.effects
    assert all(effect.unplanned and effect.method != "model" for effect in standing.effects)
    assert {record.status for record in standing.failures} == {"diverged", "crashed"}
    assert json.loads(json.dumps(standing.as_json()))["done"] == 38


def test_a_run_is_running_or_was_stopped(tmp_path: Path) -> None:
    store = half_done(tmp_path)
    rows = Watched(store).look().spec.rows
    first, second = (row.runs[0] for row in rows[40:42])
    for run in (first, second):
        store.write(replace(store.get(rows[0].runs[0]), run_id=run, status="interrupted"))
    watched = bo.watch(store=tmp_path)
    with Leases(store.storage).claim(first):
        standing = watched.look()
        assert (standing.begun, standing.running) == (2, 1)
    assert (watched.look().begun, watched.look().running) == (2, 0)
    text = page(watched.look(), price=None, every=5, now=NOW)
    assert re.search(r"stopped\s*</dt>\s*<dd>\s*2\b", text)


def test_what_ended_is_read_once_and_what_comes_is_seen(tmp_path: Path) -> None:
    whole = Store(tmp_path / "whole")
    write_study(whole, runs=24, images=200)
    part = shutil.copytree(tmp_path / "whole", tmp_path / "part")
    ids = whole.ids()
    for run in ids[10:]:
        shutil.rmtree(part / run)
    watched = Watched(Store(part))
    first = watched.look()
    assert first.done == 10
    for run in ids[:10]:
        (part / run / "run.json").write_text("this is never read again")
    for run in ids[10:]:
        shutil.copytree(tmp_path / "whole" / run, part / run)
    second = watched.look()
    assert second.complete
    assert second.effects == tuple(Watched(whole).look().effects)


def test_the_page_has_no_script_and_asks_for_nothing(tmp_path: Path) -> None:
    standing = Watched(half_done(tmp_path)).look()
    text = page(standing, price=2.0, every=5, now=NOW)
    found = Elements(text)
    assert not {"script", "img", "iframe", "form"} & set(found.tags)
    assert found.loads == ["data:,"]
    assert 'content="5"' in text
    assert "38 of 54 runs are done" in text
    assert f"{standing.seconds / 3600 * 2:,.2f}" in text
    assert "hold at any look" in text
    complete = page(Watched(Store(KEPT / "digits")).look(), price=None, every=5, now=NOW)
    assert "refresh" not in complete
    assert "Complete." in complete
    assert "cost" not in complete


def test_names_are_text(tmp_path: Path) -> None:
    write_study(Store(tmp_path), runs=24, images=200, task="folder:/x/<b>&\x1b", missing=(1,), failed={2: "crashed"})
    text = page(Watched(Store(tmp_path)).look(), price=None, every=5, now=NOW)
    assert "<b>" not in text
    assert "&lt;b&gt;&amp;\\x1b" in text


def test_before_the_first_run(tmp_path: Path) -> None:
    write_study(Store(tmp_path), missing=range(999))
    standing = Watched(Store(tmp_path)).look()
    assert (standing.done, standing.seconds_left, standing.effects) == (0, None, ())
    assert "Nothing yet" in page(standing, price=1.0, every=5, now=NOW)


def test_a_derivation_before_its_recipe_is_fixed(tmp_path: Path) -> None:
    store = tmp_path / "runs"
    unpack("mnist-5k-derived", store)
    (study,) = store.glob("studies/*/study.json")
    kept = study.read_text()
    study.unlink()
    watched = Watched(Store(store), "mnist-5k-derive")
    standing = watched.look()
    assert standing.searching
    assert not standing.complete
    assert "Searching" in page(standing, price=None, every=5, now=NOW)
    study.write_text(kept)
    assert not watched.look().searching


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[ThreadingHTTPServer]:
    made = server(Looker(Watched(half_done(tmp_path)), None, 60), 0)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def ask(serving: ThreadingHTTPServer, path: str, host: str = "", method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", serving.server_port, timeout=20)
    connection.request(method, path, headers={"Host": host or f"localhost:{serving.server_port}"})
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found


def test_the_server_shows_the_page_to_this_machine_alone(serving: ThreadingHTTPServer, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    status, body = ask(serving, "/")
    assert (status, b"38 of 54 runs are done" in body) == (200, True)
    assert json.loads(ask(serving, "/data.json")[1])["done"] == 38
    assert ask(serving, "/", method="HEAD") == (200, b"")
    assert ask(serving, "/", host="evil.example")[0] == 403
    assert ask(serving, "/", host=f"evil.example:{serving.server_port}")[0] == 403
    assert ask(serving, "/../../etc/passwd")[0] == 404
    assert ask(serving, "/", method="POST")[0] == 501
    assert serving.server_address[0] == "127.0.0.1"
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    with pytest.raises(RequestError, match="can't be had"):
        server(Looker(Watched(Store(tmp_path)), None, 60), serving.server_port)


def test_a_file_is_written_until_the_study_is_complete(tmp_path: Path) -> None:
    whole = Store(tmp_path / "whole")
    write_study(whole, runs=24, images=200)
    last = whole.ids()[-1]
    shutil.move(tmp_path / "whole" / last, tmp_path / "held")
    seen = []

    def wait(seconds: float) -> None:
        seen.append((tmp_path / "page" / "watch.html").read_text())
        shutil.move(tmp_path / "held", tmp_path / "whole" / last)

    looker = Looker(Watched(whole), None, 0.0)
    assert write_again(looker, tmp_path / "page" / "watch.html", 0.0, wait).complete
    assert "Under way." in seen[0]
    assert len(seen) == 1
    assert "Complete." in (tmp_path / "page" / "watch.html").read_text()


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    half_done(tmp_path)
    store = str(tmp_path)
    assert main(["watch", "--store", store, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["done"] == 38
    assert main(["watch", "--store", store, "--once", "--output", str(tmp_path / "w.html")]) == 0
    assert capsys.readouterr().out == f"page: {tmp_path / 'w.html'}\n"
    assert main(["watch", "--store", store, "--once"]) == 2
    assert "--output FILE" in capsys.readouterr().err
    assert main(["watch", "nothing", "--store", store]) == 2
    assert main(["watch", "--store", str(tmp_path / "empty")]) == 2
    assert "no studies in" in capsys.readouterr().err


@pytest.mark.slow
def test_in_a_bucket_what_ended_is_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with s3_server() as address, network(address, share=0.0) as proxy:
        make_bucket(address, "watched")
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        storage = open_storage("s3://watched/digits")
        unpack("digits", tmp_path)
        for path in tmp_path.rglob("*.json"):
            storage.write(path.relative_to(tmp_path).as_posix(), path.read_bytes())
        watched = Watched(Store(storage))
        assert watched.look().effects == Watched(Store(KEPT / "digits")).look().effects
        proxy.down = True
        assert watched.look().complete


@pytest.mark.slow
def test_it_fits_a_phone_and_a_screen(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    write_study(
        store, runs=48, missing=range(40, 99), failed={3: "diverged", 4: "crashed"}, task=f"folder:/x/{'photos' * 12}"
    )
    file = tmp_path / "watch.html"
    text = page(Watched(store).look(), price=2.0, every=5, now=NOW).replace('http-equiv="refresh"', 'name="off"')
    file.write_text(text)
    for found in seen_in_browser(tmp_path, frames_of(file)):
        assert found["over"] == 0, found
        assert not found["cut"], found
        assert found["tall"] > 900


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whoever_ends_it_is_told_so(number: signal.Signals, capsys: pytest.CaptureFixture[str]) -> None:
    def end() -> None:
        while "until_ended" not in getattr(signal.getsignal(number), "__qualname__", ""):
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    threading.Thread(target=end).start()
    assert main(["watch", "digits", "--store", str(KEPT / "digits"), "--port", "0"]) == 0
    assert capsys.readouterr().out.endswith("no longer watched; the study goes on\n")
