"""Augmentation of whole batches against torchvision's transforms and timm's, image by image.

All do the whole recipe on the same 32 px colour images: padded crop, flip, TrivialAugment, normalise, random erasing,
then mixup or CutMix per batch of 128. Ours is given a batch at a time, and several batches at a time as the engine
does it. Time is the CPU's, on one thread, which other work on the machine changes little.

    python -m bench augment                     with the other benchmarks' table
    python bench/augment.py [--json FILE]       this one alone
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torchvision.transforms.v2 as tv

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file

from bakeoff import plan
from bakeoff.data import augment, mix
from bakeoff.files import write_text
from bakeoff.rng import Draws
from bench.clock import own
from bench.compare import Ratio, alternate, machine

IMAGES, BATCH, PX, CLASSES = 2048, 128, 32, 10
CHUNKS = (128, 512)  # images that are augmented at once; the engine takes 512 of this size
REPEATS = 7
PROMISES = {"torchvision v2": 15.0, "timm": 8.0}
Peer = Callable[[torch.Tensor, torch.Tensor], float]
MEAN, STD = torch.tensor([0.49, 0.48, 0.45]), torch.tensor([0.25, 0.24, 0.26])

PLAN = plan.Plan(
    model=plan.Model(name="none", classes=CLASSES, channels=3, px=PX),
    examples_seen=IMAGES,
    batch_size=BATCH,
    image_ops=(plan.PadCrop(), plan.HorizontalFlip(), plan.TrivialAugment(), plan.RandomErasing()),
    mixers=(plan.Mixup(alpha=0.2), plan.Cutmix(alpha=1.0)),
    train_px=PX,
    eval_view=plan.EvalView(resize_px=PX, crop_px=PX),
    lr=plan.Schedule(per_256=0.1),
    decay=plan.DecayRule(weight_decay=0.0),
)


def ours(images: torch.Tensor, labels: torch.Tensor, chunk: int) -> float:
    """Images per second of CPU time; of wall time on a GPU."""
    index = torch.arange(len(images))
    rows = torch.stack((torch.zeros_like(index), index, torch.zeros_like(index)), dim=1)
    mean, std = MEAN.to(images.device), STD.to(images.device)
    start = own(images.device)
    for part, row, label in zip(images.split(chunk), rows.split(chunk), labels.split(chunk), strict=True):
        shown = augment.augment(part, PLAN, Draws(0, row), mean, std)
        targets = torch.nn.functional.one_hot(label, CLASSES).float()
        for step, (x, y) in enumerate(zip(shown.split(BATCH), targets.split(BATCH), strict=True)):
            mix.mix(x, y, PLAN.mixers, 0, step)
    return len(images) / (own(images.device) - start)


def torchvisions(images: torch.Tensor, labels: torch.Tensor, *, whole: bool = False) -> float:
    """Images per second of CPU time; of wall time on a GPU. whole: one draw for a batch, which is less work."""
    one = tv.Compose(
        [
            tv.RandomCrop(PX, padding=4),
            tv.RandomHorizontalFlip(),
            tv.TrivialAugmentWide(interpolation=tv.InterpolationMode.BILINEAR),
            tv.ToDtype(torch.float32, scale=True),
            tv.Normalize(MEAN.tolist(), STD.tolist()),
            tv.RandomErasing(p=0.1),
        ]
    )
    mixers = tv.RandomChoice([tv.MixUp(alpha=0.2, num_classes=CLASSES), tv.CutMix(alpha=1.0, num_classes=CLASSES)])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        start = own(images.device)
        for part, label in zip(images.split(BATCH), labels.split(BATCH), strict=True):
            mixers(one(part) if whole else torch.stack([one(image) for image in part]), label)
        return len(images) / (own(images.device) - start)


def measure(data: Path | None = None) -> list[Ratio]:
    """Ratios of images per second, ours over the others'. The images are noise; `data` isn't read."""
    images, labels = _noise(IMAGES)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        peers: dict[str, Peer] = {"torchvision v2": torchvisions}
        if find_spec("timm"):
            from bench.peers import timm_augment

            peers["timm"] = partial(timm_augment.images_per_second, batch=BATCH, classes=CLASSES, mean=MEAN, std=STD)
        return [_ratio(images, labels, chunk, name, peer) for chunk in CHUNKS for name, peer in peers.items()]
    finally:
        torch.set_num_threads(threads)


def on_device(device: torch.device, count: int) -> Iterator[Ratio]:
    """Images per second of `count` on a device, ours over torchvision's with one draw for every batch of 128.

    Ours takes all of them at once, as the engine does it with up to 21,845 of these on a GPU.
    """
    images, labels = (x.to(device) for x in _noise(count))
    pairs = alternate(lambda: ours(images, labels, count), lambda: torchvisions(images, labels, whole=True), REPEATS)
    yield Ratio(
        name=f"augment on {device.type}, {count} at once",
        over="images/s, ours with a draw per image / torchvision v2 with one per batch",
        ratios=[a / b for a, b in pairs],
        bound="at least",
        detail={"ours": [a for a, _ in pairs], "torchvision": [b for _, b in pairs], "images": count},
    )


def _noise(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, PX, PX), dtype=torch.uint8, generator=random)
    return images, torch.randint(0, CLASSES, (count,), generator=random)


def _ratio(images: torch.Tensor, labels: torch.Tensor, chunk: int, name: str, peer: Peer) -> Ratio:
    few = IMAGES // 4  # enough for one image at a time
    pairs = alternate(lambda: ours(images, labels, chunk), lambda: peer(images[:few], labels[:few]), REPEATS)
    return Ratio(
        name=f"augment {chunk} at once, {name}",
        over=f"images/s, ours / {name} per image",
        ratios=[a / b for a, b in pairs],
        bound="at least",
        promise=PROMISES[name] if chunk == 512 else None,
        detail={"ours_images_per_second": [a for a, _ in pairs], f"{name}_images_per_second": [b for _, b in pairs]},
    )


def main() -> int:
    """Print the images per second, and keep everything in a file if one is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write all measurements")
    path: Path | None = parser.parse_args().json
    ratios = measure()
    for ratio in ratios:
        medians = {side: statistics.median(values) for side, values in ratio.detail.items()}
        told = ", ".join(f"{side} {value:,.0f}" for side, value in medians.items())
        print(f"{ratio.name}: {told}, ratio {ratio.ratio:.1f} ({min(ratio.ratios):.1f} - {max(ratio.ratios):.1f})")
    if path:
        results: list[dict[str, Any]] = [{"name": r.name, "ratio": r.ratio, **r.detail} for r in ratios]
        write_text(path, json.dumps({"machine": machine(), "results": results}, indent=2) + "\n")
    return 0 if all(ratio.kept for ratio in ratios) else 1


if __name__ == "__main__":
    sys.exit(main())
