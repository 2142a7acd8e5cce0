"""What tests of the doors share: the examples, and names that are forgotten."""

from pathlib import Path
from typing import Any

import pytest

from bakeoff import models, recipes, registry, tasks, techniques

EXAMPLES = Path(__file__).parents[1] / "examples"
QUICK: dict[str, Any] = {"length": 0.05, "device": "cpu"}


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test names is forgotten after it."""
    monkeypatch.setattr(registry, "_EXTENSIONS", {})
    for room in (techniques, models, tasks, recipes):
        monkeypatch.setattr(room.REGISTRY, "_named", {})
