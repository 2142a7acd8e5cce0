"""Execute what the pages show, and put what it prints into them: `make examples`. `tests/test_site.py` compares.

Three kinds of blocks are executed, page after page in one folder that holds copies of studies/ and notebooks/:
`console` has commands after `$` and what they print; `python` has what it prints in a `text` block behind it; `sh` has
commands that would take long, of which all is done but the training, or that serve a page, which get Ctrl-C once it is
served. A block under `<!-- varies -->` is executed, and what it prints isn't compared. Tables of options come from the
command line itself.

A command that trains on data that aren't here is left out, and the rest of its block with it, since that may use what
the command would have made; their part of the page stays as it is.
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import typer.main
from typer.core import TyperArgument, TyperGroup, TyperOption

from bakeoff import models, tasks, techniques
from bakeoff.cli import main
from bakeoff.cli.program import app

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PAGES = HERE / "pages"
COLUMNS = "84"
HOME = "/home/ada/bakeoff"  # stands in the pages for the folder that they are executed in

BLOCK = re.compile(
    r"(?P<head>(?P<varies><!-- varies -->\n)?```(?P<kind>console|python|sh)\n)(?P<body>.*?)(?P<foot>^```\n)"
    r"(?P<said>\n```text\n(?P<text>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)
OPTIONS = re.compile(r"(<!-- options: ([a-z ]+) -->\n).*?(<!-- end of options -->)", re.DOTALL)
RUN = re.compile(r"\b[0-9a-f]{12}\b")
DRY = {
    "train": ("--dry-run",),
    "judge": ("--pairs 1", "--accept undecided"),
    **dict.fromkeys(("ablate", "derive"), ("--plan-only", "--threads 1")),
    **dict.fromkeys(("demo", "watch"), ("--port 0",)),
}


@dataclass(frozen=True)
class Example:
    """A block of a page: as it stands there and as it came out.

    left_out: the first command that couldn't be executed here, and why; empty where all were.
    """

    page: Path
    kind: str
    before: str
    after: str
    varies: bool
    left_out: str


def written() -> list[Path]:
    """The pages with something to execute or to generate, in the order of the site."""

    def walk(entries: object) -> Iterator[str]:
        if isinstance(entries, str):
            yield entries
        elif isinstance(entries, dict):
            for each in entries.values():
                yield from walk(each)
        elif isinstance(entries, list):
            for each in entries:
                yield from walk(each)

    nav = tomllib.loads((HERE / "zensical.toml").read_text("utf-8"))["project"]["nav"]
    return [PAGES / name for name in walk(nav) if (PAGES / name).is_file()]


def execute(page: Path, folder: Path) -> tuple[str, list[Example]]:
    """The page with what its blocks print here and now. Raises RuntimeError for a command that fails."""
    names: dict[str, object] = {"__name__": "__main__"}
    renamed: dict[str, str] = {}
    examples = []

    def made(match: re.Match[str]) -> str:
        body = RUN.sub(lambda run: renamed.get(run[0], run[0]), match["body"])
        left_out = ""
        if match["kind"] == "python":
            printed = snippet(body, names, folder)
            said = f"\n```text\n{printed}```\n" if printed else ""
            after = f"{match['head']}{body}{match['foot']}{said}"
        else:
            said = ""
            for command, shown in commands(body, match["kind"]):
                left_out = left_out or not_applicable_reason(command)
                if left_out:
                    said += shown
                elif match["kind"] == "sh":
                    shell(quick(command), folder)
                    said += shown
                else:
                    said += f"$ {command}\n{shell(command, folder)}"
            after = f"{match['head']}{said}{match['foot']}{match['said'] or ''}"
        renamed.update(zip(RUN.findall(match["body"]), RUN.findall(after), strict=False))
        examples.append(Example(page, match["kind"], match[0], after, bool(match["varies"]), left_out))
        return after

    return BLOCK.sub(made, page.read_text("utf-8")), examples


def commands(body: str, kind: str) -> Iterator[tuple[str, str]]:
    """Each command of a block without the comment behind it, and its part of the block."""
    if kind == "console":
        for part in re.split(r"^(?=\$ )", body, flags=re.MULTILINE):
            if part:
                yield part.splitlines()[0].removeprefix("$ "), part
    else:
        for line in body.splitlines(keepends=True):
            if command := line.split("  #")[0].strip():
                yield command, line


def not_applicable_reason(command: str) -> str:
    """Why a command can't be executed here; empty where it can."""
    words = shlex.split(command)
    task = words[words.index("--task") + 1] if "--task" in words else ""
    return f"{command}: no MNIST in {data_folder()} (set BAKEOFF_DATA)" if "mnist" in task and not data() else ""


