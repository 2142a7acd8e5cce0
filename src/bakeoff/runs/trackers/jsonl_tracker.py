"""Plain JSON lines: everything that is told, a line each, appended to a file."""

from pathlib import Path

from bakeoff.runs.trackers import Begin, End, Log


class Tracker:
    """A file. where: its path."""

    def __init__(self, where: str) -> None:
        Path(where).parent.mkdir(parents=True, exist_ok=True)
        self._file = open(where, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 (open as long as the tracker is)

    def begin(self, begin: Begin) -> None:
        """A line."""
        self._file.write(begin.model_dump_json() + "\n")

    def log(self, log: Log) -> None:
        """A line."""
        self._file.write(log.model_dump_json() + "\n")

    def end(self, end: End) -> None:
        """A line."""
        self._file.write(end.model_dump_json() + "\n")

    def close(self) -> None:
        """All lines are in the file."""
        self._file.close()
