"""The file of a study of a command: YAML that people write, read into a typed value; what is wrong is one line.

    command: python train.py --seed {seed} --out {out} {mixup} {lr}
    factors:
      mixup: {off: "", on: "--mixup 0.2"}
      lr: {values: ["--lr 0.1", "--lr 0.2", "--lr 0.4"]}
    metric: {file: "{out}/metrics.json", key: acc1, unit: points}

See `Command` and `Metric` for the other keys.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bakeoff import reader
from bakeoff.commands.command import DAY, OUT, SEED, Command, Metric, Text
from bakeoff.commands.depends import Invocation
from bakeoff.commands.run import program
from bakeoff.encoding import Value
from bakeoff.errors import RequestError, shown, unknown
from bakeoff.recipes import text

_NAME = re.compile(r"[A-Za-z_][\w.-]*")
_MOST_FACTORS, _MOST_VALUES = 64, 16
_KEYS = (
    "command", "factors", "metric", "examples", "evaluate", "depends", "lock", "env", "shell", "time", "disk", "folder",
    "name",
)  # fmt: skip


class CommandStudy(Value):
    """A command and what is varied of it.

    name: what it is called. factors: name -> its texts; the first one is off, or where it starts from. typed: what
    asked for the study, to be typed again.
    """

    name: str
    command: Command
    factors: dict[str, tuple[Text, ...]]
    typed: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> "CommandStudy":
        if twice := self.factors.keys() & self.command.evaluate.keys():
            raise ValueError(f"'{min(twice)}' is a factor and an evaluation factor: leave one of the two out")
        self.command.expand({name: texts[0] for name, texts in self.factors.items()})
        return self

    def texts(self, levels: Mapping[str, int]) -> dict[str, Text]:
        """Factor -> its text at a level; at its first where none is named."""
        return {name: texts[levels.get(name, 0)] for name, texts in self.factors.items()}

    def invocation(self, levels: Mapping[str, int]) -> Invocation:
        """The command at these levels. Raises RequestError where what it needs isn't there."""
        return Invocation.of(self.command, self.texts(levels))

    def check(self) -> None:
        """Raise RequestError where a run could not even be started."""
        found = self.invocation({})
        program(found.words, self.command.folder, {**os.environ, **self.command.env})


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Levels(_Strict):
    off: Text | None = None
    on: Text | None = None
    values: Annotated[tuple[Text, ...] | None, Field(min_length=2, max_length=_MOST_VALUES)] = None

    @model_validator(mode="after")
    def _one_way(self) -> "_Levels":
        if (self.values is None) == (self.on is None):
            raise ValueError("it has on (and off), or values: one of the two")
        if self.values is not None and self.off is not None:
            raise ValueError("off goes with on; the first of the values is what the others are compared to")
        if len(set(self.texts)) < len(self.texts):
            raise ValueError("two of its texts are the same, so that nothing is compared")
        return self

    @property
    def texts(self) -> tuple[Text, ...]:
        """The first one is off."""
        return self.values or (self.off or "", self.on or "")


class _Plain(_Levels):
    off: str | None = None
    on: str | None = None
    values: None = None


class _File(_Strict):
    command: str
    factors: Annotated[dict[str, _Levels], Field(min_length=1, max_length=_MOST_FACTORS)]
    metric: Metric
    examples: str | dict[str, str] = ""
    evaluate: dict[str, _Plain] = Field(default_factory=dict)
    depends: tuple[str, ...] = ()
    lock: tuple[str, ...] | None = None
    env: dict[str, str] = Field(default_factory=dict)
    shell: bool = False
    time: str = f"{DAY:g}s"
    disk: str | None = None
    folder: str = ""
    name: str = ""

    @field_validator("depends", "lock", mode="before")
    @classmethod
    def _one_or_more(cls, given: Any) -> Any:
        return [given] if isinstance(given, str) else given


def read(path: Path | str) -> CommandStudy:
    """Read a study's file. Raises RequestError that names it, the line and the key, for whatever is wrong with it."""
    where = reader.path(path, "the study's file")
    try:
        data, lines = text.located(where)
    except RequestError as error:
        raise RequestError(f"{where}: {error}") from None

    def complain(place: tuple[str | int, ...], why: str) -> RequestError:
        known = place
        while known and known not in lines:
            known = known[:-1]
        key = ".".join(map(str, place))
        return RequestError(f"{where}, line {lines.get(known, 1)}: {f'{key}: ' if key else ''}{why}")

    if not isinstance(data, dict):
        raise complain((), "it should be keys and values: command, factors and metric")
    for key in data:
        if key not in _KEYS:
            raise complain((key,), str(unknown("key", key, _KEYS)))
    for key in ("factors", "evaluate"):
        for name in data[key] if isinstance(data.get(key), dict) else ():
            if not _NAME.fullmatch(name):
                raise complain((key, name), f"a factor is called by a word such as mixup, not {shown(name)}")
            if name in (SEED, OUT):
                raise complain((key, name), f"{{{name}}} stands for the run's {name}: call the factor otherwise")
    try:
        file = _File.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = tuple(part for part in first["loc"] if part in _places(lines))
        if first["type"] == "missing":
            place = (*place, first["loc"][-1]) if first["loc"][-1] not in place else place
        raise complain(place, _why(first)) from None
    root = where.parent.resolve()
    for key in ("time", "disk"):
        try:
            given = getattr(file, key)
            _ = given and (reader.duration(given) if key == "time" else reader.size(given))
        except RequestError as error:
            raise complain((key,), str(error)) from None
    here: tuple[str | int, ...] = ("command",)
    try:
        command = Command(
            command=file.command,
            folder=str((root / file.folder).resolve()),
            metric=file.metric,
            examples=file.examples if isinstance(file.examples, str) else file.examples.get("file", ""),
            evaluate={name: (each.off or "", each.on or "") for name, each in file.evaluate.items()},
            depends=file.depends,
            lock=file.lock,
            env=file.env,
            shell=file.shell,
            time=reader.duration(file.time),
            disk=reader.size(file.disk) if file.disk else None,
        )
        factors = {name: each.texts for name, each in file.factors.items()}
        for name, texts in factors.items():
            here = ("factors", name)
            for each in texts:
                command.model_copy(update={"command": f"x {{{name}}}"}).expand({name: each})
        here = ("command",)
        return CommandStudy(name=file.name or where.stem, command=command, factors=factors)
    except ValidationError as error:
        first = error.errors()[0]
        inner = tuple(part for part in first["loc"] if part in _places(lines))
        raise complain(inner or here, _why(first)) from None
    except RequestError as error:
        raise complain(here, str(error)) from None


def _places(lines: Mapping[tuple[str | int, ...], int]) -> set[str | int]:
    """Parts of places: pydantic's name types as well."""
    return {part for place in lines for part in place}


def _why(error: Any) -> str:
    kind, message = error["type"], str(error["msg"]).removeprefix("Value error, ")
    if kind == "missing":
        return "it is missing"
    if kind == "extra_forbidden":
        return "there is no such key"
    if kind == "value_error":
        return message
    return f"{message[0].lower()}{message[1:]} (got {shown(error['input'])})"
