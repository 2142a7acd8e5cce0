"""Three answers about a technique as plain text: the idea, what is claimed for it, what was found and why that differs.

Every number comes from the cards or from a study, and each says which. What the study can't tell is said as well.
"""

from dataclasses import dataclass
from typing import ClassVar

from bakeoff import techniques
from bakeoff.plan import Plan
from bakeoff.report import words
from bakeoff.report.rows import EffectRow, rows, waiting
from bakeoff.study.analyse import Results
from bakeoff.teach.differences import reasons
from bakeoff.technique import Claim, Paper
from bakeoff.techniques import published

QUESTIONS = (
    "What does it do, and why should it help?",
    "What does its paper claim, where, and was that read at its source?",
    "What did the post find, what did bakeoff measure, and why do the two differ?",
)
_UNVERIFIED = "UNVERIFIED"  # before every number that nobody looked up


@dataclass(frozen=True)
class Narrative:
    """The answers to `questions`, paragraph by paragraph; `why` are the reasons that belong to the third."""

    questions: ClassVar = QUESTIONS

    technique: str
    title: str
    idea: tuple[str, ...]
    published: tuple[str, ...]
    found: tuple[str, ...]
    why: tuple[str, ...]

    @property
    def answers(self) -> tuple[tuple[str, ...], ...]:
        """The paragraphs that answer each of QUESTIONS; reasons start with a dash."""
        return self.idea, self.published, (*self.found, *(f"- {reason}" for reason in self.why))

    @property
    def paragraph(self) -> str:
        """The short form: what it does, the first claim, the post's number and the study's."""
        return " ".join((f"{self.title}.", self.idea[0], self.published[0], *self.found[:2]))

    @property
    def text(self) -> str:
        """All answers, each paragraph on a line of its own, ready to paste."""
        parts = [self.title]
        for number, (question, answer) in enumerate(zip(QUESTIONS, self.answers, strict=True), start=1):
            parts += [f"{number}. {question}", *answer]
        return "\n\n".join(parts) + "\n"


def narrative(technique: str, results: Results | None = None) -> Narrative:
    """What there is to say about a technique, with a study or without one.

    Raises RequestError if there is no such technique.
    """
    task = results.spec.task if results else ""
    row = _row(technique, results) if results else None
    return Narrative(
        technique=technique,
        title=words.title(technique),
        idea=_idea(technique, results),
        published=_published(technique, task),
        found=(_post(technique), measured(technique, results), _sources(technique, row, results)),
        why=reasons(row, results) if row and results else (),
    )


def _row(technique: str, results: Results) -> EffectRow | None:
    return next((row for row in rows(results) if row.technique == technique), None)


def _idea(name: str, results: Results | None) -> tuple[str, ...]:
    card = techniques.get(name).card
    found = [f"{card.what} Why that should help: {card.why}", f"Equation: {card.equation}"]
    if knobs := _knobs(name, results):
        found.append(f"Settings {'in this study' if _in(name, results) else 'by default'}: {knobs}.")
    partners = [
        f"With {words.title(other)}: {how}."
        for other, how in card.interacts.items()
        if results is None or _in(other, results)
    ]
    return (*found, " ".join(partners)) if partners else tuple(found)


def _in(name: str, results: Results | None) -> bool:
    return results is not None and name in results.spec.names


def _knobs(name: str, results: Results | None) -> str:
    """Every knob with its value, in the study's recipe if it is there, and what it means."""
    fields = techniques.get(name).model_fields
    values = {knob: field.default for knob, field in fields.items()}
    for entry in results.spec.recipe if results else ():
        values.update(entry.get(name, {}))
    return "; ".join(f"{knob} = {_value(value)} ({fields[knob].description})" for knob, value in values.items())


def _value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "none" if value is None else str(value)


def _published(name: str, task: str) -> tuple[str, ...]:
    """The claims to name, then how many more there are, then the papers."""
    claims = published.claims(name)
    gains = sorted(
        (c for c in claims if c.by_authors and c.gain is not None), key=lambda c: (not c.comparable, not c.verified)
    )
    chosen = [*_on(gains, task)[:1], *_on(gains, "imagenet")[:2]] or gains[:1]
    if not any(claim.verified for claim in chosen):  # a number without its baseline, but one that was read
        chosen += [c for c in claims if c.by_authors and c.verified and c.value is not None][:1]
    found = [_claim(claim) for claim in dict.fromkeys(chosen)] or ["No number by its authors is on file."]
    others = [c for c in claims if not c.by_authors and c.verified and c.gain is not None]
    found += [f"Measured by others. {_claim(claim)}" for claim in _on(others, task)[:1]]
    if len(gains) > len(chosen):
        read = [claim.gain for claim in gains if claim.verified and claim.gain is not None]
        count = "all" if len(read) == len(gains) else str(len(read))
        span = f", from {words.signed(min(read))} to {words.signed(max(read))} points" if read else ""
        found.append(
            f"In all, {words.counted(len(gains), 'gain')} by its authors or by papers cited with it are on file, each "
            f"against a baseline of its own; {count} of them were read at a source{span}. They are listed by: bakeoff "
            f"techniques show {name}."
        )
    papers = [_citation(paper) for paper in published.papers(name)]
    return (*found, f"{'Papers' if len(papers) > 1 else 'Paper'}: {' '.join(papers)}") if papers else tuple(found)


