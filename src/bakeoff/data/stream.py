"""Images that aren't in memory: decoded, cropped and resized in worker processes, ahead of their use.

What comes out depends on the files and the arguments only: every random number is a function of the row that an image
is shown for, so any number of workers gives the same bits.
"""

import itertools
import multiprocessing
import os
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from bakeoff import rng
from bakeoff.data import augment, geometry, images, reduced
from bakeoff.data.dataset import Files
from bakeoff.data.members import Members
from bakeoff.errors import BakeoffError
from bakeoff.plan import EvalView, PadCrop, ResizedCrop

_PIECE = 32  # images that a worker hands over at once: keeps the memory small, whatever the batch size
_TOGETHER = 2**22  # values of decoded images whose boxes are drawn at once: tensor operations cost more than their work

Rows = NDArray[np.int64]
_Index = tuple[Rows, bool]  # what to show, and whether a batch ends with it
Bad = dict[int, BakeoffError]  # place in a batch -> why there is no image
_Piece = tuple[Tensor, Bad, bool]  # images, those that can't be read, which are black, and whether a batch ends here


def train_crops(
    files: Files,
    batches: Iterable[Tensor],
    op: PadCrop | ResizedCrop | None,
    px: int,
    interpolation: str,
    seed: int,
    workers: int,
) -> Generator[Tensor]:
    """Random crops of images, batch by batch.

    batches: (B, 3) int64 each, the pass, image and copy of every example. op, px, interpolation: as for
    `augment.crop`. workers: processes that decode; 0 decodes in this one.

    Yields (B, C, px, px) uint8. Raises BakeoffError naming a file that can't be read.
    """
    show = _TrainCrop(op, px, interpolation, seed)
    return _whole(_stream(files, show, px, (rows.numpy() for rows in batches), workers))


def eval_images(files: Files, view: EvalView, interpolation: str, batch_size: int, workers: int) -> Generator[Tensor]:
    """Every image once, in order, as evaluation shows it.

    Yields batches as `augment.eval_view` has them; the last one may be smaller. Raises BakeoffError naming a file that
    can't be read.
    """
    return _whole(readable_images(files, view, interpolation, batch_size, workers))


def readable_images(
    files: Files, view: EvalView, interpolation: str, batch_size: int, workers: int
) -> Generator[tuple[Tensor, Bad]]:
    """As `eval_images`; but one that can't be read is black, and named with the reason by its place in the batch."""
    rows = np.stack([np.zeros(len(files), np.int64), np.arange(len(files)), np.zeros(len(files), np.int64)], axis=1)
    batches = (rows[start : start + batch_size] for start in range(0, len(files), batch_size))
    return _stream(files, _EvalView(view, interpolation), augment.shown_px(view), batches, workers)


def uploaded(batches: Iterable[Tensor], device: torch.device) -> Iterator[Tensor]:
    """Batches on a device; on a GPU by way of pinned memory and a stream of its own, while it works on those before."""
    if device.type != "cuda":
        yield from (batch.to(device) for batch in batches)
        return
    copying, working = torch.cuda.Stream(device), torch.cuda.current_stream(device)
    for batch in batches:
        with torch.cuda.stream(copying):
            there = batch.pin_memory().to(device, non_blocking=True)
        working.wait_stream(copying)
        there.record_stream(working)
        yield there


@dataclass(frozen=True)
class _TrainCrop:
    op: PadCrop | ResizedCrop | None
    px: int
    interpolation: str
    seed: int

    def __call__(self, decoded: list[Tensor], rows: Tensor, out: Tensor) -> None:
        if isinstance(self.op, ResizedCrop):
            sizes = torch.tensor([image.shape[1:] for image in decoded])
            boxes = geometry.resized_crop_boxes(self.op, rng.Draws(self.seed, rows), *sizes.unbind(1)).tolist()
            for shown, image, (top, left, height, width) in zip(out, decoded, boxes, strict=True):
                shown.copy_(_resize(image[:, top : top + height, left : left + width], self.px, self.interpolation))
        else:
            for shown, image, row in zip(out, decoded, rows, strict=True):
                draws = rng.Draws(self.seed, row[None])
                shown.copy_(augment.crop(image[None].contiguous(), self.op, draws, self.px, self.interpolation)[0])


@dataclass(frozen=True)
class _EvalView:
    view: EvalView
    interpolation: str

    def __call__(self, decoded: list[Tensor], rows: Tensor, out: Tensor) -> None:
        for shown, image in zip(out, decoded, strict=True):
            shown.copy_(augment.eval_view(image[None], self.view, self.interpolation)[0])


