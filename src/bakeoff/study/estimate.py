"""What a training, a study or a derivation is expected to take, as values."""

from dataclasses import dataclass
from typing import Literal

What = Literal["train", "ablate", "derive"]
WHAT: tuple[What, ...] = ("train", "ablate", "derive")


@dataclass(frozen=True)
class Amount:
    """A number with the least and the most that is likely, and where it comes from."""

    value: float
    low: float
    high: float
    basis: str


@dataclass(frozen=True)
class Estimate:
    """What something takes.

    runs, devices: how many. device_seconds: of all of them together. seconds: that pass, on so many devices. bytes: of
    memory on a device, at least. images_per_second: that one device is to be given. cores: that decode so many beside
    it, 0 for images in memory. price: of the device hours, where one is known of an hour.
    """

    what: What
    task: str
    hardware: str
    runs: int
    devices: int
    device_seconds: Amount
    seconds: Amount
    bytes: Amount
    images_per_second: Amount
    cores: Amount
    price: Amount | None