def _on(claims: list[Claim], task: str) -> list[Claim]:
    """The claims on a task's data."""
    name = task.removesuffix("-5k").replace("-", "")
    return [c for c in claims if c.dataset.lower().removesuffix("-1k").replace("-", "") == name]


def _claim(claim: Claim) -> str:
    measure = claim.metric.replace(" %", "")
    if claim.gain is None:
        result = f"the {measure} is {claim.value} %; no baseline is on file"
    elif claim.baseline is None:
        result = f"the {measure} changes by {words.signed(claim.gain)} points"
    else:
        size = f"a {'gain' if claim.gain > 0 else 'loss'} of {abs(claim.gain):g} points" if claim.gain else "no change"
        result = f"the {measure} goes from {claim.baseline} % to {claim.value} %, {size}"
    named = not claim.paper or claim.where.startswith(claim.paper.split()[0])
    where = claim.where if named else f"{claim.paper}, {claim.where}"
    note = f" {claim.note.rstrip('.')}." if claim.note else ""
    note += f" Not comparable with a gain measured here: {claim.incomparable}." if claim.incomparable else ""
    said = f"On {claim.dataset} with {claim.model}, {result}. Where: {where}.{note}"
    if claim.verified:
        return f"{said} State: {words.provenance(claim)} ({claim.status.removeprefix('verified: ')})."
    return f"{_UNVERIFIED}, {claim.status}: look it up before you quote it. {said}"


def _citation(paper: Paper) -> str:
    link = f", arXiv:{paper.arxiv}" if paper.arxiv else ""
    end = "" if paper.title.endswith("?") else "."
    return f"{paper.authors}. {paper.title}{end} {paper.venue}, {paper.year}{link}."


def _post(name: str) -> str:
    step = published.increment(name)
    if step is None:
        if found := published.finding(name):
            return f"The post tried it and didn't adopt it. {found.topic} ({found.tried}): {found.finding}."
        return "The post doesn't name it."
    table = [row.technique for row in published.blog_rows() if row.technique]
    before = [words.title(other) for other in table[: table.index(name)] if other]
    after = f", after {words.listed(before)}" if before else ", before all others"
    late = " It was contributed after the post first appeared." if name == table[-1] else ""
    return (
        f"The post added it as step {len(before) + 1} of {len(table)}{after}: Acc@1 went from "
        f"{step.acc1_after - step.acc1:.3f} % to {step.acc1_after:.3f} %, {words.signed(step.acc1, 3)} points "
        f"(Acc@5 {words.signed(step.acc5, 3)}). That is an increment of one ResNet50 on ImageNet in one order, the "
        f"best of 3 runs, without an interval.{late}"
    )


def measured(technique: str, results: Results | None) -> str:
    """What a study found for a technique, with interval, runs and what to do; or why it has nothing to state."""
    if results is None:
        return "bakeoff: no study was given, so there is no measurement to state."
    spec, row = results.spec, _row(technique, results)
    on = words.dataset(spec.task)
    if row is None:
        return (
            f"bakeoff: the study {spec.name} doesn't measure it. It is about "
            f"{words.listed([words.title(other) for other in (*spec.names, *spec.not_applicable)])}."
        )
    if row.effect is None:
        return f"bakeoff: not applicable on {on}: {row.reason}. So there is no measurement to state."
    if not row.measured:
        why = f": {row.why}" if row.why else ""
        return f"bakeoff: not measured in the study {spec.name}{why}."
    effect, model = row.effect, Plan.model_validate(spec.base_plan).model.name
    level, digits = words.percent(effect.level), words.digits(results.main)
    more = f" ({row.why})" if row.why else ""
    errors = ""
    if effect.errors:
        errors = f" On the errors that is {words.errors(effect.errors.removed)} ({words.errors_span(effect.errors)})."
    both = " Each run was read with and without it." if row.evaluation else ""
    left = waiting(results)
    unfinished = f" {left} of {words.counted(len(results.records), 'run')} have not finished." if left else ""
    return (
        f"bakeoff measured {words.signed(effect.gain_pp, digits)} points of Acc@1 on {on}, {level} interval "
        f"{words.span(effect.low, effect.high, digits)}; the interval that holds for all {len(results.main)} "
        f"techniques at once is {words.span(effect.sim_low, effect.sim_high, digits)}.{errors} What to do: "
        f"{row.advice}{more}. "
        f"That is {words.ESTIMANDS[spec.design]}, from {words.counted(effect.runs, 'run')} with "
        f"{words.counted(effect.seeds, 'seed')} of the model {model}, each judged at its last step on "
        f"{spec.splits['report']:,} images that took no part in training (study {spec.name}).{both}{unfinished}"
    )


def _sources(technique: str, row: EffectRow | None, results: Results | None) -> str:
    found = [f"the post's from its table of key accuracy improvements, {words.POST}"]
    if published.increment(technique) is None:
        found = [f"what is said of the post from its text, {words.POST}"]
    if row and row.measured and results:
        found.append(f"bakeoff's from the store of the study {results.spec.name}")
    return f"Where this is from: {'; '.join(found)}."
