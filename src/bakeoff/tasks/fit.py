"""What suits somebody's own images, and this machine: their size, the network, and how often they are shown.

The choice depends on the data, on the work that training takes (`models.cost`, counted and not timed) and on one speed
of the machine, which is kept (`engine.timing.speed`): the same command makes the same choice again. What is asked for
is never changed, and a size that is asked for leaves nothing to choose, on any machine.
"""

import math
from collections.abc import Callable

from bakeoff import models
from bakeoff.errors import RequestError
from bakeoff.events import Offer, PlanChosen
from bakeoff.models.cost import Speed
from bakeoff.task import Task

WANTED = 60.0  # seconds that a first training may take
_ONE_SIZE = ("softmax", "mlp")  # networks without an eye for details: the smallest images are enough
_LEAST_PX = 64  # of images for the networks of torchvision and timm, which begin by shrinking them
_DEARER, _DEARER_PX = ("resnet20", "resnet18-32"), range(24, 65)  # others that are made for images of these sizes
_SHOWN = 3  # dearer ones that are told of


def fit(
    task: Task, speed: Callable[[], Speed], px: int | None = None, model: str | None = None
) -> tuple[Task, PlanChosen | None]:
    """A task at the size, with the network and the length that suit its data and the machine; and what was chosen.

    speed: of the machine, asked for where something depends on it. px, model: what is asked for. Nothing is chosen
    for a task that isn't of somebody's own data, nor where a size is asked for. Raises RequestError for a size or a
    network that can't be had.
    """
    given = task.own.given if task.own else {}
    model = model or given.get("model")
    if px is not None or task.own is None or "px" in given:
        return (task if px is None and model is None else task.at(px or task.px, model)), None
    fast = speed()
    options = _options(task, fast, model)
    fitting = [option for option in options if _seconds(option, fast) <= WANTED]
    taken, dearer = (fitting or options)[-1 if fitting else 0], options[len(fitting) :]
    if not fitting and "epochs" not in given:
        taken = task.at(taken.px, taken.model, _epochs(taken.epochs * WANTED / _seconds(taken, fast)))
    return taken, PlanChosen(
        task=task.name,
        about=f"{task.about} of {task.own.source.side} px",
        taken=_offer(taken, fast, model),
        dearer=tuple(_offer(option, fast, model) for option in dearer[:_SHOWN]),
    )


def _options(task: Task, speed: Speed, model: str | None) -> list[Task]:
    """What there is to choose from, the dearest last."""
    assert task.own is not None
    sizes = task.own.source.sizes
    if model in _ONE_SIZE:
        sizes = sizes[:1]
    elif model is not None and model not in models.NAMES:
        sizes = tuple(px for px in sizes if px >= _LEAST_PX) or sizes[-1:]
    wanted = [(px, model) for px in sizes]
    if model is None and sizes[-1] in _DEARER_PX:
        wanted += [(sizes[-1], name) for name in _DEARER]
    found, refused = [], []
    for px, name in wanted:
        try:
            found.append((_seconds(option := task.at(px, name), speed), option))
        except RequestError as error:  # the network can't take images of this size
            refused.append(error)
    if not found:
        raise refused[-1]
    return [option for _, option in sorted(found, key=lambda pair: pair[0])]


def _seconds(task: Task, speed: Speed) -> float:
    return speed.seconds(task.base_plan())


def _epochs(epochs: float) -> float:
    """Rounded down to two digits, and one pass at least: by then every image was seen."""
    unit: float = 10.0 ** (math.floor(math.log10(max(1.0, epochs))) - 1)
    return max(1.0, math.floor(epochs / unit) * unit)


def _offer(task: Task, speed: Speed, model: str | None) -> Offer:
    plan = task.base_plan()
    usual = task.at(task.px)
    flags = f"--px {task.px}" + (f" --model {task.model}" if model or task.model != usual.model else "")
    if plan.examples_seen != usual.base_plan().examples_seen:
        flags += f" --set examples_seen={plan.examples_seen}"
    return Offer(task.model, task.px, task.epochs, _seconds(task, speed), flags)
