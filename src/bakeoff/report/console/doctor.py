"""What a machine has of what bakeoff needs, on a terminal and in a bug report."""

from pathlib import Path

from rich.console import Console
from rich.text import Text

from bakeoff.files import printable
from bakeoff.report.console.text import plain, say, say_beside
from bakeoff.runs.doctor import Finding

_WIDTH = 17  # columns of the longest name of an extra
_STYLES = {"ok": "bold", "lacking": "yellow", "broken": "bold red"}


def show(console: Console, found: Finding) -> None:
    """One finding, beside its name; what is broken says so."""
    mark = "broken: " if found.state == "broken" else ""
    say_beside(console, plain(found.what, style=_STYLES[found.state]), Text(mark + printable(found.found)), _WIDTH)


def show_end(console: Console) -> None:
    """What to do with it."""
    say(console, "for a bug report: bakeoff doctor --paste")


def pasted(found: Finding) -> str:
    """One finding as a line of a bug report, which is read by everybody: the home folder is ~."""
    line = printable(f"{found.what}: {'broken: ' * (found.state == 'broken')}{found.found}")
    home = str(Path.home())
    return line.replace(home, "~") if home != "/" else line
