"""What this machine has of what bakeoff needs: versions, devices, threads, disk, memory, store, data, extras."""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import psutil
from packaging.requirements import Requirement

from bakeoff.errors import BakeoffError
from bakeoff.files import size
from bakeoff.reader import cache_folder
from bakeoff.runs.store import Store
from bakeoff.runs.workspace import Workspace

State = Literal["ok", "lacking", "broken"]

_DEVELOPERS = {"test", "docs", "bench"}  # extras for who works on bakeoff itself
_SHARED = 2**28  # bytes of shared memory, below which decoding processes run out of it: containers have 2**26
_FREE = 2**30  # bytes of a disk, below which a study's weights may fill it


@dataclass(frozen=True)
class Finding:
    """A line of what was found.

    what: a name such as "memory". found: a sentence. state: `lacking` where something isn't there that not everybody
    needs, `broken` where something doesn't work that was asked for.
    """

    what: str
    found: str
    state: State = "ok"


def examine(store: Path | str | None = None, data: Path | str | None = None, device: str = "auto") -> Iterator[Finding]:
    """Look at everything, line after line; what loads PyTorch, which takes a second, comes last. Nothing is written.

    store, data, device: as for `Workspace.open`. What is named there, or in the environment, is asked for.
    """
    yield Finding("bakeoff", f"{metadata.version('bakeoff')} in {Path(__file__).parents[1]}")
    yield Finding("python", f"{platform.python_version()} ({sys.executable}) on {platform.platform()}")
    yield from _packages()
    yield from _environment()
    yield _guarded("memory", _memory)
    yield _guarded("store", lambda: _store(store))
    yield _guarded("data", lambda: _data(data))
    yield _guarded("cache", lambda: Finding("cache", _disk(cache_folder())))
    yield _guarded("threads", _threads)
    yield _guarded("device", lambda: _device(device))


def _guarded(what: str, look: Callable[[], Finding]) -> Finding:
    """What a look finds, or why it fails: a doctor doesn't fall ill."""
    try:
        return look()
    except BakeoffError as error:
        return Finding(what, str(error), "broken")
    except Exception as error:
        return Finding(what, f"{type(error).__name__}: {error}", "broken")


def _packages() -> Iterator[Finding]:
    """What bakeoff needs, in a line, and what each extra lacks."""
    needed = [Requirement(text) for text in metadata.requires("bakeoff") or ()]
    always = [each for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    wrong = _missing(always)
    have = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "torchvision", "numpy") if _version(name))
    yield Finding("packages", f"{have}; {'; '.join(wrong) or 'all are there'}", "broken" if wrong else "ok")
    for extra in metadata.metadata("bakeoff").get_all("Provides-Extra") or ():
        if extra in _DEVELOPERS:
            continue
        its = [each for each in needed if each not in always and each.marker and each.marker.evaluate({"extra": extra})]
        if lacks := _missing(its):
            what = f"lacks {', '.join(lacks)}: pip install 'bakeoff[{extra}]'"
            yield Finding(f"extra {extra}", what, "lacking")
        else:
            names = ", ".join(f"{each.name} {_version(each.name)}" for each in its)
            yield Finding(f"extra {extra}", names or "there")


def _missing(requirements: list[Requirement]) -> list[str]:
    """What isn't there of them, or is there in a version that won't do."""
    lacks = []
    for each in requirements:
        version = _version(each.name)
        if version is None:
            lacks.append(f"{each.name}{each.specifier}")
        elif not each.specifier.contains(version, prereleases=True):
            lacks.append(f"{each.name}{each.specifier} ({version} is there)")
    return lacks


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _environment() -> Iterator[Finding]:
    """Variables that change what bakeoff or PyTorch do."""
    said = [
        f"{name}={value}"
        for name, value in sorted(os.environ.items())
        if name.startswith("BAKEOFF_") or name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
    ]
    if said:
        yield Finding("variables", ", ".join(said))


def _memory() -> Finding:
    machine = psutil.virtual_memory()
    said = f"{size(machine.available)} of {size(machine.total)} are free"
    if (limit := _limit("memory.max")) and int(limit) < machine.total:
        said += f"; this container may use {size(int(limit))}"
    shared = Path("/dev/shm")
    if shared.is_dir() and (room := shutil.disk_usage(shared)).total < _SHARED:
        little = f"{size(room.total)} of shared memory is little for processes that decode images"
        return Finding("memory", f"{said}; {little} (--workers 0, or docker run --shm-size 2g)", "lacking")
    return Finding("memory", said)


