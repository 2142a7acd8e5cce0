"""Trackio: a local SQLite file for `trackio show`; nothing of it is sent anywhere."""

import os
from typing import Any

from bakeoff.runs.trackers import Begin, End, Log, local

_PROJECT = "bakeoff"


class Tracker:
    """where: a folder, which `trackio show` finds by $TRACKIO_DIR."""

    def __init__(self, where: str) -> None:
        os.environ.update(
            TRACKIO_DIR=str(local(where).absolute()),
            HF_HUB_OFFLINE="1",
            HF_HUB_DISABLE_TELEMETRY="1",
            GRADIO_ANALYTICS_ENABLED="False",
        )
        import trackio  # which reads these when it is loaded

        self._trackio: Any = trackio
        self._run: Any = None

    def begin(self, begin: Begin) -> None:
        """A run, with the plan as its config."""
        self._run = self._trackio.init(
            project=_PROJECT, name=begin.run, group=begin.group, config={"name": begin.name, **begin.params},
            resume="never", embed=False, auto_log_gpu=False, auto_log_cpu=False,
        )  # fmt: skip

    def log(self, log: Log) -> None:
        """Metrics at a step."""
        self._run.log(log.values, step=log.step)

    def end(self, end: End) -> None:
        """Results at the last step."""
        self._run.log({**end.values, "status": end.status}, step=end.step)
        self._run.finish()
        self._run = None

    def close(self) -> None:
        """A run that is open was interrupted."""
        if self._run is not None:
            self._run.finish()
