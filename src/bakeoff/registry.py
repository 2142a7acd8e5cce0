"""Doors: techniques, models, tasks and recipes by name, from an installed package, from a file, or as Python objects.

Each of the four rooms has one Registry. It knows the built-in names, those that installed packages offer as entry
points (groups `bakeoff.techniques`, `.models`, `.tasks` and `.recipes`; a package is imported when one of its names is
asked for), and what was named in this process: `./mine.py:GridMask` takes an object from a file, and an object stands
for itself. A file is run because the user named it, and for no other reason.

What came from outside has an origin with a digest of its source, which plans keep and run ids contain: an edited file
is another technique. The digest is that of the file that defines a thing; what that file imports isn't part of it.
`extensions` tells what was named, as values, and `load` names the same in another process.
"""

import functools
import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Generic, Literal, Self, TypeVar
from weakref import WeakKeyDictionary

from bakeoff import reader
from bakeoff.errors import RequestError, unknown

Group = Literal["technique", "model", "task", "recipe"]
T = TypeVar("T")

_ROOMS: dict[Group, str] = {
    "technique": "bakeoff.techniques",
    "model": "bakeoff.models",
    "task": "bakeoff.tasks",
    "recipe": "bakeoff.recipes",
}
_FILE_SPEC = re.compile(r"(?P<path>.+\.py):(?P<attribute>[A-Za-z_]\w*)")


@dataclass(frozen=True)
class Origin:
    """Where something from outside comes from.

    where: for people, such as "mine.py:GridMask". digest: of its source, 16 hexadecimal digits. portable: whether
    another process can load it.
    """

    where: str
    digest: str
    portable: bool


@dataclass(frozen=True, kw_only=True)
class Extension:
    """Something from outside that was named in this process: enough for another process to load the same.

    It comes from `file`, by its absolute path, or from the importable `module`; neither is there for what lives in this
    process only, which isn't portable. attribute: what to take from there. name: under which its registry knows it.
    """

    group: Group
    name: str
    where: str
    digest: str
    file: str | None = None
    module: str | None = None
    attribute: str = ""

    @property
    def portable(self) -> bool:
        """Whether another process can load it."""
        return self.file is not None or self.module is not None

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """What `as_json` made."""
        return cls(**data)


@dataclass(frozen=True)
class Found(Generic[T]):
    """What a name, a file or an object came to. extension: None for what is built in."""

    target: T
    name: str
    extension: Extension | None