def _limit(name: str) -> str | None:
    """What a container's control group allows; None where there is no limit."""
    try:
        said = Path("/sys/fs/cgroup", name).read_text().split()[0]
    except (OSError, IndexError):
        return None
    return None if said == "max" else said


def _store(named: Path | str | None) -> Finding:
    store = Workspace.open(store=named).store
    asked = named is not None or "BAKEOFF_STORE" in os.environ
    root = store.folder_here
    if root is None:
        return Finding("store", _kept(store))
    if not root.is_dir():
        above = next(path for path in root.absolute().parents if path.exists())
        if root.exists() or not os.access(above, os.W_OK):
            return Finding("store", f"{root} can't be made", "broken" if asked else "lacking")
        said = f"{root} isn't there yet: the first run makes it; {_disk(above)}"
        return Finding("store", said, _room(above))
    said = _kept(store)
    if not os.access(root, os.W_OK):
        return Finding("store", f"{said}; it can be read, and not written to", "broken" if asked else "lacking")
    return Finding("store", f"{said}; {_disk(root)}", _room(root))


def _kept(store: Store) -> str:
    runs, studies = len(store.ids()), len(store.study_names())
    return f"{store.url}: {runs:,} run{'s' * (runs != 1)}, {studies:,} {'study' if studies == 1 else 'studies'}"


def _room(folder: Path) -> State:
    return "lacking" if shutil.disk_usage(folder).free < _FREE else "ok"


def _disk(folder: Path) -> str:
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    prefix = f"{folder}: " if there == folder.absolute() and folder == cache_folder() else ""
    return f"{prefix}{size(shutil.disk_usage(there).free)} of its disk are free"


def _data(named: Path | str | None) -> Finding:
    from bakeoff import tasks

    folder = Workspace.open(data=named).data
    if isinstance(folder, str):
        return Finding("data", f"{folder}, a bucket: image folders in shards")
    if not folder.is_dir():
        asked = named is not None or "BAKEOFF_DATA" in os.environ
        said = (
            f"{folder} isn't there{'' if asked else ' yet'}; digits needs none, and what can be downloaded goes there"
        )
        return Finding("data", said, "broken" if asked else "ok")
    kept = tasks.kept_in(folder)
    there = [name for name, place in kept.items() if place]
    lacks = [name for name, place in kept.items() if not place]
    said = f"{folder}: {', '.join(there) or 'none of the built-in data sets'}"
    return Finding("data", f"{said}; not there: {', '.join(lacks)}" if there and lacks else said)


def _threads() -> Finding:
    import torch

    cores, mine = os.cpu_count() or 1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    said = f"{torch.get_num_threads()} of PyTorch, {cores} cores"
    if mine and mine < cores:
        said += f", {mine} of them for this process"
    quota = _limit("cpu.max")
    allowed = int(quota) / int(Path("/sys/fs/cgroup/cpu.max").read_text().split()[1]) if quota else cores
    if allowed < cores:
        return Finding("threads", f"{said}; this container may use {allowed:g}: set OMP_NUM_THREADS", "lacking")
    busy = cores * psutil.cpu_percent(interval=0.1) / 100
    return Finding("threads", f"{said}, {busy:.1f} busy now")


def _device(named: str) -> Finding:
    import torch

    from bakeoff.engine import device
    from bakeoff.plan import Precision

    chosen = device.resolve(named)
    ones = torch.ones(8, 8, device=chosen)
    if (ones @ ones).sum().item() != 512:  # driver and PyTorch may not go together
        return Finding("device", f"{chosen} computes wrongly", "broken")
    bf16 = device.dtype(Precision(dtype="auto"), chosen) == torch.bfloat16
    said = f"{chosen}, {'bf16' if bf16 else 'fp32'} where a plan says auto"
    if chosen.type == "cuda":
        free, total = torch.cuda.mem_get_info(chosen)
        said += f"; {torch.cuda.get_device_name(chosen)}, {size(free)} of {size(total)} free, CUDA {torch.version.cuda}"
    elif torch.version.cuda is None and shutil.which("nvidia-smi"):
        return Finding("device", f"{said}; there is a GPU, and this PyTorch is for CPUs only", "lacking")
    return Finding("device", said)
