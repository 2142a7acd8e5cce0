"""A training command as a value: what is typed, where it says how good it was, and within which bounds it runs."""

import itertools
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field, ValidationError, field_validator, model_validator

from bakeoff.encoding import Value
from bakeoff.errors import RequestError, explain_validation, shown, unknown

Text = str | tuple[str, ...]  # of a factor at a level: as it is typed, or its words
SEED, OUT = "seed", "out"
DAY = 86400.0
_HOLE = re.compile(r"\{\{|\}\}|(?<!\$)\{([A-Za-z_][\w.-]*)\}")
_LONGEST = 100_000  # characters of a command: systems take about 128 k for one word
Seconds = Annotated[float, Field(gt=0, le=366 * DAY)]


class Metric(Value):
    """Where a command says how good it was: one number.

    file: JSON, or the last line of JSON lines, or a bare number; "{out}/metrics.json". stdout: a regular expression
    with one group, whose last match on standard output counts. Without both: the last line of standard output that is
    a JSON object and has the key. key: in that JSON, with dots into objects. higher: more is better. unit: "points" or
    "percent" of an accuracy, "fraction" of an accuracy from 0 to 1, which is told in points; anything else is told as
    it is. name: what it is called (empty: the last part of the key, else "metric").
    """

    file: str = ""
    key: str = ""
    stdout: str = ""
    higher: bool = True
    unit: str = ""
    name: str = ""

    @field_validator("stdout")
    @classmethod
    def _is_expression(cls, given: str) -> str:
        try:
            groups = re.compile(given).groups if given else 1
        except re.error as error:
            raise ValueError(f"{shown(given)} is no regular expression: {error}") from None
        if groups != 1:
            raise ValueError(f"{shown(given)} needs one group in brackets, which is the number: 'acc1=([0-9.]+)'")
        return given

    @model_validator(mode="after")
    def _is_somewhere(self) -> "Metric":
        if self.file and self.stdout:
            raise ValueError("it is in a file or on standard output: leave one of the two out")
        if self.stdout and self.key:
            raise ValueError("a regular expression has no key: leave one of the two out")
        if not (self.file or self.stdout or self.key):
            raise ValueError("it needs a file, an expression for standard output, or the key of a line of JSON there")
        return self

    @classmethod
    def written(cls, text: str, *, higher: bool = True, unit: str = "") -> "Metric":
        """A metric as people write it in one word. Raises RequestError.

        KEY of the last JSON on standard output, FILE, FILE:KEY, or an expression with one group for standard output.
        """
        if "(" in text:
            named = re.match(r"\W*([\w/]+)\W*\(", text)
            where = {"stdout": text, "name": named[1] if named else ""}
        elif ":" in text or "/" in text or text.endswith((".json", ".jsonl", ".txt")):
            file, _, key = text.partition(":")
            where = {"file": file, "key": key}
        else:
            where = {"key": text}
        try:
            return cls(**where, higher=higher, unit=unit)
        except ValidationError as error:
            raise RequestError(f"--metric {shown(text)}: {explain_validation(error)}") from None

    @property
    def called(self) -> str:
        """What people call it."""
        return self.name or _HOLE.sub("", self.key.rpartition(".")[2]) or "metric"

    @property
    def accuracy(self) -> bool:
        """Whether it is an accuracy, in points or as a fraction."""
        return self.unit in ("points", "point", "percent", "%", "fraction")

    @property
    def place(self) -> str:
        """Where it is looked for, in words."""
        if self.stdout:
            return f"standard output, by {self.stdout}"
        key = f"the key {self.key!r} of " if self.key else ""
        return f"{key}{self.file}" if self.file else f"{key}the last line of JSON on standard output"


class Reading(Value):
    """One of the numbers that a run leaves. name: of the levels of evaluation factors, empty where there are none."""

    name: str
    metric: Metric
    examples: str


