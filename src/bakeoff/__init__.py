"""bakeoff: which training tricks are worth it, on my data, and by how much?

Names are loaded when they are first used, so that what needs no torch doesn't wait for it.
"""

import importlib as _importlib
import typing as _typing

if _typing.TYPE_CHECKING:
    from bakeoff.ablation.design import AddOne, Budget, Factorial, HalfWidth, Ladder, LeaveOneOut, Runs, Seeds, Settled
    from bakeoff.api import (
        ablate,
        analyse_runs,
        check_data,
        check_report,
        copy_store,
        demo,
        derive,
        doctor,
        draft_study,
        estimate,
        evaluate,
        export_model,
        export_runs,
        forecast,
        hand_in,
        inspect_run,
        judge,
        ledger,
        load_data,
        load_model,
        lr_find,
        open_command,
        open_study,
        pack_store,
        package,
        plan_ablation,
        plan_derivation,
        plan_job,
        predict,
        prepare_data,
        self_test,
        skill,
        train,
        verify,
        watch,
        work,
        write_inspection,
        write_next,
        write_report,
        write_shards,
    )
    from bakeoff.errors import BakeoffError, RequestError
    from bakeoff.events import Event
    from bakeoff.parts import ImageOp, LossTerm, Mixer
    from bakeoff.plan import Fraction, Model, Plan, diff
    from bakeoff.recipe import Recipe
    from bakeoff.recipes.request import Job, Request
    from bakeoff.report.chart import effects_chart
    from bakeoff.report.display import headline, paragraphs, section
    from bakeoff.rng import Draws
    from bakeoff.runs.record import RunRecord, View
    from bakeoff.runs.store import Store, open_store
    from bakeoff.runs.workspace import Workspace
    from bakeoff.stats.table import AnalysisOptions, Effect
    from bakeoff.study.analyse import Results
    from bakeoff.task import Limits, Task
    from bakeoff.teach.cards import card
    from bakeoff.teach.narrative import narrative
    from bakeoff.teach.pick import pick
    from bakeoff.teach.pictures import figure
    from bakeoff.technique import Card, Claim, Paper, Technique
    from bakeoff.techniques.published import blog_rows

    __version__: str

_HOMES = {
    "ablation.design": (
        "AddOne", "Budget", "Factorial", "HalfWidth", "Ladder", "LeaveOneOut", "Runs", "Seeds", "Settled",
    ),
    "api": (
        "ablate", "analyse_runs", "check_data", "check_report", "copy_store", "demo", "derive", "doctor",
        "draft_study", "estimate", "evaluate", "export_model", "export_runs", "forecast", "hand_in", "inspect_run",
        "judge", "ledger", "load_data", "load_model", "lr_find", "open_command", "open_study", "pack_store",
        "package", "plan_ablation", "plan_derivation", "plan_job", "predict", "prepare_data", "self_test", "skill",
        "train", "verify", "watch", "work", "write_inspection", "write_next", "write_report", "write_shards",
    ),
    "errors": ("BakeoffError", "RequestError"),
    "events": ("Event",),
    "parts": ("ImageOp", "LossTerm", "Mixer"),
    "plan": ("Fraction", "Model", "Plan", "diff"),
    "recipe": ("Recipe",),
    "recipes.request": ("Job", "Request"),
    "report.chart": ("effects_chart",),
    "report.display": ("headline", "paragraphs", "section"),
    "rng": ("Draws",),
    "runs.record": ("RunRecord", "View"),
    "runs.store": ("Store", "open_store"),
    "runs.workspace": ("Workspace",),
    "stats.table": ("Effect", "AnalysisOptions"),
    "study.analyse": ("Results",),
    "task": ("Limits", "Task"),
    "teach.cards": ("card",),
    "teach.narrative": ("narrative",),
    "teach.pick": ("pick",),
    "teach.pictures": ("figure",),
    "technique": ("Card", "Claim", "Paper", "Technique"),
    "techniques.published": ("blog_rows",),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AddOne",
    "AnalysisOptions",
    "BakeoffError",
    "Budget",
    "Card",
    "Claim",
    "Draws",
    "Effect",
    "Event",
    "Factorial",
    "Fraction",
    "HalfWidth",
    "ImageOp",
    "Job",
    "Ladder",
    "LeaveOneOut",
    "Limits",
    "LossTerm",
    "Mixer",
    "Model",
    "Paper",
    "Plan",
    "Recipe",
    "Request",
    "RequestError",
    "Results",
    "RunRecord",
    "Runs",
    "Seeds",
    "Settled",
    "Store",
    "Task",
    "Technique",
    "View",
    "Workspace",
    "__version__",
    "ablate",
    "analyse_runs",
    "blog_rows",
    "card",
    "check_data",
    "check_report",
    "copy_store",
    "demo",
    "derive",
    "diff",
    "doctor",
    "draft_study",
    "effects_chart",
    "estimate",
    "evaluate",
    "export_model",
    "export_runs",
    "figure",
    "forecast",
    "hand_in",
    "headline",
    "inspect_run",
    "judge",
    "ledger",
    "load_data",
    "load_model",
    "lr_find",
    "narrative",
    "open_command",
    "open_store",
    "open_study",
    "pack_store",
    "package",
    "paragraphs",
    "pick",
    "plan_ablation",
    "plan_derivation",
    "plan_job",
    "predict",
    "prepare_data",
    "section",
    "self_test",
    "skill",
    "train",
    "verify",
    "watch",
    "work",
    "write_inspection",
    "write_next",
    "write_report",
    "write_shards",
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
