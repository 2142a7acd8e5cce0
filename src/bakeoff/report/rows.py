"""The table of key improvements, computed once: yours, the post's, the papers', time and verdict."""

import math
from dataclasses import dataclass
from functools import cached_property

from bakeoff import techniques
from bakeoff.report import words
from bakeoff.report.page import Tone
from bakeoff.stats.table import Effect
from bakeoff.study.analyse import Results
from bakeoff.technique import Claim
from bakeoff.techniques.published import Increment, claims, increment

_DATASETS = {"mnist": "MNIST", "mnist-5k": "MNIST", "fashion-mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}
_HOME = "ImageNet-1k"  # the post's data


@dataclass(frozen=True, eq=False)
class EffectRow:
    """One technique.

    effect: None if the task rules it out, for `reason`. claims: published gains, by its authors or read at a source.
    cost: training time with / without. evaluation: read from every run at both levels. waiting: runs are still to come.
    judged: whether a verdict follows from such runs. dropped: a derived recipe leaves it out.
    """

    technique: str
    effect: Effect | None
    post: Increment | None
    claims: tuple[Claim, ...]
    cost: float | None
    evaluation: bool
    task: str
    waiting: bool
    judged: bool = True
    dropped: bool = False
    reason: str = ""

    @cached_property
    def title(self) -> str:
        """Its name."""
        return words.title(self.technique)

    @property
    def measured(self) -> bool:
        """Whether the runs say anything about it."""
        return self.effect is not None and math.isfinite(self.effect.gain_pp)

    @property
    def tone(self) -> Tone:
        """The verdict's kind; "none" where there is none."""
        return self.effect.verdict if self.effect is not None and self.measured and self.judged else "none"

    @property
    def flagged(self) -> bool:
        """Whether the interval that holds for the whole table at once leaves out 0."""
        return self.effect is not None and self.judged and (self.effect.sim_low > 0 or self.effect.sim_high < 0)

    @property
    def verdict(self) -> str:
        """In words."""
        if self.effect is None:
            return "not applicable"
        if not self.measured:
            return "not measured"
        return words.VERDICTS[self.effect.verdict] if self.judged else "no verdict"

    @property
    def why(self) -> str:
        """What a reader needs beside the verdict."""
        if self.effect is None:
            return self.reason
        if not self.measured and self.waiting:
            return "its runs have not finished"
        undecided = words.undecided(self.effect) if self.tone == "undecided" else ""
        return "; ".join(part for part in (undecided, self.effect.note) if part)

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
            post=increment(name),
            claims=_claims(name),
            cost=results.cost.get(name),
            evaluation=name in spec.evaluation,
            task=spec.task,
            waiting=waiting(results) > 0,
            judged=results.judged,
            dropped=name in effects and not spec.recipe_levels[spec.names.index(name)],
            reason=spec.not_applicable.get(name, ""),
        )
        for name in names
    ]
