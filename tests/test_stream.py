"""Images decoded by worker processes: the same bits on any number of them, and nothing left behind."""

import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from torch import Tensor

from bakeoff import rng
from bakeoff.data import augment, geometry, images, loader, stream
from bakeoff.data.dataset import Dataset, Files
from bakeoff.errors import BakeoffError
from bakeoff.plan import EvalView, HorizontalFlip, Model, PadCrop, RandomErasing, ResizedCrop, TrivialAugment
from tests.helpers import DATA, needs, small_plan

INCEPTION = ResizedCrop()
Crop = ResizedCrop | PadCrop | None
VIEW = EvalView(resize_px=32, crop_px=28)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Noise images of 40 different sizes."""
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    paths = []
    for number in range(40):
        shape = (int(generator.integers(20, 60)), int(generator.integers(20, 60)), 3)
        paths.append(folder / f"{number}.png")
        Image.fromarray(generator.integers(0, 256, shape, np.uint8)).save(paths[-1])
    return Files(tuple(paths), torch.arange(40), 3)


def paths(files: Files) -> tuple[Path, ...]:
    assert isinstance(files.paths, tuple)
    return files.paths


def rows(*shape: int, first: int = 0) -> Tensor:
    index = torch.arange(first, first + shape[0])
    return torch.stack([torch.full_like(index, 2), index % 40, index // 40], dim=1)


def crops(files: Files, batches: list[Tensor], workers: int = 0, op: Crop = INCEPTION, seed: int = 5) -> list[Tensor]:
    return list(stream.train_crops(files, iter(batches), op, 24, "bilinear", seed, workers))


def gray_levels_apart(expected: Image.Image, shown: Tensor) -> int:
    return int(np.abs(np.asarray(expected).astype(int) - shown.permute(1, 2, 0).numpy()).max())


@pytest.mark.slow
def test_workers_batches_and_threads_change_no_bit(files: Files) -> None:
    everything = rows(90)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    by_one = crops(files, [everything], workers=0)
    assert [tuple(batch.shape) for batch in by_one] == [(90, 3, 24, 24)]
    by_two = crops(files, list(everything.split(40)), workers=2)
    assert [len(batch) for batch in by_two] == [40, 40, 10]
    torch.set_num_threads(3 - min(threads, 2))
    backwards = crops(files, list(everything.flip(0).split(1)))
    torch.set_num_threads(threads)
    assert torch.equal(by_one[0], torch.cat(by_two))
    assert torch.equal(by_one[0], torch.cat(backwards).flip(0))
    views = [torch.cat(list(stream.eval_images(files, VIEW, "bilinear", 33, workers))) for workers in (0, 2)]
    assert torch.equal(*views)
    assert torch.equal(torch.get_rng_state(), state)


def test_crops_are_the_boxes_of_the_draws_resized_as_pillow_does(files: Files) -> None:
    batch = rows(40)
    for path, row, shown in zip(paths(files), batch, crops(files, [batch])[0], strict=True):
        image = Image.open(path)
        height, width = torch.tensor([image.height]), torch.tensor([image.width])
        boxes = geometry.resized_crop_boxes(ResizedCrop(), rng.Draws(5, row[None]), height, width)
        top, left, h, w = boxes[0].tolist()
        expected = image.crop((left, top, left + w, top + h)).resize((24, 24), Image.Resampling.BILINEAR)
        assert gray_levels_apart(expected, shown) <= 1


def test_crops_differ_by_pass_copy_and_seed(files: Files) -> None:
    base = torch.tensor([[0, 3, 0]])
    first = crops(files, [base])[0]
    for other in (torch.tensor([[1, 3, 0]]), torch.tensor([[0, 3, 1]])):
        assert not torch.equal(first, crops(files, [other])[0])
    assert not torch.equal(first, crops(files, [base], seed=6)[0])


def test_how_many_images_are_held_at_once_changes_no_bit(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    together = crops(files, [rows(40)])[0]
    monkeypatch.setattr(stream, "_TOGETHER", 5000)  # values: two or three images
    assert torch.equal(together, crops(files, [rows(40)])[0])


def test_copies_in_a_row_are_decoded_once(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    index, copy = torch.arange(6).repeat_interleave(4), torch.arange(4).repeat(6)
    repeated = torch.stack([torch.zeros(24, dtype=torch.int64), index, copy], dim=1)
    one_by_one = torch.cat(crops(files, list(repeated.split(1))))
    decoded = []
    decode = images.decode

    def counted(data: bytearray, channels: int, path: str) -> Tensor:
        decoded.append(path)
        return decode(data, channels, path)

    monkeypatch.setattr(images, "decode", counted)
    assert torch.equal(crops(files, [repeated])[0], one_by_one)
    assert decoded == [os.fspath(path) for path in paths(files)[:6]]


def test_batches_are_finished_a_few_images_at_a_time(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    ops = (ResizedCrop(), HorizontalFlip(), TrivialAugment(), RandomErasing(p=0.5))
    model = Model(name="cnn", classes=40, channels=3, px=24)
    plan = small_plan(model=model, image_ops=ops, train_px=24, batch_size=16, examples_seen=48)
    data = Dataset(tuple(map(str, range(40))), {"train": files}, (0.5,) * 3, (0.2,) * 3, "0" * 16)

    def shown() -> list[Tensor]:
        return [images for images, _ in loader.batches(data, plan, 0, 0, torch.device("cpu"), 0)]

    at_once = shown()
    monkeypatch.setattr(loader, "_CACHED_VALUES", 3 * 24 * 24 * 5)
    assert all(torch.equal(a, b) for a, b in zip(at_once, shown(), strict=True))


def test_memory_of_a_batch_is_used_again_once_nothing_refers_to_it() -> None:
    memory = loader._Memory((2, 3))
    first = memory.take()
    place = first.data_ptr()
    second = memory.take()
    row = first[0]
    del first
    assert place not in (second.data_ptr(), memory.take().data_ptr())
    del row
    third = memory.take()
    assert third.data_ptr() == place
    loss = (third * torch.ones(3, requires_grad=True)).sum()  # autograd keeps what it needs
    del third
    assert memory.take().data_ptr() != place
    del loss
    assert memory.take().data_ptr() == place


@pytest.mark.slow
def test_memory_is_flat_in_passes_and_workers(files: Files) -> None:
    def megabytes(workers: int) -> tuple[list[float], list[float]]:
        """Private memory of each worker after 3 and after 100 passes."""
        seen, others = [], set(multiprocessing.active_children())  # of tests before, until they are collected
        shown = stream.train_crops(files, (rows(40) for _ in range(101)), INCEPTION, 96, "bilinear", 0, workers)
        for number, _ in enumerate(shown, 1):
            if number in (3, 100):
                children = [psutil.Process(child.pid) for child in set(multiprocessing.active_children()) - others]
                seen.append([child.memory_full_info().uss / 2**20 for child in children])
        return seen[0], seen[1]

    by_one, by_three = megabytes(1), megabytes(3)
    assert (len(by_one[0]), len(by_three[0])) == (1, 3)
    for early, late in (by_one, by_three):
        assert max(late) < max(early) + 10  # of the 105 MB that went through
    assert max(by_three[1]) < by_one[1][0] + 10


@pytest.mark.parametrize("op", [PadCrop(), None])
def test_other_crops_are_those_of_images_in_memory(files: Files, op: Crop) -> None:
    batch = rows(5)
    for path, row, shown in zip(paths(files), batch, crops(files, [batch], op=op)[0], strict=False):
        image = images.read(path, 3)[None].contiguous()
        assert torch.equal(shown, augment.crop(image, op, rng.Draws(5, row[None]), 24, "bilinear")[0])


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
def test_evaluation_shows_every_image_once_in_order(files: Files, interpolation: str) -> None:
    shown = list(stream.eval_images(files, VIEW, interpolation, 17, 0))
    assert [len(batch) for batch in shown] == [17, 17, 6]
    expected = [augment.eval_view(images.read(path, 3)[None], VIEW, interpolation) for path in paths(files)]
    assert torch.equal(torch.cat(shown), torch.cat(expected))


def test_gray_images_have_one_channel(files: Files) -> None:
    gray = Files(paths(files), files.labels, 1)
    assert next(stream.eval_images(gray, VIEW, "bilinear", 8, 0)).shape == (8, 1, 28, 28)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_file_is_named_in_one_line(files: Files, tmp_path: Path, workers: int) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(paths(files)[0].read_bytes()[:200])
    some = Files((*paths(files)[:3], broken), torch.arange(4), 3)
    with pytest.raises(BakeoffError, match=r"can't read the image .*broken\.jpg") as failure:
        list(stream.eval_images(some, VIEW, "bilinear", 4, workers))
    assert "\n" not in str(failure.value)
    assert "Traceback" not in str(failure.value)


@pytest.mark.slow
def test_a_worker_that_dies_is_an_error_and_not_a_hang(files: Files) -> None:
    others = multiprocessing.active_children()
    shown = stream.train_crops(files, (rows(8) for _ in range(1000)), ResizedCrop(), 24, "bilinear", 0, 1)
    next(shown)
    (worker,) = [each for each in multiprocessing.active_children() if each not in others]
    worker.kill()
    with pytest.raises(BakeoffError, match="died"):
        for _ in shown:
            pass


def test_stopping_early_leaves_no_process_and_reads_no_further(files: Files) -> None:
    taken, others = 0, multiprocessing.active_children()

    def endless() -> Iterator[Tensor]:
        nonlocal taken
        while True:
            taken += 1
            yield rows(8)

    shown = stream.train_crops(files, endless(), ResizedCrop(), 24, "bilinear", 0, 2)
    next(shown)
    assert taken <= 6  # two ahead for each worker, and no more
    shown.close()
    deadline = time.monotonic() + 5
    while (left := {*multiprocessing.active_children()} - {*others}) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left


def test_relative_paths_hold_in_workers_after_a_change_of_folder(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(paths(files)[0].parent)
    near = Files(tuple(Path(path.name) for path in paths(files)), files.labels, 3)
    assert len(next(stream.eval_images(near, VIEW, "bilinear", 8, 1))) == 8


@needs("imagenet-sample")
def test_photographs_are_shown_as_pillow_shows_them() -> None:
    paths = tuple(sorted((DATA / "imagenet-sample").glob("*/*"))[:8])
    photographs = Files(paths, torch.arange(8), 3)
    (views,) = stream.eval_images(photographs, EvalView(resize_px=256, crop_px=224), "bilinear", 8, 0)
    for path, shown in zip(paths, views, strict=True):
        image = Image.open(path).convert("RGB")
        width, height = (256 * side // min(image.size) for side in image.size)
        left, top = round((width - 224) / 2), round((height - 224) / 2)
        expected = image.resize((width, height), Image.Resampling.BILINEAR).crop((left, top, left + 224, top + 224))
        assert gray_levels_apart(expected, shown) <= 1
