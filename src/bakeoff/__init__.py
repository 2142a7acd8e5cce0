"""bakeoff: which training tricks are worth it, on my data, and by how much?

Names are loaded when they are first used, so that what needs no torch doesn't wait for it.
"""

import importlib as _importlib
import typing as _typing

if _typing.TYPE_CHECKING:
    from bakeoff.ablation.design import AddOne, Budget, Factorial, HalfWidth, Ladder, LeaveOneOut, Runs, Seeds
    from bakeoff.api import (
        ablate,
        check_data,
        derive,
        evaluate,
        hand_in,
        open_study,
        plan_ablation,
        plan_derivation,
        plan_job,
        predict,
        prepare_data,
        train,
        write_report,
    )
    from bakeoff.errors import BakeoffError, RequestError
    from bakeoff.events import Event
    from bakeoff.plan import Plan, diff
    from bakeoff.recipe import Recipe
    from bakeoff.recipes.request import Job, Request
    from bakeoff.runs.store import RunRecord, Store, View, open_store
    from bakeoff.runs.workspace import Workspace
    from bakeoff.stats.table import Effect, Reading
    from bakeoff.study.analyse import Results
    from bakeoff.task import Task
    from bakeoff.technique import Card, Technique

    __version__: str

_HOMES = {
    "ablation.design": ("AddOne", "Budget", "Factorial", "HalfWidth", "Ladder", "LeaveOneOut", "Runs", "Seeds"),
    "api": (
        "ablate", "check_data", "derive", "evaluate", "hand_in", "open_study", "plan_ablation", "plan_derivation",
        "plan_job", "predict", "prepare_data", "train", "write_report",
    ),
    "errors": ("BakeoffError", "RequestError"),
    "events": ("Event",),
    "plan": ("Plan", "diff"),
    "recipe": ("Recipe",),
    "recipes.request": ("Job", "Request"),
    "runs.store": ("RunRecord", "Store", "View", "open_store"),
    "runs.workspace": ("Workspace",),
    "stats.table": ("Effect", "Reading"),
    "study.analyse": ("Results",),
    "task": ("Task",),
    "technique": ("Card", "Technique"),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AddOne",
    "BakeoffError",
    "Budget",
    "Card",
    "Effect",
    "Event",
    "Factorial",
    "HalfWidth",
    "Job",
    "Ladder",
    "LeaveOneOut",
    "Plan",
    "Reading",
    "Recipe",
    "Request",
    "RequestError",
    "Results",
    "RunRecord",
    "Runs",
    "Seeds",
    "Store",
    "Task",
    "Technique",
    "View",
    "Workspace",
    "__version__",
    "ablate",
    "check_data",
    "derive",
    "diff",
    "evaluate",
    "hand_in",
    "open_store",
    "open_study",
    "plan_ablation",
    "plan_derivation",
    "plan_job",
    "predict",
    "prepare_data",
    "train",
    "write_report",
]


def __getattr__(name: str) -> _typing.Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("bakeoff")
    if name not in _HOME:
        raise AttributeError(f"module 'bakeoff' has no attribute '{name}'")
    return getattr(_importlib.import_module(f"bakeoff.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