def _resize(image: Tensor, px: int, interpolation: str) -> Tensor:
    # The backend of augment.eval_view, ten times as fast for one large image as the batched geometry.resample, and
    # within one gray level of it.
    if interpolation == "nearest":
        return F.interpolate(image[None], (px, px), mode="nearest-exact")[0]
    return F.interpolate(image[None], (px, px), mode=interpolation, antialias=True)[0]


class _Decoder(TorchDataset[_Piece]):
    def __init__(self, files: Files, show: _TrainCrop | _EvalView, px: int) -> None:
        self.places = files.paths if isinstance(files.paths, Members) else _Paths(files.paths)
        self.channels, self.read_px, self.kept = files.channels, files.read_px, files.kept
        self.show = show
        self.px = px

    def __getitem__(self, index: _Index) -> _Piece:
        rows, last = index
        out = torch.empty(len(rows), self.channels, self.px, self.px, dtype=torch.uint8)
        bad: Bad = {}  # raised where it is received: a worker would add its traceback
        for part, decoded in self._decoded(rows[:, 1], bad):
            self.show(decoded, torch.from_numpy(rows[part]), out[part])
        return out, bad, last

    def _decoded(self, indices: NDArray[np.int64], bad: Bad) -> Iterator[tuple[slice, list[Tensor]]]:
        """Images in runs of a few megabytes; one that follows itself, as repeated copies do, is decoded once."""
        start, size, run = 0, 0, list[Tensor]()
        read = self._read([index for index, _ in itertools.groupby(indices.tolist())])
        for at, index in enumerate(indices):
            if at == 0 or index != indices[at - 1]:
                found = next(read)
                if isinstance(found, BakeoffError):
                    bad[at] = found
                    found = torch.zeros(self.channels, self.px, self.px, dtype=torch.uint8)
                image = found
                size += image.numel()
            run.append(image)
            if size > _TOGETHER or at + 1 == len(indices):
                yield slice(start, at + 1), run
                start, size, run = at + 1, 0, []

    def _read(self, rows: list[int]) -> Iterator[Tensor | BakeoffError]:
        if self.kept is not None:
            yield from (self.kept[row] for row in rows)
            return
        for row, data in zip(rows, self.places.read(rows), strict=True):
            if isinstance(data, BakeoffError):
                yield data
                continue
            try:
                yield reduced.reduce(images.decode(data, self.channels, str(self.places[row])), self.read_px)
            except images.BadImage as error:
                yield error


class _Paths:
    """Paths in one block, small to send to another process."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._encoded = np.array([os.fsencode(path.absolute()) for path in paths])

    def __getitem__(self, row: int) -> str:
        return os.fsdecode(self._encoded[row])

    def read(self, rows: Sequence[int]) -> Iterator[bytearray | images.BadImage]:
        """The bytes of some of them, or why there are none."""
        for row in rows:
            try:
                yield images.content(self[row])
            except images.BadImage as error:
                yield error


def _stream(
    files: Files,
    show: _TrainCrop | _EvalView,
    px: int,
    batches: Iterable[Rows],
    workers: int,
) -> Generator[tuple[Tensor, Bad]]:
    parts: list[Tensor] = []
    bad: Bad = {}
    try:
        for piece, unread, last in _pieces(_Decoder(files, show, px), batches, workers):
            bad |= {sum(map(len, parts)) + at: error for at, error in unread.items()}
            parts.append(piece)
            if last:
                yield (parts[0] if len(parts) == 1 else torch.cat(parts)), bad
                parts, bad = [], {}
    except (RuntimeError, ConnectionError, EOFError) as error:  # what it is depends on what the process was doing
        if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
            raise
        raise BakeoffError(
            "a process that decodes images died, most likely for lack of (shared) memory; use fewer (--workers)"
        ) from error


def _whole(batches: Iterable[tuple[Tensor, Bad]]) -> Generator[Tensor]:
    for shown, bad in batches:
        if bad:
            raise bad[min(bad)]
        yield shown


def _pieces(decoder: _Decoder, batches: Iterable[Rows], workers: int) -> Iterator[_Piece]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This DataLoader will create")  # more workers than cores
        loader = DataLoader(
            decoder,
            sampler=_cut(batches),
            batch_size=None,
            collate_fn=_as_it_is,
            num_workers=workers,
            multiprocessing_context=_context() if workers else None,
            generator=torch.Generator(),  # else it draws from the global one
        )
        return iter(loader)


def _cut(batches: Iterable[Rows]) -> Iterator[_Index]:
    for rows in batches:
        for start in range(0, len(rows), _PIECE):
            yield rows[start : start + _PIECE], start + _PIECE >= len(rows)


def _as_it_is(piece: Any) -> Any:
    return piece


def _context() -> multiprocessing.context.BaseContext:
    """Processes that inherit no threads of this one, and share one import of torch where the system lets them."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context
