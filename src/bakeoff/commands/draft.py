"""A study's file drafted from a command: where its seed and its results go, and what it says of itself, tried out."""

import json
import os
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakeoff.commands import process
from bakeoff.commands.command import OUT, SEED, Command, Metric, filled
from bakeoff.commands.depends import Invocation
from bakeoff.commands.run import CommandFailed, environment, program, run_command
from bakeoff.errors import BakeoffError, RequestError
from bakeoff.events import Doing, tell
from bakeoff.files import printable, write_text
from bakeoff.runs.store import Store

# What people call how good a run is, the likeliest first; of these less is better.
_NAMES = ("acc1", "top1", "accuracy", "acc", "test_acc", "val_acc", "score", "f1", "auc", "bleu", "map", "reward", "r2")
_LESS = ("loss", "bpb", "perplexity", "ppl", "error", "err", "rmse", "mse", "mae", "wer")
_SEEDS = ("--seed", "--random-seed", "--random_seed", "--rng-seed", "--manual-seed", "--manual_seed")
_OUTS = ("--out", "--out-dir", "--outdir", "--output", "--output-dir", "--output_dir", "--save-dir", "--logdir")
_NUMBER = r"(-?[\d.]+(?:[eE][-+]?\d+)?)"
_SAID = re.compile(rf"\b([\w/@.-]*(?:{'|'.join((*_NAMES, *_LESS))})[\w/@-]*)(\s*[:=]\s*|\s+){_NUMBER}", re.IGNORECASE)
_LARGEST = 2**22  # bytes of a file that is looked into


@dataclass(frozen=True)
class Draft:
    """A drafted study. values: the metric with seed 0, with seed 0 again, and with seed 1. seconds: of a run."""

    path: Path
    command: str
    metric: Metric
    values: tuple[float, float, float]
    seconds: float
    factors: tuple[str, ...]

    @property
    def seeded(self) -> bool:
        """Whether the seed changes anything."""
        return self.values[2] != self.values[0] or self.values[1] != self.values[0]

    @property
    def repeats(self) -> bool:
        """Whether the same seed gives the same number."""
        return self.values[0] == self.values[1]


def draft(path: Path, command: str, factors: Mapping[str, str], *, shell: bool = False, time: float = 3600.0) -> Draft:
    """Draft a study's file, and try its command: three times, twice with one seed.

    path: of the file; the command runs in its folder. factors: name -> the text that is added to the command where it
    is on. time: seconds that a run may take.

    Raises RequestError where the file is there already, and BakeoffError where the command fails or says no number.
    """
    if path.exists():
        raise RequestError(f"{path} is there already; move it away, or name another file")
    folder = path.parent.resolve()
    if not folder.is_dir():
        raise RequestError(f"the folder of {path} isn't there")
    template = command if shell else _with_places(command)
    plain = Command(command=template, folder=str(folder), metric=Metric(key="unknown"), shell=shell, time=time)
    first = Invocation.of(plain)
    program(first.words, str(folder), {**os.environ})
    whole = " ".join([template, *(f"{{{name}}}" for name in factors)])
    metric, seconds, value = _tried(first)
    made = plain.model_copy(update={"metric": metric})
    made.model_copy(update={"command": whole}).expand(factors)
    values = [value]
    for seed in (0, 1):
        tell(Doing(f"trying it with seed {seed}{' again' if not seed else ''}"))
        with tempfile.TemporaryDirectory(prefix="bakeoff-") as store:
            record = run_command(Invocation.of(made), seed, Store(Path(store)), threads=os.cpu_count() or 1)
        if record.status != "done":
            raise CommandFailed(f"with seed {seed} {record.reason}")
        values.append(record.metrics["report"][metric.called])
    write_text(path, _text(whole, metric, factors, shell, seconds))
    return Draft(path, whole, metric, (values[0], values[1], values[2]), seconds, tuple(factors))


