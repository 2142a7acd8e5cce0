"""Where results go, and where everything else does."""

import json
from typing import Any

from rich.console import Console


def consoles(as_json: bool) -> tuple[Console, Console]:
    """(for results, for everything else); with --json results go to standard output by other ways."""
    return Console(stderr=as_json, highlight=False), Console(stderr=True, highlight=False)


def print_json(data: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(data, indent=1))
