"""bakeoff: which training tricks are worth it, on my data, and by how much?

Names are loaded when they are first used, so that what needs no torch doesn't wait for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bakeoff.ablation.run import ablate
    from bakeoff.api import data_folder, evaluate, open_study, plan_job, predict, train
    from bakeoff.derivation.run import derive
    from bakeoff.errors import BakeoffError, RequestError
    from bakeoff.plan import Plan
    from bakeoff.report.chart import effects_chart
    from bakeoff.report.display import headline, paragraphs, section
    from bakeoff.runs.runner import load_model
    from bakeoff.runs.store import RunRecord, Store, View, open_store
    from bakeoff.stats.table import Reading
    from bakeoff.teach.cards import card
    from bakeoff.teach.narrative import narrative
    from bakeoff.teach.pick import pick
    from bakeoff.teach.pictures import figure
    from bakeoff.techniques.published import blog_rows

_HOMES = {
    "bakeoff.ablation.run": ("ablate",),
    "bakeoff.api": ("data_folder", "evaluate", "open_study", "plan_job", "predict", "train"),
    "bakeoff.derivation.run": ("derive",),
    "bakeoff.errors": ("BakeoffError", "RequestError"),
    "bakeoff.plan": ("Plan",),
    "bakeoff.report.chart": ("effects_chart",),
    "bakeoff.report.display": ("headline", "paragraphs", "section"),
    "bakeoff.runs.runner": ("load_model",),
    "bakeoff.runs.store": ("RunRecord", "Store", "View", "open_store"),
    "bakeoff.stats.table": ("Reading",),
    "bakeoff.teach.cards": ("card",),
    "bakeoff.teach.narrative": ("narrative",),
    "bakeoff.teach.pick": ("pick",),
    "bakeoff.teach.pictures": ("figure",),
    "bakeoff.techniques.published": ("blog_rows",),
}

__all__ = [
    "BakeoffError",
    "Plan",
    "Reading",
    "RequestError",
    "RunRecord",
    "Store",
    "View",
    "ablate",
    "blog_rows",
    "card",
    "data_folder",
    "derive",
    "effects_chart",
    "evaluate",
    "figure",
    "headline",
    "load_model",
    "narrative",
    "open_store",
    "open_study",
    "paragraphs",
    "pick",
    "plan_job",
    "predict",
    "section",
    "train",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'bakeoff' has no attribute '{name}'")
