"""The table of key improvements, computed once: yours, the post's, the papers', time and what to do."""

import math
from dataclasses import dataclass
from functools import cached_property

from bakeoff import techniques
from bakeoff.report import words
from bakeoff.report.page import Tone
from bakeoff.stats.decision import Action, Decision
from bakeoff.stats.table import Effect
from bakeoff.study.analyse import Results
from bakeoff.technique import Claim
from bakeoff.techniques.published import Increment, claims, increment

_DATASETS = {"mnist": "MNIST", "mnist-5k": "MNIST", "fashion-mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}
_HOME = "ImageNet-1k"  # the post's data
_TONES: dict[Action, Tone] = {"keep": "helps", "leave_out": "hurts", "either": "no_effect"}


@dataclass(frozen=True, eq=False)
class EffectRow:
    """One technique.

    effect: None if the task rules it out, for `reason`. claims: published gains, by its authors or read at a source.
    cost: training time with / without. worth: times the training length that buy as much. evaluation: read from every
    run at both levels. waiting: runs are still to come. judged: whether a verdict follows from such runs. dropped: a
    derived recipe leaves it out. plain: a factor of a command, called as its file does.
    """

    technique: str
    effect: Effect | None
    post: Increment | None
    claims: tuple[Claim, ...]
    cost: float | None
    worth: float | None
    evaluation: bool
    task: str
    waiting: bool
    judged: bool = True
    dropped: bool = False
    reason: str = ""
    plain: bool = False

    @cached_property
    def title(self) -> str:
        """Its name."""
        return self.technique if self.plain else words.title(self.technique)

    @property
    def measured(self) -> bool:
        """Whether the runs say anything about it."""
        return self.effect is not None and math.isfinite(self.effect.gain_pp)

    @property
    def flagged(self) -> bool:
        """Whether the interval that is shown, of all rows at once, leaves out 0; not of what a model believes."""
        if self.effect is None or not self.judged or self.effect.method == "model":
            return False
        shown = self.effect.errors
        low, high = (shown.low, shown.high) if shown else (self.effect.sim_low, self.effect.sim_high)
        return low > 0 or high < 0

    @property
    def decision(self) -> Decision | None:
        """What to do, where the runs can tell."""
        return self.effect.decision if self.effect is not None and self.measured and self.judged else None

    @property
    def tone(self) -> Tone:
        """The decision's kind; "none" where there can be none."""
        if not (self.measured and self.judged):
            return "none"
        return "undecided" if self.decision is None else _TONES[self.decision.action]

    @property
    def established(self) -> bool:
        """Whether the interval that holds for the whole table at once says the same."""
        return self.decision is not None and self.decision.established

    @property
    def advice(self) -> str:
        """What to do, in words."""
        if self.effect is None:
            return "not applicable"
        if not (self.measured and self.judged):
            return "no advice" if self.measured else "not measured"
        if self.decision is None:
            return "can't be told"
        if self.dropped and self.decision.action == "keep":
            return "add"
        return words.ADVICE[self.decision.action]

    @property
    def why(self) -> str:
        """What a reader needs beside the advice: how sure it is, or why there's none."""
        if self.effect is None:
            return self.reason
        if not self.measured and self.waiting:
            return "its runs have not finished"
        parts = [words.sure(self.decision)] if self.decision else []
        if self.decision and self.decision.action != "either":
            parts += [words.settled(self.decision)]
        return "; ".join(part for part in (*parts, self.effect.note) if part)

    @property
    def time(self) -> str:
        """Extra training time."""
        if self.effect is None:
            return ""
        return "none" if self.evaluation else words.cost(self.cost)

    @property
    def claim(self) -> Claim | None:
        """The one to show beside the effect, if any compares: on the study's own data, by its authors, on ImageNet."""
        own = _DATASETS.get(self.task)
        compared = [claim for claim in self.claims if claim.comparable]
        return min(compared, key=lambda c: (c.dataset != own, not c.by_authors, c.dataset != _HOME), default=None)


def waiting(results: Results) -> int:
    """How many runs have not come to any end."""
    return sum(record is None or record.status == "interrupted" for record in results.records)


def _claims(name: str) -> tuple[Claim, ...]:
    known = claims(name) if techniques.find(name) else ()  # one from outside whose file wasn't named
    return tuple(claim for claim in known if claim.gain is not None and (claim.by_authors or claim.at_source))


def rows(results: Results) -> list[EffectRow]:
    """All techniques of the recipe in the order of the story; those that the task rules out last."""
    spec = results.spec
    effects = {effect.technique: effect for effect in results.main}
    names = [*(name for name in spec.order if name in effects), *spec.not_applicable]
    return [
        EffectRow(
            technique=name,
            effect=effects.get(name),
            post=None if spec.program else increment(name),
            claims=() if spec.program else _claims(name),
            cost=results.cost.get(name),
            worth=results.worth.get(name),
            evaluation=name in spec.evaluation,
            task=spec.task,
            waiting=waiting(results) > 0,
            judged=results.judged,
            dropped=name in effects and not spec.recipe_levels[spec.names.index(name)],
            reason=spec.not_applicable.get(name, ""),
            plain=spec.program is not None,
        )
        for name in names
    ]