def quick(command: str) -> str:
    """The same with all done but the training, and without timing the machine."""
    words = command.split()
    dry = DRY.get(words[1], ()) if words[0] == "bakeoff" and len(words) > 1 else ()
    return " ".join([command, *(option for option in dry if option.split()[0] not in words)])


def shell(command: str, folder: Path) -> str:
    """What a command prints on standard output: `bakeoff` in this process, which saves its start; others in a shell."""
    command, both, _ = command.partition(" 2>&1")  # with what it says beside its results
    words = shlex.split(command)
    variables = {"COLUMNS": COLUMNS, "NO_COLOR": "1", **data()}
    if words[0] != "bakeoff":
        return subprocess.check_output(
            command + both, shell=True, cwd=folder, env={**os.environ, **variables}, text=True
        )
    out = io.StringIO()
    err = out if both else io.StringIO()
    with (
        ended_when_it_serves(),
        mock.patch.dict(techniques.REGISTRY._named, clear=True),  # as in a process of its own
        mock.patch.dict(tasks.REGISTRY._named, clear=True),
        mock.patch.dict(models.REGISTRY._named, clear=True),
        mock.patch("bakeoff.runs.forecast.others", return_value=[]),  # pages don't tell of what else runs here
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, variables),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        status = main(words[1:])
    if status:
        raise RuntimeError(f"{command}: exit status {status}, {err.getvalue().splitlines()[-1]}")
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().replace(str(folder), HOME).splitlines())


@contextlib.contextmanager
def ended_when_it_serves() -> Iterator[None]:
    """A page that is served until it is told to end gets Ctrl-C as soon as it is, and as long as it takes to end."""
    serving, over = "until_ended", threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            if serving in getattr(signal.getsignal(signal.SIGINT), "__qualname__", ""):
                os.kill(os.getpid(), signal.SIGINT)
                return

    watching = threading.Thread(target=look)
    watching.start()
    try:
        with mock.patch("bakeoff.engine.interrupt.GRACE", 600.0):  # after which this process would be ended by force
            yield
    finally:
        over.set()
        watching.join()


def data_folder() -> Path:
    """Where data sets are looked for."""
    return Path(os.environ.get("BAKEOFF_DATA") or ROOT.parent / "shared" / "data").absolute()


def data() -> dict[str, str]:
    """What tells a command where MNIST is, if it's there."""
    return {"BAKEOFF_DATA": str(data_folder())} if (data_folder() / "mnist").is_dir() else {}


def snippet(code: str, names: dict[str, object], folder: Path) -> str:
    """What Python code prints."""
    out = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        exec(code, names)
    return out.getvalue()


def with_options(text: str) -> str:
    """A page with its tables of options made anew."""
    return OPTIONS.sub(lambda match: f"{match[1]}\n{options(match[2])}\n\n{match[3]}", text)


def options(command: str) -> str:
    """The options of a command as a table."""
    found = typer.main.get_command(app)
    for word in command.split():
        assert isinstance(found, TyperGroup)
        found = found.commands[word]
    lines = ["| option | what it says | default |", "|---|---|---|"]
    for parameter in found.params:
        assert isinstance(parameter, TyperArgument | TyperOption)
        names = [*parameter.opts, *parameter.secondary_opts]
        shown = " / ".join(f"`{name}`" for name in names) if names[0].startswith("-") else f"`{names[0].upper()}`"
        told, _, default = (parameter.help or "").removesuffix(".").removesuffix("]").partition(" [")
        value = parameter.default
        if parameter.required:
            default = "must be given"
        elif not default and value is not None and value is not False:
            default = "on" if value is True else f"`{value}`"
        lines.append(f"| {shown} | {_cell(told)}. | {_cell(default)} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("$", "&#36;").replace("*", r"\*")


def comparable(text: str) -> str:
    """Without what differs between machines: numbers, ids, and where lines are broken."""
    text = RUN.sub("RUN", text)
    text = re.sub(r"\b(?:\d[\d,.]* (?:h|min|s)\b ?)+", "TIME ", text)
    text = re.sub(r"\b\d+ threads?\b", "0 threads", text)
    text = re.sub(r"[-+]?\b\d[\d,.]*", "0", text)
    return "".join(re.sub(r"─+", "─", text).split())


def prepare(folder: Path) -> None:
    """What a clone of the repository holds and the pages use."""
    for name in ("studies", "notebooks", "examples"):
        shutil.copytree(ROOT / name, folder / name)
    (found,) = (ROOT / "studies" / "mnist-5k-derived").glob("studies/*/recipe.yaml")
    shutil.copyfile(found, folder / "mine.yaml")


def fill() -> None:
    """Execute all pages and write what they printed into them."""
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name))
        for page in written():
            text, _ = execute(page, Path(name))
            page.write_text(with_options(text), "utf-8")
            print(f"{page.relative_to(ROOT)}, {time.process_time():.0f} s so far", file=sys.stderr)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    fill()
