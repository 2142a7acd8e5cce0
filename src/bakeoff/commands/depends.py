"""What the result of a command depends on: its words, and what is in the files that it names and needs.

Of a Python script the modules beside it that it imports count too, as far as its text says.
"""

import ast
import hashlib
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from bakeoff.commands.command import Command, Text, typed
from bakeoff.encoding import Value
from bakeoff.errors import DataChanged, RequestError, shown
from bakeoff.runs.record import command_digest, command_run

LOCKS = (
    "uv.lock", "poetry.lock", "pdm.lock", "pixi.lock", "conda-lock.yml", "Pipfile.lock", "requirements.txt",
    "environment.yml",
)  # fmt: skip
_SKIPPED = {"__pycache__", ".git", ".venv", "venv", "node_modules", ".ipynb_checkpoints"}  # of a folder
_MOST_FILES = 1_000_000
_hashed: dict[str, tuple[tuple[int, ...], str]] = {}  # path -> what it looked like when it was hashed, and its hash


class Invocation(Value):
    """A command with the texts of its factors, and what it depends on: all that a run is, but for its seed.

    words: with {seed} and {out} left. files: name -> SHA-256 of what it depends on; names are relative to the folder
    where they are in it.
    """

    command: Command
    words: tuple[str, ...]
    files: dict[str, str]

    @classmethod
    def of(cls, command: Command, texts: Mapping[str, Text] | None = None) -> "Invocation":
        """Expand a command and hash what it depends on. Raises RequestError for what isn't there."""
        words = command.expand(texts)
        return cls(command=command, words=words, files=_files(command, words))

    @cached_property
    def identity(self) -> dict[str, object]:
        """What its runs are told apart by, beside the seed, as plain data."""
        how = self.command.metric.model_dump(include={"file", "key", "stdout"})
        fraction = self.command.metric.unit == "fraction"
        return {
            "words": list(self.words),
            "files": dict(sorted(self.files.items())),
            "metric": {**how, **({"fraction": True} if fraction else {})},
            "examples": self.command.examples,
            **({"evaluate": self.command.evaluate} if self.command.evaluate else {}),
            "env": dict(sorted(self.command.env.items())),
        }

    @property
    def digest(self) -> str:
        """Of the identity."""
        return command_digest(self.identity)

    def run_id(self, seed: int) -> str:
        """12 hexadecimal digits that identify a run with a seed."""
        return command_run(self.digest, seed)

    @property
    def typed(self) -> str:
        """As a person would type it, with {seed} and {out}."""
        return typed(self.words)

    def check(self) -> None:
        """Raise DataChanged where what it depends on isn't what it was any more."""
        now = _files(self.command, self.words)
        for name in sorted({*now, *self.files}):
            if now.get(name) != self.files.get(name):
                how = "was changed" if name in now and name in self.files else "came or went"
                raise DataChanged(f"{name} {how} since its runs were planned; start again: they are other runs now")


def _files(command: Command, words: tuple[str, ...]) -> dict[str, str]:
    folder = Path(command.folder)
    if not folder.is_dir():
        raise RequestError(f"the command's folder {shown(command.folder)} isn't there")
    found = {}
    for name in command.depends:
        path = folder / name
        found[_name(path, folder)] = _hash_of_folder(path) if path.is_dir() else _hash(path, "depends")
    for name in LOCKS if command.lock is None else command.lock:
        if command.lock is not None or (folder / name).is_file():
            found[_name(folder / name, folder)] = _hash(folder / name, "lock")
    scripts = {path for path in _named(folder, words) if path.is_file()}
    imported = _imported([path for path in scripts if path.suffix == ".py"], folder)
    return found | {_name(path, folder): _hash(path) for path in sorted(scripts | imported)}


def _named(folder: Path, words: tuple[str, ...]) -> Iterator[Path]:
    """What the words of a command name: a path, the path in --config=PATH, the module in -m MODULE.

    The program itself only where it is in the folder: one that is installed belongs to the environment.
    """
    if words[:2] == ("/bin/sh", "-c"):
        try:
            inner = shlex.split(words[2].replace("{{", "{").replace("}}", "}"))
        except ValueError:
            inner = words[2].split()
        words = (*inner, *words[4:])
    for index, word in enumerate(words):
        for text in {word, word.partition("=")[2]} - {""}:
            path = folder / text
            with_program = index > 0 or (os.sep in text and _is_in(path, folder))
            if with_program and "{" not in text and len(text) < 4096 and "\0" not in text and _exists(path):
                yield path
        if index and words[index - 1] == "-m":
            module = folder / word.replace(".", os.sep)
            yield from (module.with_suffix(".py"), module / "__main__.py", module / "__init__.py")


def _is_in(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a longer name than a file can have
        return False


def _hash_of_folder(path: Path) -> str:
    """Of all files of a folder and their names, hidden ones and caches aside."""
    whole, count = hashlib.sha256(), 0
    for at, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        for each in sorted(Path(at, name) for name in names if not name.startswith(".") and not name.endswith(".pyc")):
            if each.is_file():
                whole.update(f"{_name(each, path)}\0{_hash(each)}\n".encode())
                count += 1
        if count > _MOST_FILES:
            raise RequestError(f"depends: {path} has more than {_MOST_FILES:,} files: name those that count")
    return whole.hexdigest()


def _imported(scripts: Iterable[Path], folder: Path) -> set[Path]:
    """Modules beside scripts, and in the folder, that they import, and those import in turn."""
    found: set[Path] = set()
    left = [(script, script.parent) for script in scripts]
    while left:
        path, root = left.pop()
        for base, module in _modules(path):
            for at in {root, folder} if base is None else {base}:
                stem = at.joinpath(*module)
                for each in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py", stem / "__main__.py"):
                    if each not in found and each.is_file():
                        found.add(each)
                        left.append((each, root))
    return found


def _modules(path: Path) -> Iterator[tuple[Path | None, tuple[str, ...]]]:
    """What a file imports, as parts of names, with the packages on the way; and from where, where it says so."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError, RecursionError):
        return
    for node in ast.walk(tree):
        base, names = None, list[tuple[str, ...]]()
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = tuple((node.module or "").split(".")) if node.module else ()
            names = [(*start, alias.name) for alias in node.names]
            base = path.parents[min(node.level, len(path.parents)) - 1] if node.level else None
        for name in names:
            yield from ((base, name[: end + 1]) for end in range(len(name)) if "*" not in name[: end + 1])


def _name(path: Path, folder: Path) -> str:
    absolute = os.path.normpath(path)
    inside = os.path.relpath(absolute, os.path.normpath(folder))
    name = absolute if inside.startswith("..") else Path(inside).as_posix()
    return name.encode("utf-8", "backslashreplace").decode()


def _hash(path: Path, what: str = "") -> str:
    try:
        facts = os.stat(path)
        stamp = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        known = _hashed.get(str(path))
        if known and known[0] == stamp:
            return known[1]
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        begin = f"{what}: " if what else ""
        raise RequestError(f"{begin}{path} can't be read: {(error.strerror or str(error)).lower()}") from None
    _hashed[str(path)] = stamp, digest
    return digest
