"""The house: its rooms, what each is for, and the arrows of imports between them, which run one way."""

import ast
import re
from pathlib import Path

import pytest

import bakeoff

SOURCE = Path(bakeoff.__file__).parent
VOCABULARY = (
    "errors", "reader", "events", "files", "rng", "encoding", "registry", "parts", "plan", "task", "technique",
    "recipe",
)  # fmt: skip

# From the ground up, the modules of the vocabulary among the rooms: each imports from those below it only. What a room
# is for stands in its package's docstring.
FLOORS = (
    ("errors",),
    ("reader",),
    ("events", "files", "rng", "encoding", "registry"),
    ("parts", "storage"),
    ("plan",),
    ("data", "models", "stats"),
    ("task",),
    ("technique",),
    ("recipe",),
    ("techniques", "tasks"),
    ("recipes", "engine"),
    ("runs",),
    ("commands",),
    ("study", "inference", "observed"),
    ("launch", "judging"),
    ("ablation", "report"),
    ("derivation", "teach"),
    ("api",),
    ("cli", "testing"),
)
ROOMS = [room for floor in FLOORS for room in floor if room not in VOCABULARY]
LIGHT = (
    *(name for name in VOCABULARY if name != "rng"), "runs.store", "commands", "study", "report", "cli",
)  # fmt: skip  # rng makes tensors
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in SOURCE.rglob("*.py")
}


def imported(path: Path, *, at_start: bool = False) -> set[str]:
    """Modules and names that a file imports; at_start: those that are loaded when it is, types aside."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = list(tree.body) if at_start else list(ast.walk(tree))
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(path: Path) -> set[str]:
    """Modules of bakeoff that a file imports, wherever in it."""
    found = set()
    for name in imported(path):
        if name.startswith("bakeoff."):
            inner = name.removeprefix("bakeoff.")
            found.add(inner if inner in MODULES else inner.rpartition(".")[0])
    return found - {""}


def room(module: str) -> str:
    return module.partition(".")[0]


def test_every_module_has_its_room() -> None:
    assert {room(module) for module in MODULES} <= {"__init__", "__main__", *VOCABULARY, *ROOMS}


@pytest.mark.parametrize("name", [name for name in ROOMS if (SOURCE / name).is_dir()])
def test_every_room_says_in_a_sentence_what_it_is_for(name: str) -> None:
    told = ast.get_docstring(ast.parse((SOURCE / name / "__init__.py").read_text("utf-8")))
    assert told, f"{name}/__init__.py doesn't say what the room is for"
    assert re.match(r"[A-Z][^\n]{20,}\.", told), told


@pytest.mark.parametrize("module", sorted(MODULES))
def test_arrows_run_one_way(module: str) -> None:
    here = room(module)
    if here in ("__init__", "__main__", ""):
        return  # the face: it may name everything
    floor = next(index for index, rooms in enumerate(FLOORS) if here in rooms)
    below = {here, *(name for rooms in FLOORS[:floor] for name in rooms)}
    up = sorted(name for name in ours(MODULES[module]) if room(name) not in below)
    assert not up, f"{module} imports {', '.join(up)}, which is above it or beside it"


def test_there_is_no_circle() -> None:
    arrows = {module: ours(path) for module, path in MODULES.items()}
    state: dict[str, int] = {}

    def visit(module: str, trail: tuple[str, ...]) -> None:
        if state.get(module) == 2:
            return
        assert state.get(module) != 1, " -> ".join((*trail, module))
        state[module] = 1
        for name in sorted(arrows[module]):
            visit(name, (*trail, module))
        state[module] = 2

    for module in sorted(arrows):
        visit(module, ())


def test_stats_know_nothing_of_ours_but_errors() -> None:
    for module, path in MODULES.items():
        if room(module) == "stats":
            assert {name for name in ours(path) if room(name) != "stats"} <= {"errors"}, module


@pytest.mark.parametrize("name", LIGHT)
def test_what_is_read_at_once_starts_without_torch(name: str) -> None:
    for module, path in MODULES.items():
        if module == name or module.startswith(f"{name}."):
            heavy = {n for n in imported(path, at_start=True) if n.partition(".")[0] in ("torch", "torchvision")}
            assert not heavy, f"{module} imports {heavy}"


def test_the_loop_is_short_and_names_no_technique() -> None:
    text = (SOURCE / "engine" / "train.py").read_text("utf-8")
    assert text.count("\n") <= 220
    names = {file.stem for file in (SOURCE / "techniques").glob("[a-z]*.py")} - {"published"}
    names.remove("label_smoothing")  # also torch's name for what the loss slot holds
    assert len(names) > 20
    assert not [name for name in names if re.search(rf"\b{name}\b", text)]
