"""ema: evaluate a running average of the weights."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bakeoff.plan import Average, NonNegative, Plan
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class Ema(Technique):
    """Polyak & Juditsky 1992; kept with exponential weights, as in torchvision's `--model-ema`."""

    name: ClassVar = "ema"
    slots: ClassVar = ("average",)
    zero: ClassVar = {"half_life": 0.0}
    card: ClassVar = Card(
        title="EMA of the weights",
        what="Keep a second copy of the weights that follows the trained ones slowly, and evaluate that copy.",
        why="Averaging takes out the jitter of SGD around a minimum. It costs memory in training and nothing "
        "afterwards. Floating-point BatchNorm statistics are averaged too.",
        equation="w_ema = d w_ema + (1 - d) w every k of T steps, d = 2 ** (-k / (half_life x T))",
        scaling="torchvision's decay of 0.99998 every 32 steps is adjusted there by batch and epochs; what comes out "
        "is a half-life of ln 2 / (2e-5 x N) of the training for N images, whatever batch and epochs: 2.7 % at "
        "N = 1,281,167. On 1,000 images the same rule gives a half-life of 35 whole runs, an average of 98 % "
        "initial weights; so the share is kept, not the decay.",
        interacts={
            "lr_optimizations": "a cosine that ends at 0 leaves less noise to average away",
            "exponential_schedule": "the post found it to go better with EMA than cosine does, at the price of more "
            "knobs",
            "long_training": "the half-life is a share of training, so it grows along",
        },
    )

    half_life: Annotated[
        NonNegative, Field(description="of the average, as a share of training; 0: evaluate the last weights")
    ] = 0.027

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        return {"average": Average(half_life=self.half_life)} if self.half_life else {}