def _with_places(command: str) -> str:
    """The command with {seed} and {out} where the values of usual flags stand, unless it has them."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise RequestError(f"the command {command!r}: {str(error).lower()}") from None
    if "{" in command:
        return command
    found = []
    for index, word in enumerate(words):
        flag, equals, _ = word.partition("=")
        before = words[index - 1] if index else ""
        for flags, place in ((_SEEDS, SEED), (_OUTS, OUT)):
            if before in flags and not word.startswith("-"):
                word = f"{{{place}}}"
            elif flag in flags and equals:
                word = f"{flag}={{{place}}}"
        found.append(word)
    return " ".join(word if re.fullmatch(r"[\w{}./:=,@%+-]+", word) else shlex.quote(word) for word in found)


def _tried(invocation: Invocation) -> tuple[Metric, float, float]:
    """Run it once, and find out what it says of itself."""
    tell(Doing("trying it with seed 0"))
    command, lines = invocation.command, list[str]()
    with tempfile.TemporaryDirectory(prefix="bakeoff-draft-") as out:
        ended = process.run(
            [filled(word, 0, out) for word in invocation.words],
            folder=command.folder,
            env=environment(invocation, 0, out, os.cpu_count() or 1, "auto"),
            out=out,
            seconds=command.time,
            disk=None,
            line=lines.append,
        )
        if ended.error or ended.over or ended.status:
            why = ended.error.lower() or (f"it took more than {command.time:g} s" if ended.over else "")
            why = why or f"it ended with status {ended.status}"
            raise CommandFailed(f"the command fails: {why}: {printable(process.last_line(ended.log))}")
        candidates = [*_in_files(Path(out)), *_in_lines(lines)]
    if not candidates:
        raise BakeoffError(
            "the command says no number that could be its metric: let it write {out}/metrics.json (its folder is "
            '$BAKEOFF_OUT), or print a line such as {"acc1": 97.2} at its end'
        )
    metric, value = max(candidates, key=lambda each: _rank(each[0].called))
    if metric.higher and 0 <= value <= 1 and _is_accuracy(metric.called):
        return metric.model_copy(update={"unit": "fraction"}), ended.seconds, 100 * value
    if metric.higher and 1 < value <= 100 and _is_accuracy(metric.called):
        metric = metric.model_copy(update={"unit": "points"})
    return metric, ended.seconds, value


def _in_files(out: Path) -> Iterator[tuple[Metric, float]]:
    for path in sorted(out.rglob("*.json*")):
        if path.is_file() and path.stat().st_size < _LARGEST:
            text = path.read_text("utf-8", "replace")
            for candidate in (text, text.strip().rpartition("\n")[2]):
                try:
                    data = json.loads(candidate)
                except (ValueError, RecursionError):
                    continue
                name = path.relative_to(out).as_posix()
                yield from ((_metric(key, file=f"{{out}}/{name}"), value) for key, value in _numbers(data))
                break


def _in_lines(lines: list[str]) -> Iterator[tuple[Metric, float]]:
    for line in reversed(lines):
        try:
            data = json.loads(line) if line.lstrip().startswith("{") else None
        except (ValueError, RecursionError):
            continue
        if data is not None:
            yield from ((_metric(key), value) for key, value in _numbers(data))
            break
    said: dict[tuple[str, str], float] = {}
    for line in lines:
        for name, between, value in _SAID.findall(line):
            with suppress(ValueError):
                said[name, between.strip()] = float(value)
    for (name, sign), number in said.items():
        expression = re.escape(name) + (rf"\s*{sign}\s*" if sign else r"\s+") + _NUMBER
        higher = not any(less in name.lower() for less in _LESS)
        yield Metric(stdout=expression, name=re.sub(r"\W+", "_", name).strip("_"), higher=higher), number


def _metric(key: str, file: str = "") -> Metric:
    return Metric(file=file, key=key, higher=not any(less in key.lower() for less in _LESS))


def _numbers(data: Any, prefix: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(data, dict):
        for name, value in data.items():
            if isinstance(value, dict):
                yield from _numbers(value, f"{prefix}{name}.")
            elif isinstance(value, int | float) and not isinstance(value, bool):
                yield f"{prefix}{name}", float(value)


def _is_accuracy(name: str) -> bool:
    return any(each in name.lower() for each in ("acc", "top1", "top-1"))


def _rank(name: str) -> tuple[int, int]:
    """How likely people mean this one: by the first name that is in it, and how much else there is in it."""
    low = name.lower()
    known = [*_NAMES, *_LESS]
    place = next((index for index, each in enumerate(known) if each in low), len(known))
    return -place, -len(name)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _text(command: str, metric: Metric, factors: Mapping[str, str], shell: bool, seconds: float) -> str:
    """The file, with comments."""
    parts = {"file": metric.file, "key": metric.key, "stdout": metric.stdout, "unit": metric.unit, "name": metric.name}
    told = ", ".join(f"{name}: {_quoted(text)}" for name, text in parts.items() if text)
    listed = "".join(f'  {name}: {{off: "", on: {_quoted(text)}}}\n' for name, text in factors.items())
    example = '  # ema: {off: "", on: "--ema"}        # then put {ema} into the command\n' if not factors else ""
    limit = max(60, round(10 * seconds))
    return f"""# A study of a command: bakeoff ablate THIS_FILE says what each factor does to the metric.
# Places in the command are filled in for each run: {{seed}}, {{out}} (an empty folder, removed after the run), factors.
# The command also sees $BAKEOFF_SEED and $BAKEOFF_OUT. Nothing that is filled in goes through a shell.
command: {_quoted(command)}
{"shell: true" if shell else "# shell: true                           # only where it needs pipes or &&"}

# What is varied: the text that stands in its place where a factor is off, and where it is on. More than two values:
#   lr: {{values: ["--lr 0.1", "--lr 0.2", "--lr 0.4"]}}        # with --design add-one or leave-one-out
factors:
{listed}{example}
# Where the number is: a JSON file and a key; {{stdout: 'acc=([0-9.]+)'}}; or {{key: acc1}} of the last line of JSON
# that is printed.
# unit: points (an accuracy in percent), fraction (from 0 to 1), or any other unit.
metric: {{{told}, higher: {str(metric.higher).lower()}}}

# examples: "{{out}}/correct.npy"          # right or wrong (1 or 0) of each image: narrower, better intervals
# depends: [data/, config.yaml]          # beside the files that the command names and its scripts import
# lock: requirements.lock                # known lock files in this folder count by themselves
# env: {{TOKENIZERS_PARALLELISM: "false"}}
time: {limit}s                              # a run that takes longer is ended, and failed
# disk: 10GB                             # that a run may write to {{out}}
"""
