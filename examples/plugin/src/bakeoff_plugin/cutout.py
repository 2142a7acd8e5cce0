"""cutout: hide a square of every image."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from bakeoff import Card, Draws, Fraction, ImageOp, Paper, Plan, Task, Technique


class CutoutOp(ImageOp):
    """Set a square of `side` (a share of the shorter side) to 0, the mean; its centre is any pixel of the image."""

    kind: Literal["cutout"] = "cutout"
    normalised: ClassVar[bool] = True
    side: Fraction

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """(N, C, H, W) float32, both ways."""
        height, width = images.shape[2:]
        half = self.side * min(height, width) / 2
        u = draws("centre", 2)
        down = (torch.arange(height, device=images.device) - (u[:, :1] * height).floor()).abs() < half
        across = (torch.arange(width, device=images.device) - (u[:, 1:] * width).floor()).abs() < half
        return images.masked_fill((down[:, :, None] & across[:, None, :])[:, None], 0.0)


class Cutout(Technique):
    """DeVries & Taylor 2017, https://arxiv.org/abs/1708.04552."""

    name: ClassVar = "cutout"
    slots: ClassVar = ("image_ops",)
    zero: ClassVar = {"side": 0.0}
    card: ClassVar = Card(
        title="Cutout",
        what="Hide one square of every training image.",
        why="It imitates occlusion: the network can't rely on one telling part.",
        equation="centre ~ U(image);  x[square around it] = 0",
        scaling="The side is a share of the image's: the paper's 16 of 32 px on CIFAR-10.",
        interacts={"random_erasing": "hides a rectangle of random size in some images"},
        papers=(
            Paper(
                authors="Terrance DeVries, Graham W. Taylor",
                title="Improved Regularization of Convolutional Neural Networks with Cutout",
                year=2017,
                venue="arXiv",
                arxiv="1708.04552",
            ),
        ),
    )

    side: Annotated[Fraction, Field(description="side of the square as a share of the image's; 0: none")] = 0.5

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        """Add the operation."""
        return {"image_ops": CutoutOp(side=self.side)} if self.side else {}
