"""Runs that trackers and tuners kept, by what really wrote them."""

from itertools import product
from pathlib import Path

import pytest

import bakeoff as bo
from bakeoff.errors import BakeoffError
from bakeoff.observed.read import read

pytestmark = pytest.mark.slow
RUNS = [(lr, bool(ema)) for lr, ema in product((0.1, 0.2), (0, 1))] * 4


def acc(number: int, lr: float, ema: bool) -> float:
    return 90 + 10 * (lr - 0.1) + 0.5 * ema + 0.01 * (number * 7 % 5)


def check(source: str, metric: str | None = None) -> None:
    found = bo.analyse_runs(source, metric=metric)
    told = {each.label: each.effect.gain_pp for each in found.told}
    assert found.runs == len(RUNS)
    assert told == pytest.approx({"lr 0.2 over 0.1": 1.0, "ema": 0.5}, abs=0.03)


def test_mlflow_s_runs_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow-skinny isn't installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    uri = (tmp_path / "mlruns").as_uri()
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("mine")
    for number, (lr, ema) in enumerate(RUNS):
        run = client.create_run(experiment).info.run_id
        for name, value in (("lr", lr), ("ema", ema), ("epochs", 5)):
            client.log_param(run, name, value)
        client.log_metric(run, "acc", acc(number, lr, ema))
        client.set_terminated(run)
    check(f"mlflow:{uri}#mine")
    with pytest.raises(BakeoffError, match="has no runs"):
        read(f"mlflow:{uri}#other")


def test_tensorboard_s_folders_are_read(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard isn't installed")
    from torch.utils.tensorboard import SummaryWriter

    for number, (lr, ema) in enumerate(RUNS):
        with SummaryWriter(str(tmp_path / f"{number:02d}")) as writer:
            writer.add_hparams({"lr": lr, "ema": ema}, {"val_acc": acc(number, lr, ema)}, run_name=".")
    check(f"tensorboard:{tmp_path}", "val_acc")
    with pytest.raises(BakeoffError, match="has no runs"):
        read(f"tensorboard:{tmp_path / 'nothing'}")


def test_optuna_s_journal_is_read_and_that_a_tuner_chose_is_told(tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna", reason="optuna isn't installed")
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    file = tmp_path / "journal.log"
    study = optuna.create_study(direction="maximize", storage=JournalStorage(JournalFileBackend(str(file))))
    levels = {"lr": (0.1, 0.2), "ema": (False, True)}
    for number, (lr, ema) in enumerate(RUNS):
        study.enqueue_trial({"lr": lr, "ema": ema})
        trial = study.ask({name: optuna.distributions.CategoricalDistribution(of) for name, of in levels.items()})
        study.tell(trial, acc(number, lr, ema))
    check(f"optuna:{file}")
    assert [note.topic for note in bo.analyse_runs(f"optuna:{file}").notes] == ["adaptive"]
    with pytest.raises(BakeoffError, match="there is no file"):
        read(f"optuna:{tmp_path / 'nothing'}")
