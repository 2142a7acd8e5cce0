"""Weights & Biases, offline: what it writes goes nowhere until somebody says `wandb sync`."""

import os

os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_ERROR_REPORTING="false")

import wandb

from bakeoff.runs.trackers import Begin, End, Log, local


class Tracker:
    """where: a folder."""

    def __init__(self, where: str) -> None:
        self._where = str(local(where))
        self._run: wandb.Run | None = None

    def begin(self, begin: Begin) -> None:
        """An offline run, with the plan as its config."""
        quiet = wandb.Settings(
            console="off", disable_git=True, disable_code=True, x_disable_stats=True, x_disable_meta=True
        )
        self._run = wandb.init(
            project="bakeoff", group=begin.group, name=begin.name, id=f"{begin.run}-{os.getpid()}", config=begin.params,
            dir=self._where, mode="offline", settings=quiet,
        )  # fmt: skip

    def log(self, log: Log) -> None:
        """History at a step."""
        assert self._run is not None
        self._run.log(log.values, step=log.step)

    def end(self, end: End) -> None:
        """Results in the summary, and how it ended."""
        assert self._run is not None
        self._run.summary.update({**end.values, "status": end.status, "reason": end.reason})
        self._run.finish(exit_code=0 if end.status == "done" else 1)
        self._run = None

    def close(self) -> None:
        """A run that is open was interrupted."""
        if self._run is not None:
            self._run.finish(exit_code=1)
