"""What the engine computes, as part of a run's identity: a base version, and revisions of its parts.

A change after which the same plan and seed give other bits must give its runs another id, or old results pass for new
ones. Where it changes one part (an augmentation, an optimizer, a schedule, a network), raise that part's revision, or
enter it at 2:

    REVISIONS = MappingProxyType({"image_ops.trivial_augment": 2})

and only runs whose plan uses that part get other ids; `parts` says which parts a plan uses, and tests/test_versions.py
refuses names that no plan can have. ENGINE_VERSION is for what every run goes through: the loop, the order of images,
the streams of random numbers, the average of the weights. It orphans everything that was ever trained.
"""

from collections.abc import Mapping
from types import MappingProxyType

from bakeoff.plan import Plan, Policy

ENGINE_VERSION = 1

# Part -> revision; parts that aren't named are at 1. At 1, automatic augmentations sheared and turned images to the
# nearest pixel whatever the plan's interpolation, and normalisation layers that aren't torch's decayed like weights.
REVISIONS: Mapping[str, int] = MappingProxyType({"interpolation.warp": 2, "decay.norm": 2})


def parts(plan: Plan) -> frozenset[str]:
    """The parts of the engine that a plan uses: "optimizer.sgd", "lr.cosine", "image_ops.pad_crop", ..."""
    names = {
        f"model.{plan.model.name}",
        f"sampler.{plan.sampler.kind}",
        f"interpolation.{plan.interpolation}",
        f"optimizer.{plan.optimizer.kind}",
        f"lr.{plan.lr.shape}",
        f"precision.{plan.precision.dtype}",
        *(f"{part.slot}.{part.kind}" for part in plan.parts),
    }
    policy = plan.op("policy")
    torchs = ":" not in plan.model.name and f"model.{plan.model.name}" not in plan.sources  # its normalisation layers
    uses = {
        "decay.norm": plan.decay.norm is not None and not torchs,
        "interpolation.warp": isinstance(policy, Policy) and policy.warps and plan.interpolation != "nearest",
        "image_ops.whole": plan.op("crop") is None,
        "loss.label_smoothing": plan.loss.label_smoothing > 0,
        "lr.warmup": plan.lr.warmup > 0,
        "model.sync_batchnorm": plan.model.sync_batchnorm,
        "precision.compile": plan.precision.compile,
        "read_px": plan.read_px is not None,
    }
    return frozenset(names | {name for name, used in uses.items() if used})


def revisions(plan: Plan) -> dict[str, int]:
    """The revisions above 1 of the parts that a plan uses."""
    return {name: REVISIONS[name] for name in sorted(parts(plan) & REVISIONS.keys()) if REVISIONS[name] > 1}
