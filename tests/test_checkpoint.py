"""Checkpoints and weights that were damaged: found, set aside, and the run ends with the bits that it has without."""

import json
import pickle
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bakeoff.engine.train as engine
from bakeoff import plan as slots
from bakeoff.data.dataset import Dataset
from bakeoff.engine import tensors
from bakeoff.engine.checkpoint import Checkpoint
from bakeoff.engine.optim import build_optimizer
from bakeoff.engine.state import State
from bakeoff.engine.tensors import Damaged
from bakeoff.engine.train import train
from bakeoff.errors import BakeoffError
from bakeoff.events import CheckpointSetAside, Event, observing
from bakeoff.models import build
from bakeoff.plan import Plan
from bakeoff.runs import runner
from bakeoff.runs.store import Store
from bakeoff.runs.workspace import Workspace
from bakeoff.storage import LocalStorage, local_file
from tests.helpers import small_data, small_plan

CPU = torch.device("cpu")
ADAM: dict[str, Any] = {"optimizer": slots.Adam(), "precision": slots.Precision(channels_last=False)}
Damage = Callable[[bytes], bytes]


class KilledError(Exception):
    pass


def checkpoint(folder: Path, run: str = "r") -> Checkpoint:
    return Checkpoint(local_file(folder / "c.safetensors"), run)


def paths(folder: Path) -> tuple[Path, Path]:
    return folder / "c.safetensors", folder / "c-2.safetensors"


def stopped(folder: Path, run: str = "r", looks: int = 2, seed: int = 0, **extra: Any) -> tuple[bytes, bytes]:
    """Train, and die after two checkpoints, at steps 16 and 8 of 24. Returns what they are."""
    seen = 0

    def die(progress: object) -> None:
        nonlocal seen
        seen += 1
        if seen > looks:
            raise KilledError

    often = patch.multiple(engine, _REPORT_SECONDS=-1.0, _CHECKPOINT_SECONDS=-1.0)
    with often, pytest.raises(KilledError):
        train(small_plan(**extra), small_data(), seed, CPU, checkpoint=checkpoint(folder, run), report=die)
    first, second = paths(folder)
    return second.read_bytes(), first.read_bytes()


def fresh(plan: Plan) -> State:
    model = build(plan.model)
    return State(model, build_optimizer(model, plan), plan)


