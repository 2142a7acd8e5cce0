"""What bakeoff does, as functions: the program. The command line and notebooks call these.

Every function takes what is asked for, as keywords or as one `Request`, and where it happens, as keywords or as one
`Workspace`:

- what: `task` (a name or "folder:PATH"), `recipe` (a name or a file; None: baseline to train, torchvision-2021 to
  measure and to search), `with_` and `without` (techniques to add and to leave out), `settings`
  ("technique.knob=value" or "slot=value"), `model` (a network by name), `length` (multiple of the training length),
  `px` (side of the images), `skip_bad` (go on without images that can't be read);
- where: `store` (folder of results), `data` (folder of data sets), `device`, `workers` (processes that decode files),
  `jobs` and `threads` (processes of a study, and threads of each), `track` (trackers that are told of runs:
  "tensorboard", "mlflow", "wandb", "trackio" or "jsonl", each with "=WHERE" behind it or not).

All raise RequestError for what can't be had, and BakeoffError when the work fails. What takes a while tells an
`observer` what happens (`bakeoff.events`); where none is named it is silent, but in a notebook shows a bar that leaves
a line or two.
"""

from bakeoff.api.data import check_data, load_data, prepare_data, write_shards
from bakeoff.api.export import export_model, package
from bakeoff.api.inspection import demo, inspect_run, write_inspection
from bakeoff.api.judging import judge, ledger, self_test, skill
from bakeoff.api.machine import doctor
from bakeoff.api.observed import analyse_runs, export_runs, write_next
from bakeoff.api.results import (
    check_report,
    copy_store,
    hand_in,
    open_study,
    pack_store,
    recipe_file,
    report_file,
    verify,
    write_report,
)
from bakeoff.api.studies import (
    ablate,
    derive,
    draft_study,
    estimate,
    open_command,
    plan_ablation,
    plan_derivation,
    watch,
    work,
)
from bakeoff.api.training import evaluate, forecast, load_model, lr_find, plan_job, predict, train

__all__ = [
    "ablate",
    "analyse_runs",
    "check_data",
    "check_report",
    "copy_store",
    "demo",
    "derive",
    "doctor",
    "draft_study",
    "estimate",
    "evaluate",
    "export_model",
    "export_runs",
    "forecast",
    "hand_in",
    "inspect_run",
    "judge",
    "ledger",
    "load_data",
    "load_model",
    "lr_find",
    "open_command",
    "open_study",
    "pack_store",
    "package",
    "plan_ablation",
    "plan_derivation",
    "plan_job",
    "predict",
    "prepare_data",
    "recipe_file",
    "report_file",
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