class Command(Value):
    """A command that trains once, as a template, and how it is run. See `Metric` for what comes out.

    command: words as in a shell, with {seed}, {out} (an empty folder of its own, which is removed afterwards) and the
    names of factors as places to fill in; {{ and }} are braces. folder: in which it runs, an absolute path. examples:
    file.npy of (N,) right or wrong per image, for paired inference. evaluate: factors whose two texts, off and on, are
    filled into the metric and the examples instead, so that one run is read at both levels. depends: files and folders,
    beside those that it names, whose contents are part of a run's identity. lock: the environment's lock files (None:
    those of the usual names that are there). env: variables for it. shell: /bin/sh runs it, so that pipes and && work;
    what is filled in is quoted all the same. time: seconds that it may take. disk: bytes that its {out} may take; None
    for any.
    """

    command: Annotated[str, Field(min_length=1, max_length=_LONGEST)]
    folder: str
    metric: Metric
    examples: str = ""
    evaluate: dict[str, tuple[str, str]] = Field(default_factory=dict)
    depends: tuple[str, ...] = ()
    lock: tuple[str, ...] | None = None
    env: dict[str, str] = Field(default_factory=dict)
    shell: bool = False
    time: Seconds = DAY
    disk: Annotated[float, Field(gt=0)] | None = None

    @field_validator("command", "examples")
    @classmethod
    def _no_zero(cls, given: str) -> str:
        if "\0" in given:
            raise ValueError("it holds a null byte, which no command's words do")
        return given

    @model_validator(mode="after")
    def _places(self) -> "Command":
        looked = f"{self.metric.file} {self.metric.key} {self.metric.stdout} {self.examples}"
        for name in self.evaluate:
            if f"{{{name}}}" not in looked:
                raise ValueError(f"evaluate: '{name}' has no place: put {{{name}}} into the metric or the examples")
        try:
            for reading in self.readings:
                for text in (reading.metric.file, reading.examples):
                    _check_holes(text, (SEED, OUT))
        except RequestError as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def readings(self) -> tuple[Reading, ...]:
        """What is read of a run: at all levels of the evaluation factors, off before on, the last one fastest."""
        found = []
        for levels in itertools.product((False, True), repeat=len(self.evaluate)):
            chosen = list(zip(self.evaluate.items(), levels, strict=True))

            def at(text: str, chosen: list[tuple[tuple[str, tuple[str, str]], bool]] = chosen) -> str:
                for (name, texts), on in chosen:
                    text = text.replace(f"{{{name}}}", texts[on])
                return text

            name = "-".join(f"{name}_{'on' if on else 'off'}" for (name, _), on in chosen)
            parts = {part: at(getattr(self.metric, part)) for part in ("file", "key", "stdout")}
            metric = self.metric.model_copy(update={**parts, "name": self.metric.called})
            found.append(Reading(name=name, metric=metric, examples=at(self.examples)))
        return tuple(found)

    @property
    def holes(self) -> frozenset[str]:
        """Names of the places to fill in."""
        return frozenset(name for name in _HOLE.findall(self.command) if name)

    def expand(self, texts: Mapping[str, Text] | None = None) -> tuple[str, ...]:
        """The words of the command with the texts of factors filled in, {seed} and {out} left: see `filled`.

        texts: factor -> its text. Where the place is a word of its own, a text is split into words as a shell would,
        none or several; inside a word it is put in as it is. Nothing in a text is ever executed.

        Raises RequestError for places without a text, texts without a place, and quotes that don't end.
        """
        texts = texts or {}
        for name in sorted(self.holes - {SEED, OUT}):
            if name not in texts:
                raise unknown("place to fill in", f"{{{name}}}", [f"{{{each}}}" for each in (SEED, OUT, *texts)])
        for name in texts:
            if name in (SEED, OUT):
                raise RequestError(f"a factor can't be called {name}: {{{name}}} stands for the run's {name}")
            if name not in self.holes:
                raise RequestError(
                    f"factor '{name}' has no place in the command: put {{{name}}} where its text belongs"
                )
        words = self._script(texts) if self.shell else self._words(texts)
        for word in words:
            _check_holes(word, (SEED, OUT))
        if not words or not words[0]:
            raise RequestError("the command is empty")
        return words

    def _words(self, texts: Mapping[str, Text]) -> tuple[str, ...]:
        words: list[str] = []
        for word in _split(self.command, "the command"):
            whole = _HOLE.fullmatch(word)
            if whole and whole[1] in texts:
                words += _words(texts[whole[1]], whole[1])
            else:
                words.append(_HOLE.sub(lambda hole: _inside(hole, texts), word))
        return tuple(words)

    def _script(self, texts: Mapping[str, Text]) -> tuple[str, ...]:
        """What is filled in is never part of the script: it comes as its parameters."""
        parameters: list[str] = []

        def parameter(hole: re.Match[str]) -> str:
            if not hole[1]:
                return hole[0][0]
            if _in_quotes(self.command[: hole.start()]):
                raise RequestError(
                    f"{hole[0]} stands within quotes of the shell's command: leave them out, it is quoted by itself"
                )
            alone = self.command[: hole.start()][-1:].strip() == "" == self.command[hole.end() :][:1].strip()
            new = [hole[0]] if hole[1] in (SEED, OUT) else None
            if new is None:
                text = texts[hole[1]]
                new = _words(text, hole[1]) if alone else [_raw(text, hole[1])]
            parameters.extend(new)
            first = len(parameters) - len(new) + 1
            return " ".join(f'"${{{number}}}"' for number in range(first, len(parameters) + 1))

        script = _HOLE.sub(parameter, self.command)
        return "/bin/sh", "-c", script.replace("{", "{{").replace("}", "}}"), "sh", *parameters


