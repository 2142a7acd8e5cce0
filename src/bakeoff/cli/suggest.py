"""What somebody most likely wants who typed a command or an option that isn't there."""

import difflib
from collections.abc import Collection

# Names that other programs have -> what does it here: (an option that the command must have, how it is given).
_INSTEAD = {
    "--epochs": ("--length", "--length 2, a multiple of the task's own training length"),
    "--steps": ("--set", "--set examples_seen=100000, images in all"),
    "--lr": ("--set", "--set lr.per_256=0.1, the peak for a batch of 256"),
    "--learning-rate": ("--set", "--set lr.per_256=0.1, the peak for a batch of 256"),
    "--lr-schedule": ("--set", "--set lr.shape=cosine"),
    "--lr-scheduler": ("--set", "--set lr.shape=cosine"),
    "--lr-warmup": ("--set", "--set lr.warmup=0.05, a share of training"),
    "--warmup": ("--set", "--set lr.warmup=0.05, a share of training"),
    "--batch-size": ("--set", "--set batch_size=64"),
    "--batch": ("--set", "--set batch_size=64"),
    "--weight-decay": ("--set", "--set decay.weight_decay=0.0001"),
    "--wd": ("--set", "--set decay.weight_decay=0.0001"),
    "--momentum": ("--set", "--set optimizer.momentum=0.9"),
    "--optimizer": ("--with", "--with adamw, adam, rmsprop or nesterov"),
    "--amp": ("--set", "--set precision.dtype=bf16"),
    "--bf16": ("--set", "--set precision.dtype=bf16"),
    "--compile": ("--set", "--set precision.compile=true"),
    "--dataset": ("--task", "--task folder:PATH or a task by name"),
    "--data-path": ("--task", "--task folder:PATH"),
    "--data-dir": ("--data", "--data DIR"),
    "--arch": ("--model", "--model resnet18"),
    "--network": ("--model", "--model resnet18"),
    "--gpu": ("--device", "--device cuda"),
    "--cpu": ("--device", "--device cpu"),
    "--num-workers": ("--workers", "--workers 4"),
    "--output": ("--store", "--store DIR"),
    "--output-dir": ("--store", "--store DIR"),
    "--resume": ("--store", "the same command, which goes on by itself"),
    "--techniques": ("--with", "--with mixup,ema"),
    "--top-k": ("--topk", "--topk 1,5"),
    "--force": ("--yes", "--yes"),
}
_COMMANDS = {
    "fit": "train",
    "eval": "evaluate",
    "test": "evaluate",
    "validate": "evaluate",
    "infer": "predict",
    "classify": "predict",
    "ablation": "ablate",
    "search": "derive",
    "ls": "runs list",
    "list": "runs list",
    "show": "runs show",
    "rm": "runs rm",
    "delete": "runs rm",
    "remove": "runs rm",
    "models": "train --help",
    "version": "--version",
    "help": "--help",
}


def instead_of_option(option: str, known: Collection[str], command: str) -> str:
    """The complaint about an option that `command` doesn't have, with what would be right.

    known: the options that it has.
    """
    name = option.partition("=")[0].replace("_", "-").lower()
    name = name if name.startswith("--") else f"--{name.lstrip('-')}"
    there = f"no option {option}"
    if name in known:
        return f"{there}; did you mean {name}?"
    needs, how = _INSTEAD.get(name, ("", ""))
    if needs in known:
        return f"{there}; here it is {how}"
    if "--with" in known and (technique := _technique(name)):
        leave = name.startswith("--no-")
        return f"{there}; here it is {'--without' if leave else '--with'} {technique}"
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    if near:
        return f"{there}; did you mean {near[0]}?"
    if name.startswith("--lr-") and "--set" in known:
        return f"{there}; what belongs to the learning rate is --set lr.KNOB=VALUE, listed by --dry-run"
    return f"{there}; they are listed by: {command} --help"


def instead_of_command(name: str, known: Collection[str], group: str) -> str:
    """The complaint about a command that `group` doesn't have, with the nearest one."""
    there = f"no command {name}"
    if group == "bakeoff" and name in _COMMANDS:
        return f"{there}; here it is: bakeoff {_COMMANDS[name]}"
    near = difflib.get_close_matches(name, [*known, *(_COMMANDS if group == "bakeoff" else ())], n=1, cutoff=0.5)
    if near:
        return f"{there}; did you mean {group} {_COMMANDS.get(near[0], near[0]) if near[0] not in known else near[0]}?"
    return f"{there}; there are: {', '.join(known)}"


def _technique(option: str) -> str:
    from bakeoff.techniques import NAMES

    name = option.removeprefix("--").removeprefix("no-").replace("-", "_")
    return name if name in NAMES else ""
