"""Where things happen: the store, the data, the device, and how many processes. Opened once, and passed along."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import platformdirs

from bakeoff import reader
from bakeoff.runs.store import Store, open_store
from bakeoff.runs.trackers import Tracking
from bakeoff.storage import is_url

if TYPE_CHECKING:
    import torch


LOCAL = "local"


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """Where things happen; `Workspace.open` fills in what isn't said.

    store: results. data: the folder of data sets, or the URL of one in a bucket. device: auto, cpu, cuda, cuda:N or
    mps. workers: processes that decode image files (None: one per core). jobs, threads: processes of a study, and
    threads of each (None: as suits the machine). track: who is told of runs beside. on: what makes the runs of a study:
    "local", or an engine as `launch.engines.Engine` reads it, whose workers it then starts in place of processes here.
    """

    store: Store
    data: Path | str
    device: str = "auto"
    workers: int | None = None
    jobs: int | None = None
    threads: int | None = None
    track: tuple[Tracking, ...] = ()
    on: str = LOCAL

    @classmethod
    def open(
        cls,
        *,
        store: Store | Path | str | None = None,
        data: Path | str | None = None,
        device: str = "auto",
        workers: int | None = None,
        jobs: int | None = None,
        threads: int | None = None,
        track: Sequence[str] = (),
        on: str = LOCAL,
    ) -> Self:
        """A workspace. store: None for $BAKEOFF_STORE, else runs/ here; data: None for $BAKEOFF_DATA, else a cache.

        track: "tensorboard", "mlflow=URI" and so on. Raises RequestError for what can't be a folder, a number of
        processes or a tracker.
        """
        for count, what, least in ((workers, "--workers", 0), (jobs, "--jobs", 1), (threads, "--threads", 1)):
            if count is not None:
                reader.whole(count, what, least, reader.MOST_PROCESSES)
        for name in (reader.CHECKPOINTS, reader.LEASES):  # said now, and not when the first run of a study reads it
            reader.environment_seconds(name, 0)
        trackers = tuple(map(Tracking.read, track))
        return cls(
            store=open_store(store), data=_data(data), device=device, workers=workers, jobs=jobs, threads=threads,
            track=trackers, on=on,
        )  # fmt: skip

    @property
    def folder(self) -> Path:
        """The folder of data sets on this machine."""
        return self.data if isinstance(self.data, Path) else _usual_data()

    def torch_device(self) -> "torch.device":
        """The device itself. Raises RequestError where there is none of that name."""
        from bakeoff.engine import device  # which loads torch

        return device.resolve(self.device)


def _data(named: Path | str | None) -> Path | str:
    given = named or os.environ.get("BAKEOFF_DATA") or _usual_data()
    return given if is_url(given) else reader.path(given, "--data" if named else "$BAKEOFF_DATA")


def _usual_data() -> Path:
    return platformdirs.user_cache_path("bakeoff") / "data"
