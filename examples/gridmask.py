"""gridmask: a technique from outside with an image operation of its own.

bakeoff train --task digits --with ./examples/gridmask.py:GridMask
bakeoff ablate --task digits --with ./examples/gridmask.py:GridMask,mixup --set gridmask.p=0.8
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from bakeoff import Card, Claim, Draws, Fraction, ImageOp, Paper, Plan, Task, Technique

if TYPE_CHECKING:
    from torch import Tensor  # loading it takes a second, which no list or report should wait for


class GridMaskOp(ImageOp):
    """With probability `p`, set the squares of a grid to 0, the mean of the normalised image.

    The grid's period is drawn from `period`, a share of the image's shorter side, and its place at random; of each
    period, `keep` stays between two squares.
    """

    kind: Literal["grid_mask"] = "grid_mask"
    normalised: ClassVar[bool] = True
    p: Fraction = 0.5
    keep: Fraction = 0.5
    period: tuple[Fraction, Fraction] = (96 / 224, 1.0)

    def apply(self, images: "Tensor", draws: Draws) -> "Tensor":
        """(N, C, H, W) float32, both ways."""
        import torch

        height, width = images.shape[2:]
        low, high = self.period
        u = draws("grid", 4)
        period = ((low + (high - low) * u[:, 0]) * min(height, width)).round().clamp(min=2)
        hole = ((1 - self.keep) * period).round()
        hit = u[:, 3] < self.p

        def inside(length: int, shift: "Tensor") -> "Tensor":  # (N, length): whether a line of pixels crosses squares
            place = torch.arange(length, device=images.device) + (shift * period).floor()[:, None]
            return place % period[:, None] < hole[:, None]

        holes = inside(height, u[:, 1])[:, :, None] & inside(width, u[:, 2])[:, None, :] & hit[:, None, None]
        return images.masked_fill(holes[:, None], 0.0)


class GridMask(Technique):
    """Chen et al. 2020, https://arxiv.org/abs/2001.04086."""

    name: ClassVar = "gridmask"
    slots: ClassVar = ("image_ops",)
    zero: ClassVar = {"p": 0.0}
    strengths: ClassVar = ("p", (0.25, 0.5, 0.8))
    card: ClassVar = Card(
        title="GridMask",
        what="Hide a regular grid of squares of the image, at a random place and scale.",
        why="One large hole may hide the whole object or nothing of it; a grid hides a bit of everything, so the "
        "network has to use many parts and always sees some.",
        equation="period d ~ U(96/224, 1) x side, offsets ~ U(0, d);  x[squares of side (1 - keep) d] = 0",
        scaling="The period is a share of the side, from the paper's 96 to 224 of 224 px.",
        interacts={"random_erasing": "both hide parts of the image"},
        papers=(
            Paper(
                authors="Pengguang Chen, Shu Liu, Hengshuang Zhao, Jiaya Jia",
                title="GridMask Data Augmentation",
                year=2020,
                venue="arXiv",
                arxiv="2001.04086",
            ),
        ),
        claims=(
            Claim(
                dataset="ImageNet-1k",
                model="ResNet50",
                metric="Acc@1 %",
                baseline=76.5,
                value=77.9,
                gain=1.4,
                where="table of results on ImageNet",
                status="from memory, not looked up",
                by_authors=True,
            ),
        ),
    )

    p: Annotated[Fraction, Field(description="probability that an image is masked")] = 0.5
    keep: Annotated[Fraction, Field(description="share of the grid's period that stays between squares")] = 0.5

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        """Add the operation."""
        return {"image_ops": GridMaskOp(p=self.p, keep=self.keep)} if self.p else {}
