"""Runs that a tracker or a tuner kept, as tables."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bakeoff import reader
from bakeoff.errors import BakeoffError, RequestError
from bakeoff.observed.table import RunTable, from_rows


def _mlflow(where: str) -> RunTable:
    """Runs of MLflow: "URI" or "URI#EXPERIMENT"; URI is a folder mlruns/, sqlite:///..., or a server's address."""
    try:
        from mlflow import MlflowClient, MlflowException
    except ImportError:
        raise _lacks("mlflow:", "'bakeoff[track-mlflow]'") from None
    uri, _, experiment = where.partition("#")
    try:
        client = MlflowClient(tracking_uri=uri or None)
        found = list(client.search_experiments())
        if experiment:
            found = [each for each in found if experiment in (each.name, each.experiment_id)]
        runs = [run for each in found for run in client.search_runs([each.experiment_id], max_results=50_000)]
    except MlflowException as error:
        raise BakeoffError(f"mlflow:{where} can't be read: {' '.join(str(error).split())}") from None
    rows = [
        {
            **run.data.params,
            **run.data.metrics,
            "run_id": run.info.run_id,
            "status": run.info.status,
            "start_time": run.info.start_time,
        }
        for run in runs
    ]
    return _table(f"mlflow:{where}", rows, [run.data.params for run in runs], [run.data.metrics for run in runs])


def _tensorboard(where: str) -> RunTable:
    """A folder of TensorBoard's, with a run in each folder that has event files, its hparams, and its last scalars."""
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        from tensorboard.plugins.hparams import plugin_data_pb2
    except ImportError:
        raise _lacks("tensorboard:", "'bakeoff[track-tensorboard]'") from None
    root = reader.path(where, "tensorboard:", text=False)
    folders = sorted({path.parent for path in root.rglob("*tfevents*")})
    hparams, metrics, rows = [], [], []
    for folder in folders:
        events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
        scalars = {tag: events.Scalars(tag)[-1] for tag in events.Tags()["scalars"]}
        # hparams are kept as a summary whose plugin data hold the values
        content = events.summary_metadata.get("_hparams_/session_start_info")
        params: dict[str, Any] = {}
        if content is not None:
            data = plugin_data_pb2.HParamsPluginData.FromString(content.plugin_data.content)
            params = {
                name: getattr(value, value.WhichOneof("kind") or "null_value")
                for name, value in data.session_start_info.hparams.items()
            }
        if not scalars and not params:
            continue
        values = {tag: scalar.value for tag, scalar in scalars.items()}
        started = min((scalar.wall_time for scalar in scalars.values()), default=math.nan)
        hparams.append(params)
        metrics.append(values)
        rows.append({**params, **values, "run_id": str(folder.relative_to(root)), "start_time": started})
    return _table(f"tensorboard:{where}", rows, hparams, metrics)


def _optuna(where: str) -> RunTable:
    """Trials of Optuna: "FILE" of its journal, or a database's address, "#STUDY" behind it where there are several."""
    try:
        import optuna
        from optuna.storages import BaseStorage, JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError:
        raise _lacks("optuna:", "optuna") from None
    place, _, name = where.partition("#")
    if "://" not in place and not Path(place).is_file():
        raise RequestError(f"optuna:{where}: there is no file {place}")
    try:
        storage: BaseStorage | str = place if "://" in place else JournalStorage(JournalFileBackend(place))
        names = optuna.get_all_study_names(storage)
        if not name and len(names) != 1:
            raise RequestError(
                f"optuna:{place} has {len(names)} studies: say which, optuna:{place}#NAME; {', '.join(names)}"
            )
        study = optuna.load_study(study_name=name or names[0], storage=storage)
        trials = study.get_trials(deepcopy=False)
    except (KeyError, ValueError, OSError) as error:
        raise BakeoffError(f"optuna:{where} can't be read: {' '.join(str(error).split())}") from None
    rows = [
        {
            **trial.params,
            "value": trial.value if trial.values else None,
            "run_id": str(trial.number),
            "state": trial.state.name.lower(),
            "start_time": trial.datetime_start.isoformat() if trial.datetime_start else None,
        }
        for trial in trials
    ]
    return _table(f"optuna:{where}", rows, [trial.params for trial in trials], [{"value": 0}], adaptive=True)


def _table(
    source: str, rows: list[dict[str, Any]], params: list[dict[str, Any]], metrics: list[Any], adaptive: bool = False
) -> RunTable:
    if not rows:
        raise RequestError(f"{source} has no runs")
    return from_rows(source, rows, factors=_names(params), metrics=_names(metrics), adaptive=adaptive)


def _names(rows: list[dict[str, Any]]) -> Iterator[str]:
    return iter(dict.fromkeys(name for row in rows for name in row))


def _lacks(kind: str, package: str) -> RequestError:
    return RequestError(f"reading {kind} needs another package: pip install {package}")


TRACKERS: dict[str, Callable[[str], RunTable]] = {"mlflow": _mlflow, "tensorboard": _tensorboard, "optuna": _optuna}
