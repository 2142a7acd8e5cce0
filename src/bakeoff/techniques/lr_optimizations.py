"""lr_optimizations: a larger batch, a rate that grows with it, linear warmup, cosine decay."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bakeoff.plan import Copies, Fraction, Plan, Positive, Schedule
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class LrOptimizations(Technique):
    """Goyal et al. 2017, https://arxiv.org/abs/1706.02677; cosine of Loshchilov & Hutter 2017, without restarts."""

    name: ClassVar = "lr_optimizations"
    slots: ClassVar = ("batch_size", "lr")
    strengths: ClassVar = ("lr_ratio", (0.625, 1.25, 2.5))
    card: ClassVar = Card(
        title="Large batch, linear warmup, cosine schedule",
        what="Use a larger batch and a learning rate that grows with it, ramp the rate up at the start, then let it "
        "fall along half a cosine to 0 instead of dropping it in steps.",
        why="A larger batch has less gradient noise, so a longer step makes the same progress; early on the weights "
        "change too fast for such a step, which the ramp prevents. The cosine explores at high rates for most of the "
        "run and settles at tiny ones, with no milestones to tune.",
        equation="peak = lr_ratio x base rate per 256 x batch / 256;  t = share of training done, w = warmup:\n"
        "t < w: lr = peak x (start + (1 - start) x t / w);  then: lr = peak x (1 + cos(pi (t - w) / (1 - w))) / 2",
        scaling="Batch: 4 x the baseline's 256 on imagenet; the baseline's own on small data, where fewer steps cost "
        "more than larger batches give. Rate: 1.25 x the baseline's rate per 256 images "
        "(0.5 at 1,024 is 0.125 per 256, against 0.1). Warmup: 5 of the final recipe's 600 epochs, as a share of "
        "training. When the post introduced it, it was 5 of 90: --set lr_optimizations.warmup=0.0556. The engine "
        "rounds the share to whole steps, so a run of 60 steps or fewer has none.",
        interacts={
            "long_training": "a larger batch takes fewer steps per epoch; a longer run gives them back",
            "weight_decay_tuning": "the pull on the weights is learning rate x weight decay: raising one is like "
            "raising the other",
            "ema": "a cosine that ends at 0 leaves less noise to average away",
            "step_schedule": "both set the schedule: choose one",
            "exponential_schedule": "both set the schedule: choose one",
        },
    )

    batch_ratio: Annotated[
        Copies | None, Field(description="batch size relative to the baseline's; none: what suits the task")
    ] = None
    lr_ratio: Annotated[Positive, Field(description="learning rate per 256 images, relative to the baseline's")] = 1.25
    warmup: Annotated[Fraction, Field(description="share of training over which the rate rises linearly")] = 5 / 600
    warmup_start: Annotated[Fraction, Field(description="rate at the very start, as a share of the peak")] = 0.01

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        return {
            "batch_size": base.batch_size * (self.batch_ratio or task.large_batch),
            "lr": Schedule(
                per_256=base.lr.per_256 * self.lr_ratio,
                shape="cosine",
                warmup=self.warmup,
                warmup_start=self.warmup_start,
            ),
        }
