"""The site builds without warnings, its links lead somewhere, and what it shows is what the commands print."""

import re
import shutil
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from PIL import Image

from bakeoff import techniques
from docs.site import build, examples

README = (build.ROOT / "README.md").read_text("utf-8")


class Page(HTMLParser):
    """What a page links to, what it loads, and the places in it that can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") in ("stylesheet", "icon", "preload"):
            self.loads.append(found["href"])
        elif "src" in found:
            self.loads.append(found["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build.build(tmp_path_factory.mktemp("build"))


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    examples.prepare(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_every_link_leads_somewhere_and_nothing_is_fetched(site: Path) -> None:
    pages = {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}
    assert len(pages) > 60
    dead = []
    for path, page in pages.items():
        for link in (*page.links, *page.loads):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.loads:
                    dead.append(f"{path.relative_to(site)} loads {link}")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchored = target in pages and parts.fragment and unquote(parts.fragment) not in pages[target].anchors
            if not target.exists() or anchored:
                dead.append(f"{path.relative_to(site)} links to {link}")
    assert not dead


@pytest.mark.slow
def test_equations_and_pictures_are_in_the_pages(site: Path) -> None:
    card = (site / "cards" / "mixup.html").read_text("utf-8")
    assert card.count("<math ") == 3
    assert "$$" not in card
    text = (site / "statistics" / "index.html").read_text("utf-8")
    assert "picture:" not in text
    assert "var(--yours)" in text
    source = site / "source" / "src" / "bakeoff" / "techniques" / "label_smoothing.py.html"
    assert "LabelSmoothing" in source.read_text("utf-8")


def test_a_link_to_nothing_is_an_error(tmp_path: Path) -> None:
    page = build.ROOT / "docs" / "log.md"
    places = {page: "log.md"}
    with pytest.raises(FileNotFoundError, match=r"links to nothing\.md"):
        build.follow("[x](nothing.md)", page, "log.md", places, [])
    assert build.follow("[x](../LICENSE) `[y](nothing.md)`", page, "log.md", places, []) == (
        "[x](source/LICENSE.md) `[y](nothing.md)`"
    )


def test_every_page_is_in_the_navigation() -> None:
    assert set(examples.written()) == set(examples.PAGES.rglob("*.md"))
    told = build.configuration()
    assert tomllib.loads(told)
    assert re.findall(r'"cards/(\w+)\.md"', told) == ["index", *techniques.NAMES]


@pytest.mark.parametrize("page", examples.written(), ids=lambda page: page.relative_to(examples.PAGES).as_posix())
def test_tables_of_options_are_up_to_date(page: Path) -> None:
    text = page.read_text("utf-8")
    assert examples.with_options(text) == text, "run: make examples"


def test_what_can_t_be_executed_here_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And so does what would use what it would have made."""
    monkeypatch.setenv("BAKEOFF_DATA", str(tmp_path))
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ echo one\nnone\n$ bakeoff train --task mnist-5k\nrun 0123456789ab: made\n"
        "$ cat made\nthis\n```\n\n```sh\nbakeoff train --task mnist\nfalse\n```\n"
        "\n```console\n$ echo mnist\nnothing\n```\n"
    )
    text, (first, second, third) = examples.execute(page, tmp_path)
    assert text == page.read_text().replace("none", "one").replace("nothing", "mnist")
    assert first.left_out == f"bakeoff train --task mnist-5k: no MNIST in {tmp_path} (set BAKEOFF_DATA)"
    assert second.left_out.startswith("bakeoff train --task mnist: ")
    assert not third.left_out


@pytest.mark.slow
def test_the_site_s_examples_print_what_it_shows(clone: Path, subtests: pytest.Subtests) -> None:
    compared = 0
    for page in examples.written():
        for example in examples.execute(page, clone)[1]:
            name = page.relative_to(examples.PAGES)
            if not example.varies:
                assert examples.comparable(example.after) == examples.comparable(example.before), (
                    f"{name}, run: make examples"
                )
                compared += 1
            if example.left_out:
                with subtests.test(str(name)):
                    pytest.skip(example.left_out)
    assert compared > 30


@pytest.mark.slow
def test_the_readme_s_commands_run(clone: Path, subtests: pytest.Subtests) -> None:
    """With all done but the training."""
    for name in ("0", "1"):
        for number in range(8):
            path = clone / "photos" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.effect_noise((72, 72), 64).save(path)
    shutil.copy(path, clone / "image.png")
    derived = clone / "runs" / "studies" / "STUDY" / "recipe.yaml"
    derived.parent.mkdir(parents=True)
    derived.write_text("name: derived\ntechniques: [mixup, ema]\n", "utf-8")
    run = re.findall(r"run (\w{12})", examples.shell("bakeoff train --length 0.02", clone))[0]
    lines = [
        line.split("  #")[0].split(" # ")[0].strip() for line in README.splitlines() if line[:12] == "    bakeoff "
    ]
    assert len(lines) > 15
    for line in lines:
        line = line.replace("RUN", run).replace("report STUDY", "report digits --store studies/digits")
        line = line.replace("verify STUDY", "verify digits --store studies/digits")
        line = f"{line} --runs 1" if line.startswith("bakeoff verify") and "--runs" not in line else line
        line = line.replace("bakeoff watch", "bakeoff watch digits --store studies/digits")
        line = line.replace("30m", "5h")  # a busy machine may not manage in 30 minutes
        with subtests.test(line):
            if reason := examples.not_applicable_reason(line):
                pytest.skip(reason)
            examples.shell(examples.quick(line), clone)
