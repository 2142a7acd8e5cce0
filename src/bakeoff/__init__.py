"""bakeoff: which training tricks are worth it, on my data, and by how much?

Names are loaded when they are first used, so that what needs no torch doesn't wait for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bakeoff.ablation.run import ablate
    from bakeoff.api import evaluate, plan_job, predict, train
    from bakeoff.derivation.run import derive
    from bakeoff.errors import BakeoffError, RequestError
    from bakeoff.plan import Plan
    from bakeoff.runs.record import RunRecord, View
    from bakeoff.runs.store import Store

_HOMES = {
    "bakeoff.ablation.run": ("ablate",),
    "bakeoff.api": ("evaluate", "plan_job", "predict", "train"),
    "bakeoff.derivation.run": ("derive",),
    "bakeoff.errors": ("BakeoffError", "RequestError"),
    "bakeoff.plan": ("Plan",),
    "bakeoff.runs.store": ("RunRecord", "Store", "View"),
}

__all__ = [
    "BakeoffError",
    "Plan",
    "RequestError",
    "RunRecord",
    "Store",
    "View",
    "ablate",
    "derive",
    "evaluate",
    "plan_job",
    "predict",
    "train",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'bakeoff' has no attribute '{name}'")
