"""Data sets that torchvision reads: found in the data folder, or downloaded into it."""

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import torch
from torch import Tensor

from bakeoff.data.dataset import Dataset, Resident
from bakeoff.data.fingerprint import assemble
from bakeoff.data.splits import Indices
from bakeoff.errors import RequestError

# torchvision's name -> where its files are below the root, and the folder below the data folder that may be the root
_FOLDERS = {
    "MNIST": ("MNIST/raw", "mnist"),
    "FashionMNIST": ("FashionMNIST/raw", "fashion-mnist"),
    "CIFAR10": ("cifar-10-batches-py", "cifar10"),
}
_TIMEOUT = 10.0  # seconds for a server to say something


def kept_in(source: str, data: Path) -> Path | None:
    """The folder below the data folder that holds MNIST, FashionMNIST or CIFAR10 as torchvision wants them; or None."""
    inner, own = _FOLDERS[source]
    return next((root for root in (data, data / own) if any((root / inner).glob("*"))), None)


def load_official(source: str, data: Path, split: Callable[[Indices], list[Indices]]) -> Dataset:
    """Read MNIST, FashionMNIST or CIFAR10 in torchvision's form; download it into `data` if it isn't there.

    split: labels of the official training images -> rows of train, select and report. The official test images
    become `test`.

    Raises RequestError when the data are neither there nor to be had, or damaged.
    """
    inner, root = _FOLDERS[source][0], kept_in(source, data)
    train, test = (_read(source, root or data, inner, train=part) for part in (True, False))
    rows = split(train[1].numpy())
    splits = {
        key: Resident(train[0][chosen], train[1][chosen], tuple(f"train/{row}" for row in chosen))
        for key, chosen in zip(("train", "select", "report"), rows, strict=True)
    }
    splits["test"] = Resident(*test[:2], tuple(f"test/{row}" for row in range(len(test[1]))))
    return assemble(train[2], splits)


def _read(source: str, root: Path, inner: str, *, train: bool) -> tuple[Tensor, Tensor, list[str]]:
    """Images (N, C, H, W) uint8, labels (N,) int64 and class names of one official part."""
    from torchvision import datasets  # here, since it takes a second

    reader = getattr(datasets, source)
    try:
        part = reader(root, train=train, download=False)
    except (RuntimeError, OSError, ValueError, AssertionError, EOFError):  # torchvision's for missing and for damaged
        try:
            with _online():
                part = reader(root, train=train, download=True)
        except (RuntimeError, OSError, ValueError, AssertionError, EOFError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[-1]
            raise RequestError(
                f"{source} is not complete in {root / inner} and can't be downloaded ({reason}); put torchvision's "
                f"files there, or name another data folder (--data)"
            ) from error
    images = torch.as_tensor(part.data)
    images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
    classes = [name.split(" - ")[0] for name in part.classes]  # MNIST's are "0 - zero"
    return images, torch.as_tensor(part.targets, dtype=torch.int64), classes


@contextmanager
def _online() -> Iterator[None]:
    """A silent server is given up on, and nothing is printed among the results."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        socket.setdefaulttimeout(before)
