"""MLflow: runs in experiments named like their study, in a local SQLite file or where its URI says."""

import os
import time
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from bakeoff.runs.trackers import Begin, End, Log

_MOST_PARAMS = 100  # that MLflow takes at once
_LONGEST = 500  # characters of a parameter's value, in older servers


class Tracker:
    """where: a tracking URI; MLflow's folders (./mlruns) are in maintenance, and refused by it since version 3."""

    def __init__(self, where: str) -> None:
        if where.startswith("sqlite:///"):
            Path(where.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        self._client = MlflowClient(tracking_uri=where)
        self._run = ""

    def begin(self, begin: Begin) -> None:
        """A run, with the plan as its parameters."""
        known = self._client.get_experiment_by_name(begin.group)
        experiment = known.experiment_id if known else self._client.create_experiment(begin.group)
        made = self._client.create_run(experiment, run_name=begin.name, tags={"bakeoff.run": begin.run})
        self._run = made.info.run_id
        params = [Param(name, str(value)[:_LONGEST]) for name, value in begin.params.items()]
        for start in range(0, len(params), _MOST_PARAMS):
            self._client.log_batch(self._run, params=params[start : start + _MOST_PARAMS])

    def log(self, log: Log) -> None:
        """Metrics at a step."""
        self._metrics(log.values, log.step, log.time or time.time())

    def end(self, end: End) -> None:
        """Results as metrics at the last step, and how it ended."""
        self._metrics(end.values, end.step, time.time())
        tags = [RunTag("bakeoff.status", end.status), RunTag("bakeoff.reason", end.reason)]
        self._client.log_batch(self._run, tags=tags)
        self._client.set_terminated(self._run, "FINISHED" if end.status == "done" else "FAILED")

    def _metrics(self, values: dict[str, float], step: int, at: float) -> None:
        metrics = [Metric(name, value, int(1000 * at), step) for name, value in values.items()]
        self._client.log_batch(self._run, metrics=metrics)

    def close(self) -> None:
        """Everything is written already."""
