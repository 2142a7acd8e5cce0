"""bakeoff's own trainer as a command: it has a split to judge by, and one that stays closed until something is kept."""

import shlex
from itertools import pairwise
from pathlib import PurePath

from bakeoff.commands.command import Metric
from bakeoff.errors import RequestError

_SPLITS = ("select", "report")


def metrics(command: str) -> tuple[Metric, Metric] | None:
    """To judge by, and to state what was kept; None where the command isn't `bakeoff train`.

    Raises RequestError where it doesn't say its numbers.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if not any(PurePath(word).name == "bakeoff" and after == "train" for word, after in pairwise(words)):
        return None
    if "--json" not in words:
        raise RequestError("bakeoff train says its numbers with --json: add it to the command")
    judged, stated = (Metric(key=f"metrics.{split}.acc1", unit="points") for split in _SPLITS)
    return judged, stated
