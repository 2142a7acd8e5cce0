"""A report in a real browser, as wide as a phone and as a screen: nothing sticks out, is cut or complains."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bakeoff.report import render
from tests.test_report import results_of

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDTHS = (390, 1280)
# Each page in a frame of its width; what a frame's document says of itself is written where --dump-dom finds it.
FRAMES = """<!doctype html><body><pre></pre>{frames}<script>
addEventListener("load", () => {{
  document.querySelector("pre").textContent = JSON.stringify([...document.querySelectorAll("iframe")].map((frame) => {{
    const page = frame.contentDocument, root = page.documentElement, shown = (e) => e.getClientRects().length > 0;
    const cut = [...page.querySelectorAll("td, th")].filter((e) => shown(e) && e.scrollWidth > e.clientWidth + 1);
    return {{
      width: root.clientWidth, over: root.scrollWidth - root.clientWidth, tall: root.scrollHeight,
      charts: [...page.querySelectorAll("svg")].filter(shown).length,
      scrolls: [...page.querySelectorAll(".scroll")].filter((e) => e.scrollWidth > e.clientWidth + 1).length,
      cut: cut.map((e) => e.textContent),
    }};
  }}));
}});
</script>"""


def frames_of(page: Path) -> str:
    """A page in a frame of each width."""
    return "".join(
        f'<iframe src="{page.as_uri()}" width="{width}" height="800" style="border: 0"></iframe>' for width in WIDTHS
    )


def seen_in_browser(folder: Path, frames: str) -> list[dict[str, Any]]:
    """What Chromium says of each frame. Skips where there is none; fails where a page complains."""
    if BROWSER is None:
        pytest.skip("no Chromium on the PATH")
    (folder / "frames.html").write_text(FRAMES.format(frames=frames))
    command = [
        str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
        "--enable-logging=stderr", "--hide-scrollbars", f"--user-data-dir={folder / 'profile'}",
        "--virtual-time-budget=10000", "--dump-dom", (folder / "frames.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in done.stderr, done.stderr
    written = re.search(r"<pre>(.*?)</pre>", done.stdout, re.DOTALL)
    assert written
    seen: list[dict[str, Any]] = json.loads(html.unescape(written[1]))
    assert [page["width"] for page in seen] == list(WIDTHS)
    return seen


@pytest.mark.slow
def test_a_report_fits_a_phone_and_a_screen(tmp_path: Path) -> None:
    names = ("<b>", "a" * 60, "\u732b", *map(str, range(4)))
    results = results_of(tmp_path / "runs", classes=names, images=140, task=f"folder:/home/{'photos' * 12}")
    report = render.write(results, "html", tmp_path / "report.html")
    for page in seen_in_browser(tmp_path, frames_of(report)):
        assert page["over"] == 0, page
        assert page["scrolls"] == 0, page
        assert not page["cut"], page
        assert page["charts"] == 4, page  # the narrow ones or the wide ones
        assert page["tall"] > 5000