class Registry(Generic[T]):
    """One kind of thing by name.

    group: which kind. builtin: our own names, and `make`, which gives the thing of such a name. accept: the thing that
    an object stands for, None where it can't be one; `wanted` says in errors what can. name_of: the name that a thing
    has of itself; None: it is named by its place, as "net:build".
    """

    def __init__(
        self,
        group: Group,
        builtin: Sequence[str],
        make: Callable[[str], T],
        accept: Callable[[object], T | None],
        wanted: str,
        name_of: Callable[[T], str] | None = None,
    ) -> None:
        self.group = group
        self.builtin = tuple(builtin)
        self._make, self._accept, self._wanted, self._name_of = make, accept, wanted, name_of
        self._named: dict[str, Found[T]] = {}
        _REGISTRIES[group] = self

    def names(self) -> tuple[str, ...]:
        """Every name: built in, named in this process, offered by installed packages. Nothing is loaded for it."""
        return tuple(dict.fromkeys((*self.builtin, *self._named, *self._entry_points)))

    def get(self, spec: object) -> T:
        """The thing of a name, a file ("./mine.py:GridMask"), or an object.

        Raises RequestError for a name that doesn't exist, a file or package that can't be loaded, an object of the
        wrong type, and a name that is taken by a built-in one.
        """
        return self._keep(self.find(spec)).target

    def add(self, spec: object) -> str:
        """The name under which a thing can be asked for from here on. Arguments and errors as for `get`."""
        return self._keep(self.find(spec)).name

    def origin(self, name: str) -> Origin | None:
        """Where the thing of a name comes from; None for what is built in and for names that aren't known here.

        A package that offers the name is imported for it. Raises RequestError if it can't be.
        """
        if name not in self._named and name not in self.builtin and name in self._entry_points:
            self.get(name)
        found = self._named.get(name)
        if found is None or found.extension is None:
            return None
        return Origin(found.extension.where, found.extension.digest, found.extension.portable)

    def find(self, spec: object) -> Found[T]:
        """As `get`, without keeping the name."""
        if not isinstance(spec, str):
            return self._of_object(spec)
        if spec in self._named:
            return self._named[spec]
        if spec in self.builtin:
            return Found(self._make(spec), spec, None)
        if match := _FILE_SPEC.fullmatch(spec):
            return self._of_file(Path(match["path"]), match["attribute"])
        if spec in self._entry_points:
            return self._of_package(self._entry_points[spec])
        raise unknown(self.group, spec, self.names())

    def keep(self, found: Found[T], name: str) -> None:
        """Let something that was found be known by a name."""
        if found.extension is not None:
            extension = Extension(**{**asdict(found.extension), "name": name})
            self._keep(Found(found.target, name, extension))

    @functools.cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=f"bakeoff.{self.group}s")}

    def _keep(self, found: Found[T]) -> Found[T]:
        if found.extension is not None:
            if found.name in self.builtin:
                raise RequestError(
                    f"{self.group} '{found.name}' of {found.extension.where} is named like a built-in one; "
                    "choose another name"
                )
            self._named[found.name] = found  # a file that was edited and named again takes its own place
            _EXTENSIONS[self.group, found.name] = found.extension
        return found

    def _of_object(self, thing: object) -> Found[T]:
        target: Any = self._checked(thing, f"{thing!r:.80}")
        if known := next((found for found in self._named.values() if found.target is target), None):
            return known
        if (digest := source_of(thing)) is None and self._name_of and (name := self._name_of(target)) in self.builtin:
            return Found(target, name, None)
        if isinstance(target, (type, FunctionType)):
            thing = target  # the class of a value
        module = sys.modules.get(getattr(thing, "__module__", "") or "")
        attribute = getattr(thing, "__qualname__", "")
        importable = bool(attribute) and module is not None and module.__name__ != "__main__"
        importable = importable and getattr(module, attribute, None) is thing
        file = getattr(module, "__file__", None) if importable else None
        alone = file if module is not None and "." not in module.__name__ and not hasattr(module, "__path__") else None
        return self._found(
            target,
            where=f"{_stem(module)}:{attribute}" if attribute and module else f"{type(thing).__name__} object",
            digest=digest or _hash(repr(thing).encode()),
            file=alone,
            module=module.__name__ if module is not None and file is not None and alone is None else None,
            attribute=attribute,
        )

    def _of_file(self, path: Path, attribute: str) -> Found[T]:
        module = load_file(path)
        if not hasattr(module, attribute):
            known = [name for name, thing in vars(module).items() if self._defined(module, name, thing)]
            raise unknown(f"{self.group} in {path}", attribute, known or ["nothing of the kind"])
        target = self._checked(getattr(module, attribute), f"{path}:{attribute}")
        return self._found(
            target,
            where=f"{path.name}:{attribute}",
            digest=_FILE_DIGESTS[module.__name__],
            file=str(reader.path(path, "file").resolve()),
            attribute=attribute,
        )

    def _of_package(self, point: EntryPoint) -> Found[T]:
        package = f"{point.dist.name} {point.dist.version}" if point.dist else point.module
        try:
            thing = point.load()
        except Exception as error:
            raise RequestError(
                f"{self.group} '{point.name}' of the package {package} can't be loaded: "
                f"{type(error).__name__}: {error}; mend or uninstall it"
            ) from error
        target = self._checked(thing, f"'{point.name}' of the package {package}")
        found = self._found(
            target,
            point.name,
            where=package,
            digest=source_of(thing) or _hash(repr(thing).encode()),
            module=point.module,
            attribute=point.attr,
        )
        if self._name_of and (own := self._name_of(target)) != point.name:
            raise RequestError(
                f"the package {package} offers {self.group} '{own}' under the name '{point.name}'; its entry point "
                "should be named alike"
            )
        return found

    def _found(self, target: T, name: str = "", **source: Any) -> Found[T]:
        name = name or (self._name_of(target) if self._name_of else source["where"].replace(".py:", ":"))
        return Found(target, name, Extension(group=self.group, name=name, **source))

    def _checked(self, thing: object, where: str) -> T:
        target = self._accept(thing)
        if target is None:
            raise RequestError(f"{where} can't be a {self.group}: it should be {self._wanted}")
        return target

    def _defined(self, module: ModuleType, name: str, thing: object) -> bool:
        ours = getattr(thing, "__module__", module.__name__) == module.__name__
        return ours and not name.startswith("_") and self._accept(thing) is not None


_REGISTRIES: dict[Group, Registry[Any]] = {}
_EXTENSIONS: dict[tuple[Group, str], Extension] = {}
_FILE_DIGESTS: dict[str, str] = {}  # module that was loaded from a file -> digest of the bytes that ran
_LATEST: dict[str, str] = {}  # file -> the module that was made of it last, whose kinds are the known ones
_SOURCES: WeakKeyDictionary[object, str] = WeakKeyDictionary()  # as they were when first asked for


def extensions() -> tuple[Extension, ...]:
    """Everything from outside that was named in this process, in the order in which it was loaded."""
    return tuple(_EXTENSIONS.values())


def origin(group: Group, name: str) -> Origin | None:
    """Where the thing of a name comes from: see `Registry.origin`."""
    return _registry(group).origin(name)


