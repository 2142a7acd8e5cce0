"""Build the site: `make docs`. Pages are gathered in build/docs, zensical makes build/site of them.

The pages are docs/site/pages, the technique cards, docs/architecture.md, docs/speed.md, docs/log.md, CONTRIBUTING.md
and CHANGELOG.md, each as it is. What is made on the way: pictures that a page asks for as `![...](picture:NAME)` are
drawn into it, equations become MathML, diagrams become lists, and a link to a file of the repository becomes one to a
page that shows it. So the site needs no network, neither while it is built nor while it is read.
"""

import html
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath

from latex2mathml.converter import convert

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PAGES = HERE / "pages"

LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\[\]]*\])*\])\(([^()\s]+)\)")
FENCED = re.compile(r"(^```.*?^```[^\n]*\n|`[^`\n]*`)", re.DOTALL | re.MULTILINE)
EQUATION = re.compile(r"^\$\$\n(.*?)\n\$\$$", re.DOTALL | re.MULTILINE)
MERMAID = re.compile(r"^```mermaid\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
NODE = re.compile(r"(\w+)(?:[\[{(]+([^\[\](){}]+)[\]})]+)?")
LANGUAGES = {".py": "python", ".yaml": "yaml", ".toml": "toml", ".sh": "bash"}
COPIED = (".png", ".svg", ".ipynb", ".css", ".js")
SHIM = "https://unpkg.com/iframe-worker/shim"  # zensical's offline plugin fetches it; docs/site/pages has it


def sources() -> dict[str, Path]:
    """Every page of the site that is written, and what stands beside it: place in the site, file in the repository."""
    found = {path.relative_to(PAGES).as_posix(): path for path in sorted(PAGES.rglob("*")) if path.is_file()}
    found |= {f"cards/{path.name}": path for path in sorted((ROOT / "docs" / "cards").iterdir())}
    for name in ("architecture.md", "coverage.md", "decisions.md", "judge.md", "speed.md", "log.md"):
        found[name] = ROOT / "docs" / name
    for path in (ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"):
        found[path.name.lower()] = path
    return found


def stage(target: Path) -> None:
    """Write all pages into a folder. Raises FileNotFoundError for a link to a file that doesn't exist."""
    places = {path.resolve(): place for place, path in sources().items()}
    waiting = list(places.items())
    for path, place in waiting:
        written = target / place
        written.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            written.write_text(page(path, place, places, waiting), "utf-8")
        elif path.suffix in COPIED:
            shutil.copyfile(path, written)
        else:
            written.write_text(shown(path), "utf-8")


def page(path: Path, place: str, places: dict[Path, str], waiting: list[tuple[Path, str]]) -> str:
    """A page as zensical takes it."""
    text = path.read_text("utf-8")
    text = EQUATION.sub(lambda match: f'<div class="equation">{mathml(match[1])}</div>', text)
    text = MERMAID.sub(lambda match: arrows(match[1]), text)
    return follow(text, path, place, places, waiting)


def follow(text: str, path: Path, place: str, places: dict[Path, str], waiting: list[tuple[Path, str]]) -> str:
    """Text of the page `path`, with its links as they are in the site.

    A file that it links to, and that has no place yet, gets one in `places`, and is put at the end of `waiting`.
    """

    def followed(match: re.Match[str]) -> str:
        label, target = match.groups()
        if target.startswith("picture:"):
            return drawn(target.removeprefix("picture:"), label.removeprefix("![").removesuffix("]"))
        name, hash_, anchor = target.partition("#")
        if not name or "://" in name or os.path.normpath(PurePosixPath(place).parent / name) in places.values():
            return match[0]
        file = (path.parent / name).resolve()
        if not file.is_file():
            raise FileNotFoundError(f"{path.relative_to(ROOT)} links to {target}, which is no file")
        if file not in places:
            kept = file.relative_to(ROOT).as_posix()
            places[file] = f"source/{kept}{'' if file.suffix in COPIED else '.md'}"
            waiting.append((file, places[file]))
        there = os.path.relpath(PurePosixPath("/", places[file]), PurePosixPath("/", place).parent)
        return f"{label}({there}{hash_}{anchor})"

    parts = FENCED.split(text)  # code is left alone
    return "".join(part if n % 2 else LINK.sub(followed, part) for n, part in enumerate(parts))


def mathml(tex: str) -> str:
    """An equation as MathML, which browsers draw themselves."""
    return convert(tex, display="block")


def arrows(diagram: str) -> str:
    """A flowchart of mermaid, whose program would have to be fetched, as a list of what leads where."""
    names: dict[str, str] = {}
    lines = []
    for line in diagram.splitlines():
        ends = [match for part in line.split("-->") if (match := NODE.fullmatch(part.strip()))]
        for key, name in (end.groups() for end in ends):
            names[key] = name or names.get(key, key)
        if len(ends) > 1:
            lines.append("- " + " → ".join(names[end[1]] for end in ends))
    return "\n".join(lines) + "\n"


def shown(path: Path) -> str:
    """A page with a file of the repository."""
    name = path.relative_to(ROOT).as_posix()
    text = path.read_text("utf-8").rstrip()
    return f"---\nsearch:\n  exclude: true\n---\n\n# {name}\n\n````{LANGUAGES.get(path.suffix, 'text')}\n{text}\n````\n"


def drawn(name: str, alt: str) -> str:
    """A picture in the page's own colours, wide and for a phone, with its caption. alt: what it shows, in words."""
    from bakeoff.report.render.svg import inline
    from docs.site.pictures import PICTURES, narrowed

    picture = PICTURES[name]()
    told = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(picture.caption))
    told = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", told)
    wide = inline(picture.figure, f"{name}-wide")
    narrow = inline(picture.narrow or narrowed(picture.figure), f"{name}-narrow")
    shown = "".join(
        f'<div class="for-{width}" role="img" aria-label="{html.escape(alt)}">{svg}</div>'
        for width, svg in (("wide", wide), ("narrow", narrow))
    )
    return f'<figure class="picture">{shown}<figcaption>{told}</figcaption></figure>'


def configuration() -> str:
    """zensical.toml with a card for each technique in its navigation."""
    from bakeoff import techniques

    first = '"cards/index.md"'
    cards = ", ".join([first, *(f'"cards/{name}.md"' for name in techniques.NAMES)])
    return (HERE / "zensical.toml").read_text("utf-8").replace(first, cards)


def build(folder: Path) -> Path:
    """Build the site in a folder and return where it is. Raises CalledProcessError; warnings are errors."""
    shutil.rmtree(folder / "docs", ignore_errors=True)
    stage(folder / "docs")
    (folder / "zensical.toml").write_text(configuration(), "utf-8")
    subprocess.run([sys.executable, "-m", "zensical", "build", "--strict", "--clean"], cwd=folder, check=True)
    site = folder / "site"
    for path in site.rglob("*.html"):
        up = "../" * (len(path.relative_to(site).parts) - 1)
        path.write_text(path.read_text("utf-8").replace(SHIM, f"{up}iframe-worker.js"), "utf-8")
    return site


if __name__ == "__main__":
    try:
        print(f"site: {build(ROOT / 'build') / 'index.html'}")
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        sys.exit(str(error))
