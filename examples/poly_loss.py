"""poly_loss: a technique from outside that adds a term to the loss, beside label smoothing.

bakeoff train --task digits --with ./examples/poly_loss.py:PolyLoss,label_smoothing
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from bakeoff import Card, LossTerm, Paper, Plan, Task, Technique

if TYPE_CHECKING:
    from torch import Tensor  # loading it takes a second, which no list or report should wait for


class Poly1(LossTerm):
    """`epsilon` (1 - p), p the probability that the network gives to the target: the first term of the expansion."""

    kind: Literal["poly1"] = "poly1"
    epsilon: float

    def apply(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """A scalar. logits, targets: (N, K) float32."""
        return self.epsilon * (1.0 - (logits.softmax(1) * targets).sum(1)).mean()


class PolyLoss(Technique):
    """Leng et al. 2022, https://arxiv.org/abs/2204.12511."""

    name: ClassVar = "poly_loss"
    slots: ClassVar = ("loss.terms",)
    zero: ClassVar = {"epsilon": 0.0}
    strengths: ClassVar = ("epsilon", (1.0, 2.0, 4.0))
    card: ClassVar = Card(
        title="PolyLoss (Poly-1)",
        what="Add a multiple of one minus the target's probability to the cross-entropy.",
        why="Cross-entropy is a series of powers of 1 - p with fixed weights; a larger weight of the first one keeps a "
        "gradient on examples that are almost right.",
        equation="L = -log p + epsilon (1 - p), p the probability of the target",
        scaling="epsilon has no unit; the best value is the task's own and is meant to be tuned.",
        interacts={"label_smoothing": "smooths the cross-entropy only; this term sees the targets as they are"},
        papers=(
            Paper(
                authors="Zhaoqi Leng, Mingxing Tan, Chenxi Liu, Ekin Dogus Cubuk, Xiaojie Shi, Shuyang Cheng, "
                "Dragomir Anguelov",
                title="PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions",
                year=2022,
                venue="ICLR",
                arxiv="2204.12511",
            ),
        ),
    )

    epsilon: Annotated[float, Field(ge=-1.0, description="weight of the term; 0: plain cross-entropy")] = 2.0

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        """Add the term."""
        return {"loss.terms": Poly1(epsilon=self.epsilon)} if self.epsilon else {}
