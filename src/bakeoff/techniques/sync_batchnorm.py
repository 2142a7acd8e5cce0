"""sync_batchnorm: BatchNorm statistics over all devices."""

from collections.abc import Mapping
from typing import Any, ClassVar

from bakeoff.plan import Plan
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class SyncBatchNorm(Technique):
    """Peng et al. 2018, https://arxiv.org/abs/1711.07240, as torch.nn.SyncBatchNorm."""

    name: ClassVar = "sync_batchnorm"
    slots: ClassVar = ("model",)
    card: ClassVar = Card(
        title="Synchronised BatchNorm",
        what="Compute the statistics of BatchNorm over the batch of all devices instead of each device's own.",
        why="It matters where a device holds few images (detection, segmentation). With 32 to 128 per device the local "
        "statistics are good enough, and their noise regularises.",
        equation="x^ = (x - mean) / sqrt(var + eps), mean and var over all devices' images",
        scaling="Nothing to scale. On one device, or in a network without BatchNorm, it equals the baseline.",
        interacts={
            "lr_optimizations": "the larger the batch of a device, the less there is to gain",
        },
    )

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        return {"model": base.model.model_copy(update={"sync_batchnorm": True})}
