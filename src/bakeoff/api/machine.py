"""Is everything here that a run needs?"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bakeoff.runs.doctor import Finding


def doctor(
    *, store: Path | str | None = None, data: Path | str | None = None, device: str = "auto"
) -> "Iterator[Finding]":
    """What this machine has of what bakeoff needs, line after line as it is found; nothing is written.

    A finding's `state` is "broken" where something doesn't work that was asked for: bakeoff's own requirements, or a
    store, data or device that is named here or in the environment.
    """
    from bakeoff.runs import doctor

    yield from doctor.examine(store, data, device)
