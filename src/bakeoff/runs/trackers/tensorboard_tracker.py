"""TensorBoard: a folder of event files for each run."""

from torch.utils.tensorboard import SummaryWriter

from bakeoff.runs.trackers import Begin, End, Log


class Tracker:
    """where: the log folder, for `tensorboard --logdir`."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._writer: SummaryWriter | None = None
        self._params: dict[str, str | int | float | bool] = {}

    def begin(self, begin: Begin) -> None:
        """A folder named like the study and the run."""
        self._writer = SummaryWriter(f"{self._where}/{begin.group}/{begin.run}")
        self._params = {name: value for name, value in begin.params.items() if value is not None}
        table = "\n".join(f"| {name} | {value} |" for name, value in self._params.items())
        self._writer.add_text("plan", f"{begin.name}\n\n| what | value |\n|---|---|\n{table}")

    def log(self, log: Log) -> None:
        """Scalars at a step."""
        assert self._writer is not None
        for name, value in log.values.items():
            self._writer.add_scalar(name, value, log.step, walltime=log.time)

    def end(self, end: End) -> None:
        """Results as scalars at the last step, and beside the plan's values in the HPARAMS tab."""
        assert self._writer is not None
        for name, value in end.values.items():
            self._writer.add_scalar(name, value, end.step)
        self._writer.add_text("status", f"{end.status} {end.reason}".strip())
        results = {f"result/{name}": value for name, value in end.values.items()}
        self._writer.add_hparams(self._params, results, run_name=".", global_step=end.step)
        self._writer.close()

    def close(self) -> None:
        """Whatever is open is written."""
        if self._writer is not None:
            self._writer.close()