def same(a: State, b: State) -> bool:
    ours, theirs = a.tensors(), b.tensors()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def again(data: bytes, change: Callable[[dict[str, torch.Tensor], dict[str, str]], Any]) -> bytes:
    """The file with other tensors or metadata, by the library that wrote it, its digest left as it is."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    found, meta = safetensors.torch.load(data), header["__metadata__"]
    change(found, meta)
    return safetensors.torch.save(found, meta)


def sealed(data: bytes, change: Callable[[dict[str, torch.Tensor], dict[str, object]], Any]) -> bytes:
    """The file with other tensors or contents of the metadata, and a digest that is right."""
    found, about = tensors.unpacked(data)
    change(found, about)
    return tensors.packed(found, about)


def set_shape(found: dict[str, torch.Tensor], meta: object) -> None:
    name = next(name for name in found if name.startswith("model."))
    found[name] = found[name].flatten()[None]


def swap(found: dict[str, torch.Tensor], meta: object) -> None:
    pairs = [(name, name.replace("model.", "average.")) for name in found if name.startswith("model.")]
    name, other = next(pair for pair in pairs if not torch.equal(found[pair[0]], found[pair[1]]))
    found[name], found[other] = found[other], found[name]


def cut(at: int) -> Damage:
    return lambda data: data[:at]


DAMAGE: dict[str, Damage] = {
    **{f"cut at {at}": cut(at) for at in (0, 1, 7, 8, 9, 100, 1000, 5000, -1, -8, -1000)},
    "longer": lambda data: data + b"\0",
    "a bit": lambda data: data[:-100] + bytes([data[-100] ^ 1]) + data[-99:],
    "zeros": lambda data: bytes(len(data)),
    "pickle": lambda data: pickle.dumps({"model": [1.0]}),
    "text": lambda data: b"not a checkpoint\n" * 100,
    "huge header": lambda data: struct.pack("<Q", 2**62) + data[8:],
    "deep header": lambda data: struct.pack("<Q", 200_000) + b"[" * 200_000,
    "header is a list": lambda data: struct.pack("<Q", 2) + b"[]",
    "metadata is a list": lambda data: struct.pack("<Q", 19) + b'{"__metadata__":[]}',
    "no metadata": lambda data: again(data, lambda found, meta: meta.clear()),
    "broken metadata": lambda data: again(data, lambda found, meta: meta.update(meta="{")),
    "a tensor too few": lambda data: again(data, lambda found, meta: found.popitem()),
    "a tensor too many": lambda data: again(data, lambda found, meta: found.update(more=torch.zeros(3))),
    "another shape": lambda data: again(data, set_shape),
    "tensors swapped": lambda data: again(data, swap),
    "a step that lies": lambda data: again(
        data, lambda f, m: m.update(meta=m["meta"].replace('"step": ', '"step": 1'))
    ),
    "sealed, a tensor too few": lambda data: sealed(data, lambda found, about: found.pop(min(found))),
    "sealed, a tensor too many": lambda data: sealed(data, lambda found, about: found.update(more=torch.zeros(3))),
    "sealed, another shape": lambda data: sealed(data, set_shape),
    "sealed, another type": lambda data: sealed(
        data, lambda found, about: found.update({n: t.to(torch.int8) for n, t in found.items()})
    ),
    "sealed, a step that lies": lambda data: sealed(data, lambda found, about: about.update(step=3)),
    "sealed, of no step": lambda data: sealed(
        data, lambda f, about: (about.update(step=0), f.update(losses=f["losses"][:0]))
    ),
    "sealed, beyond the end": lambda data: sealed(
        data, lambda f, about: (about.update(step=25), f.update(losses=torch.ones(25, dtype=torch.float64)))
    ),
    "sealed, no seconds": lambda data: sealed(data, lambda found, about: about.pop("seconds")),
    "sealed, of another run": lambda data: sealed(data, lambda found, about: about.update(run="other")),
}


@pytest.fixture(scope="module")
def whole() -> State:
    return train(small_plan(), small_data(), 0, CPU)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """Two generations of a run that was killed."""
    return stopped(tmp_path_factory.mktemp("kept"))


def restored(folder: Path, newest: bytes, before: bytes) -> tuple[State, list[CheckpointSetAside]]:
    for path, data in zip(paths(folder), (newest, before), strict=True):
        path.write_bytes(data)
    state, told = fresh(small_plan()), list[Event]()
    with observing(told.append):
        checkpoint(folder).restore(state)
    return state, [event for event in told if isinstance(event, CheckpointSetAside)]


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_it_is_used(
    tmp_path: Path, kept: tuple[bytes, bytes], what: str
) -> None:
    damaged = DAMAGE[what](kept[0])
    assert damaged != kept[0]
    state, told = restored(tmp_path, damaged, kept[1])
    step_8 = fresh(small_plan())
    step_8.load(*tensors.unpacked(kept[1]))
    assert same(state, step_8)
    assert [event.step for event in told] == [8]
    assert "\n" not in told[0].reason
    assert Path(told[0].aside).read_bytes() == damaged


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("what", ["cut at 100", "a bit", "pickle"])
def test_training_ends_with_the_bits_that_it_has_undisturbed(
    tmp_path: Path, whole: State, kept: tuple[bytes, bytes], what: str, both: bool
) -> None:
    """Where both generations are damaged, it starts again."""
    first, second = paths(tmp_path)
    first.write_bytes(DAMAGE[what](kept[1]) if both else kept[1])
    second.write_bytes(DAMAGE[what](kept[0]))
    told: list[Event] = []
    with observing(told.append):
        assert same(train(small_plan(), small_data(), 0, CPU, checkpoint=checkpoint(tmp_path)), whole)
    assert [event.step for event in told if isinstance(event, CheckpointSetAside)] == ([0, 0] if both else [8])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_byte_can_change_unseen(kept: tuple[bytes, bytes], data: st.DataObject) -> None:
    whole = kept[0]
    header = 8 + int.from_bytes(whole[:8], "little")
    at = data.draw(st.one_of(st.integers(0, header), st.integers(0, len(whole) - 1)), label="at")
    how = data.draw(st.sampled_from(("cut", "flip", "insert", "drop", "zero")), label="how")
    changed = {
        "cut": whole[:at],
        "flip": whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255), label="by")]) + whole[at + 1 :],
        "insert": whole[:at] + data.draw(st.binary(min_size=1, max_size=20), label="with") + whole[at:],
        "drop": whole[:at] + whole[at + data.draw(st.integers(1, 200), label="drop") :],
        "zero": whole[:at] + bytes(len(whole) - at),
    }[how]
    if changed != whole:
        with pytest.raises(Damaged):
            tensors.unpacked(changed)


def test_what_is_far_too_large_is_not_read(tmp_path: Path, whole: State) -> None:
    with open(paths(tmp_path)[0], "wb") as file:
        file.truncate(2**40)
    assert same(train(small_plan(), small_data(), 0, CPU, checkpoint=checkpoint(tmp_path)), whole)


@pytest.mark.parametrize("extra", [{}, ADAM, {"optimizer": slots.SGD(momentum=0.0)}], ids=["sgd", "adam", "bare"])
def test_another_optimizers_state_is_not_taken(tmp_path: Path, extra: dict[str, Any]) -> None:
    """Even where it says that it is of this run."""
    found, about = tensors.unpacked(stopped(tmp_path, **({} if extra else ADAM))[0])
    state = fresh(small_plan(**extra))
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    with pytest.raises(Damaged, match=r"optimizer\.0\."):
        state.load(found, about)
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.tensors().items())
    assert state.step == 0


def test_another_runs_is_not_taken(tmp_path: Path, whole: State) -> None:
    stopped(tmp_path, run="another", seed=1)
    assert same(train(small_plan(), small_data(), 0, CPU, checkpoint=checkpoint(tmp_path)), whole)


def test_the_newer_one_is_used_and_the_older_one_replaced(tmp_path: Path, kept: tuple[bytes, bytes]) -> None:
    for newest in (0, 1):
        for path, data in zip(paths(tmp_path), (kept[newest], kept[1 - newest]), strict=True):
            path.write_bytes(data)
        state, there = fresh(small_plan()), checkpoint(tmp_path)
        there.restore(state)
        assert state.step == 16
        state.losses.append(1.0)
        there.save(state)
        steps = [tensors.unpacked(path.read_bytes())[1]["step"] for path in paths(tmp_path)]
        assert steps == ([16, 17] if newest == 0 else [17, 16])


def test_two_writers_at_once_leave_whole_files(tmp_path: Path, kept: tuple[bytes, bytes]) -> None:
    state = fresh(small_plan())
    state.load(*tensors.unpacked(kept[0]))
    writers = [checkpoint(tmp_path) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda at: writers[at % 4].save(state), range(40)))
    for path in paths(tmp_path):
        tensors.unpacked(path.read_bytes())
    assert set(tmp_path.iterdir()) == set(paths(tmp_path))


# --- Weights ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, str, Dataset]:
    where, data = Workspace.open(store=tmp_path_factory.mktemp("done"), device="cpu"), small_data()
    return where, runner.run_plan("small", small_plan(), [], 0, data, where).run_id, data


def weights(done: tuple[Workspace, str, Dataset]) -> bytes:
    data = done[0].store.weights(done[1]).read()
    assert data is not None
    return data


def load(folder: Path, done: tuple[Workspace, str, Dataset], data: bytes, old: bool = False) -> None:
    """Load these weights as those of a run. old: whose record names no digest."""
    where, run, _ = done
    path = folder / run / "weights.safetensors"
    path.parent.mkdir()
    path.write_bytes(data)
    record = where.store.get(run)
    record = replace(record, weights_digest="") if old else record
    with pytest.raises(BakeoffError, match="can't be used") as error:
        runner.load_model(Store(LocalStorage(folder)), record, small_plan(), CPU)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.status == 1


@pytest.mark.parametrize("what", [name for name in DAMAGE if "step" not in name and "sealed" not in name])
def test_damaged_weights_are_named_in_one_line(tmp_path: Path, done: tuple[Workspace, str, Dataset], what: str) -> None:
    load(tmp_path, done, DAMAGE[what](weights(done)))


UNSEEN = ("a bit", "no metadata", "broken metadata", "tensors swapped")  # without a digest


@pytest.mark.parametrize("what", [name for name in DAMAGE if "step" not in name and name not in UNSEEN][:-3])
def test_so_are_those_of_an_old_record_which_names_no_digest(
    tmp_path: Path, done: tuple[Workspace, str, Dataset], what: str
) -> None:
    """Where the tensors can't be the network's."""
    load(tmp_path, done, DAMAGE[what](weights(done)), old=True)


def test_another_runs_weights_are_not_taken(tmp_path: Path, done: tuple[Workspace, str, Dataset]) -> None:
    where, _, data = done
    other = runner.run_plan("small", small_plan(), [], 1, data, where).run_id
    load(tmp_path, done, weights((where, other, data)))


def test_an_old_records_weights_are_read(done: tuple[Workspace, str, Dataset]) -> None:
    where, run, _ = done
    runner.load_model(where.store, replace(where.store.get(run), weights_digest=""), small_plan(), CPU)


def test_the_same_run_writes_the_same_file(tmp_path: Path, done: tuple[Workspace, str, Dataset]) -> None:
    where, run, data = done
    other = Workspace.open(store=tmp_path, device="cpu")
    runner.run_plan("small", small_plan(), [], 0, data, other)
    assert other.store.weights(run).read() == where.store.weights(run).read()
    state = fresh(small_plan())
    assert len({tensors.packed(state.tensors(), state.about()) for _ in range(8)}) == 1