def load(extension: Extension) -> None:
    """Name in this process what was named in another.

    Raises RequestError for what can't be carried over, isn't there any more, or has changed since.
    """
    if not extension.portable:
        raise RequestError(
            f"{extension.group} '{extension.name}' ({extension.where}) lives in one process only, so no other can "
            "train with it: put it into a file, or train in this process"
        )
    registry = _registry(extension.group)
    if extension.file is not None:
        found = registry.find(f"{extension.file}:{extension.attribute}")
    else:
        assert extension.module is not None
        found = registry.find(getattr(importlib.import_module(extension.module), extension.attribute))
    if found.extension is not None and found.extension.digest != extension.digest:
        raise RequestError(
            f"{extension.group} '{extension.name}' ({extension.where}) was changed while work with it was going on; "
            "start again with the same command"
        )
    registry.keep(found, extension.name)


def source_of(thing: object) -> str | None:
    """16 hexadecimal digits for the source of a class, a function or a value of a class; None for what is built in.

    That of the whole file that defines it; where there is none, as in a notebook, of its functions and fields.
    """
    if isinstance(thing, functools.partial):
        return _hash(f"{source_of(thing.func)} {thing.args!r} {sorted(thing.keywords.items())!r}".encode())
    owner: Any = thing if isinstance(thing, (type, FunctionType)) else type(thing)
    name = owner.__module__
    if name.partition(".")[0] in ("bakeoff", "builtins"):
        return None
    if name in _FILE_DIGESTS:
        return _FILE_DIGESTS[name]
    if owner not in _SOURCES:
        file = getattr(sys.modules.get(name), "__file__", None)
        whole = Path(file).read_bytes() if file and name != "__main__" and Path(file).is_file() else None
        _SOURCES[owner] = _hash(whole if whole is not None else "\n".join(_described(owner)).encode())
    return _SOURCES[owner]


def load_file(path: Path) -> ModuleType:
    """Run a Python file as a module of its own name; once, unless it has changed since.

    Raises RequestError if it isn't there or fails, with its error and the line.
    """
    path = reader.path(path, "file")
    try:
        source = path.read_bytes()
    except OSError as error:
        raise RequestError(f"file '{path}': {(error.strerror or str(error)).lower()}") from None
    place = str(path.resolve())
    stem = re.sub(r"\W", "_", path.stem)
    name = f"bakeoff_file_{stem}_{_hash(place.encode() + source)}"
    if _LATEST.get(place) == name:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, place)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # as an import does: dataclasses and pickle look there
    _FILE_DIGESTS[name] = _hash(source)
    try:
        exec(compile(source, place, "exec"), vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[name], _FILE_DIGESTS[name]
        if isinstance(error, RequestError):
            raise RequestError(f"file '{path}': {error}") from error
        lines = [error.lineno] if isinstance(error, SyntaxError) else []
        lines += [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == place]
        at = f" (line {lines[-1]})" if lines and lines[-1] else ""
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise RequestError(f"file '{path}' can't be loaded: {type(error).__name__}: {reason}{at}") from error
    _LATEST[place] = name
    return module


def model_source(name: str) -> str | None:
    """The digest of a model's source by its name; None for one that is built in or isn't known here."""
    registry = _REGISTRIES.get("model")  # a model from outside was named there; else there is nothing to ask
    found = registry.origin(name) if registry else None
    return found.digest if found else None


def is_file_spec(spec: object) -> bool:
    """Whether a text names something in a file, as "./mine.py:GridMask" does."""
    return isinstance(spec, str) and _FILE_SPEC.fullmatch(spec) is not None


def _registry(group: Group) -> Registry[Any]:
    importlib.import_module(_ROOMS[group])
    return _REGISTRIES[group]


def _stem(module: ModuleType) -> str:
    own = module.__name__ in _FILE_DIGESTS and module.__file__
    return Path(own).stem if own else module.__name__.rpartition(".")[2]


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _described(thing: Any) -> Iterator[str]:
    """What a class or function without a file does, as text: its functions' source, else bytecode; its fields."""
    yield str(thing.__qualname__)
    if isinstance(thing, FunctionType):
        try:
            yield inspect.getsource(thing)
        except (OSError, TypeError):
            yield _code(thing.__code__)
        return
    for name, field in getattr(thing, "model_fields", {}).items():
        yield f"{name}: {field!r}"
    for name, member in sorted(vars(thing).items()):
        inner = getattr(member, "__func__", member)
        if isinstance(inner, FunctionType) and inner.__module__ == thing.__module__:
            yield from _described(inner)
        elif isinstance(member, (str, int, float, tuple, dict)) and not name.startswith(("_", "model_")):
            yield f"{name} = {member!r}"


def _code(code: CodeType) -> str:
    constants = [_code(each) if isinstance(each, CodeType) else repr(each) for each in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"
