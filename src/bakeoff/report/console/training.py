"""What a training takes, in lines."""

from collections.abc import Iterator

from rich.console import Console

from bakeoff.events import CheckpointNotKept, CheckpointSetAside, Offer, PlanChosen, TrainingPlanned
from bakeoff.report import words
from bakeoff.report.console.text import say


def chosen(event: PlanChosen) -> Iterator[str]:
    """What was chosen for somebody's own data, what asks for it anywhere, and what is dearer."""
    yield f"{event.about}, for which this machine trains {_offer(event.taken)} (the same anywhere: {event.taken.flags})"
    if event.dearer:
        yield f"with more time: {'; '.join(f'{_offer(offer)}: {offer.flags}' for offer in event.dearer)}"


def planned(event: TrainingPlanned) -> Iterator[str]:
    """What a training will do and take, and what is worth knowing before."""
    yield (
        f"{event.model} at {event.px} px: {event.steps:,} steps of {event.batch_size} images, "
        f"{event.passes:.3g} passes, about {words.duration(event.seconds)} on {event.device}, "
        f"at least {_gib(event.bytes)} GiB of memory"
    )
    for note in event.notes:
        yield f"note: {note}"


def set_aside(event: CheckpointSetAside) -> Iterator[str]:
    """Why a kept state isn't gone on from, and what is done instead."""
    instead = f"going on from step {event.step:,}, which was kept before" if event.step else "training starts again"
    yield f"{event.path} can't be used, {event.reason}: it is now {event.aside}, and {instead}"


def not_kept(event: CheckpointNotKept) -> Iterator[str]:
    """Why the state of a run isn't kept, and what that means."""
    yield (
        f"{event.path} can't be written at step {event.step:,}: {event.reason}; training goes on, and if it is stopped "
        "now, what was done since the last checkpoint that could be kept is done again"
    )


def _offer(offer: Offer) -> str:
    return f"{offer.model} at {offer.px} px, {offer.passes:g} passes, about {words.duration(offer.seconds)}"


def show(console: Console, event: TrainingPlanned) -> None:
    """What a training takes, below its plan."""
    for line in planned(event):
        say(console, line)


def _gib(count: int) -> str:
    """Of one digit below 1."""
    amount = count / 2**30
    return f"{amount:.1g}" if amount < 1 else f"{amount:.0f}"