def filled(text: str, seed: int, out: str) -> str:
    """A word, or the name of a file, with the seed and the folder for results in it."""
    values = {SEED: str(seed), OUT: out}
    return _HOLE.sub(lambda hole: values[hole[1]] if hole[1] else hole[0][0], text)


def typed(words: Iterable[str]) -> str:
    """Expanded words as a person would type them."""
    found = list(words)
    if found[:2] == ["/bin/sh", "-c"]:
        script = found[2].replace("{{", "{").replace("}}", "}")
        return re.sub(r'"\$\{(\d+)\}"', lambda hole: _typed(found[3 + int(hole[1])]), script)
    return " ".join(map(_typed, found))


def _typed(word: str) -> str:
    return word if re.fullmatch(r"[\w{}./:=,@%+-]+", word) else shlex.quote(word)


def _split(text: str, what: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:  # "No closing quotation"
        raise RequestError(f"{what} {shown(text)}: {str(error).lower()}") from None


def _words(text: Text, name: str) -> list[str]:
    return _split(text, f"factor '{name}',") if isinstance(text, str) else list(text)


def _inside(hole: re.Match[str], texts: Mapping[str, Text]) -> str:
    return _raw(texts[hole[1]], hole[1]) if hole[1] in texts else hole[0]


def _raw(text: Text, name: str) -> str:
    if isinstance(text, str):
        return text
    if len(text) != 1:
        raise RequestError(f"factor '{name}' stands inside a word of the command, so it takes one word, not a list")
    return text[0]


def _check_holes(text: str, known: tuple[str, ...]) -> None:
    for name in _HOLE.findall(text):
        if name and name not in known:
            raise unknown("place to fill in", f"{{{name}}}", [f"{{{each}}}" for each in known])


def _in_quotes(before: str) -> bool:
    """Whether what follows such a beginning of a shell's command stands within quotes."""
    quote, escaped = "", False
    for character in before:
        if escaped:
            escaped = False
        elif character == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
    return bool(quote)
