"""The report of a study of somebody's command: what its factors do, in its own metric and by its own names."""

import math
from collections.abc import Iterable

from bakeoff.report import words
from bakeoff.report.page import Block, Bullets, Cell, Code, Column, Page, Section, Table, Text, strong, term
from bakeoff.report.rows import EffectRow, rows
from bakeoff.report.sections.health import notices
from bakeoff.stats.table import Effect
from bakeoff.study.analyse import Results

_MOST_FAILURES = 20
GAINS = {
    "factorial": "its effect averaged over all the ways in which the other factors can be on or off",
    "leave-one-out": "what is lost where it is switched over and all others stay as they are",
    "add-one": "what it does alone, beside none of the others",
    "ladder": "what it adds to those above it in the table; in another order they have other effects",
}


def digits(results: Results) -> int:
    """Decimals that effects deserve, by how wide their intervals are."""
    effects = [*results.main, results.total]
    if results.spec.percent:
        return words.digits(effects)
    halves = sorted((e.high - e.low) / 2 for e in effects if math.isfinite(e.high - e.low) and e.high > e.low)
    return min(9, max(0, 1 - math.floor(math.log10(halves[len(halves) // 2])))) if halves else 4


def unit(results: Results) -> str:
    """What effects are in."""
    assert results.spec.program is not None
    return results.spec.program.unit


def headline(results: Results, table: list[EffectRow]) -> list[Text]:
    """The answer: what all of it does, then what to keep, to leave out, and what doesn't matter."""
    if not len(results.runs):
        return []
    spec, total, many = results.spec, results.total, digits(results)
    name = spec.measures[0]
    if math.isfinite(total.gain_pp) and not spec.reference:
        interval = f"{words.percent(total.level)} interval {words.span(total.low, total.high, many)}"
        if not math.isfinite(total.low + total.high):
            interval = f"too few runs for a {words.percent(total.level)} interval"
        before, after = (words.number(end.acc[name], many) for end in (results.baseline, results.recipe))
        better = "" if spec.sign > 0 else ", where less is better"
        found = [
            Text.of(
                f"{words.counted(len(spec.names), 'factor')} together: ",
                strong(f"{words.signed(total.gain_pp, many)} {unit(results)}"),
                f" ({interval}): {name} from {before} to {after}{better}.",
            )
        ]
    else:
        found = [Text.of("This design doesn't run both ends, all off and all on, so it can't state the total.")]
    for advice in ("keep", "leave out", "doesn't matter", "can't be told", "not measured"):
        chosen = [row for row in table if row.advice == advice] if results.judged else []
        if chosen:
            text = words.listed([_short(row, results) for row in chosen])
            found.append(Text.of(strong(f"{advice.capitalize()}:"), f" {text}."))
    told = [row.decision for row in table if row.decision]
    parts = []
    if any(decision.established for decision in told):
        parts.append("* is beyond doubt: the interval that holds for all rows at once says the same.")
    if any(decision.action == "either" for decision in told):
        parts.append(
            f"What doesn't matter is expected to lose less than {results.tolerance:g} {unit(results)} either way."
        )
    if spec.looks and results.judged and not results.left:
        most = spec.looks[-1] * (len(spec.training) + 1)
        parts.append(f"The study ended after {len(spec.rows)} of at most {most} runs.")
    return [*found, *([Text.of(" ".join(parts))] if parts else [])]


def _short(row: EffectRow, results: Results) -> str:
    assert row.effect is not None
    star = "*" if row.established else ""
    if row.decision is None or row.decision.action == "either":
        return f"{row.title}{star}"
    sure = "" if row.established else f"; {words.sureness(row.decision.p_sign)} sure"
    return f"{row.title}{star} ({words.signed(row.effect.gain_pp, digits(results))}{sure})"


def page(results: Results) -> Page:
    """The whole report as data."""
    table = rows(results)
    sections: Iterable[Section | None] = (
        _effects(results, table),
        _inside(results) if len(results.runs) else None,
        _noise(results),
        _numbers(results),
        _made(results),
        _limits(results),
    )
    return Page(
        title=f"What each factor of {results.spec.task} does",
        notices=notices(results),
        headline=tuple(headline(results, table)),
        sections=tuple(section for section in sections if section),
    )


def _effects(results: Results, table: list[EffectRow]) -> Section:
    spec, many = results.spec, digits(results)
    level = words.percent(results.total.level)
    on_errors = any(effect.errors for effect in results.main)
    body = []
    for row in table:
        gain = errors = Cell(words.DASH)
        if row.effect is not None and row.measured:
            star = "*" if row.flagged and not on_errors else ""
            span = words.span(row.effect.sim_low, row.effect.sim_high, many)
            gain = Cell(f"{words.signed(row.effect.gain_pp, many)}{star}", span)
            if row.effect.errors:
                star = "*" if row.flagged else ""
                errors = Cell(f"{words.errors(row.effect.errors.removed)}{star}", words.errors_span(row.effect.errors))
        advice = Cell(f"{words.SYMBOLS[row.tone]} {row.advice}", row.why, row.tone if row.established else "")
        kind = "read from every run" if row.evaluation else ""
        middle = (errors, gain) if on_errors else (gain,)
        body.append((Cell(row.title, kind), *middle, advice, Cell(row.time or words.DASH)))
    columns = (
        Column("Factor"),
        *([Column("Errors", True)] if on_errors else []),
        Column(f"Effect, {unit(results)}", True),
        Column("What to do"),
        Column("Extra time", True),
    )
    look = " They hold however often the results were looked at meanwhile." if results.total.unplanned else ""
    intro = Text.of(
        f"The metric is {spec.measures[0]}; positive effects are better. A factor's effect is {GAINS[spec.design]}. "
        "Below each number stands its ", term("simultaneous interval"), f": if the study were repeated with other "
        f"seeds, then in {level} of such studies all {len(results.main)} intervals would hold the true values.{look} ",
        strong("*"), " marks those that leave out 0.",
    )  # fmt: skip
    return Section("effects", "What each factor does", (intro, Table(columns, tuple(body), wide=True)))


def _inside(results: Results) -> Section | None:
    """By a model of all runs: what is lost without each factor where all are on, and which work with which."""
    if not results.in_recipe or results.main is results.in_recipe:
        return None
    many = digits(results)
    beside = tuple(
        (Cell(effect.technique), _gain(effect, many), Cell(f"{effect.direct_runs:,}"))
        for effect in results.in_recipe
        if math.isfinite(effect.gain_pp)
    )
    blocks: list[Block] = [
        Text.of(
            "What is lost without a factor where all others are on, by a model of all runs, in which most of what "
            "factors do together is small; the intervals are ", term("credible intervals"), ", as good as that.",
        ),
        Table((Column("Factor"), Column(f"Effect, {unit(results)}", True), Column("Direct runs", True)), beside),
    ]  # fmt: skip
    if results.interactions:
        pairs = tuple(
            (
                Cell(pair.first),
                Cell(f"{pair.relation} {pair.second}"),
                Cell(
                    f"{words.signed(pair.gain_pp, many)}{'*' * pair.established}", words.span(pair.low, pair.high, many)
                ),
            )
            for pair in results.interactions
        )
        heads = (Column("Factor"), Column("Relation"), Column(f"Does more by, {unit(results)}", True))
        blocks += [
            Text.of("Pairs that work with or against each other; hints, but for those with a *:"),
            Table(heads, pairs),
        ]
    return Section("in-recipe", "Beside all others", tuple(blocks))


def _gain(effect: Effect, many: int) -> Cell:
    return Cell(words.signed(effect.gain_pp, many), words.span(effect.low, effect.high, many))


def _noise(results: Results) -> Section | None:
    noise = results.noise
    if not math.isfinite(noise.sigma):
        return None
    shrinks = (
        words.noise(noise)
        if noise.images
        else f"Twice as many runs would make the intervals {words.percent(noise.width_with_runs(2))} as wide."
    )
    sd = strong(f"{words.number(noise.sigma, digits(results) + 1)} {unit(results)}")
    text = Text.of(
        "Runs of the same configuration with other seeds scatter by a standard deviation of ", sd, ". ", shrinks
    )
    return Section("noise", "From run to run", (text,))


def _numbers(results: Results) -> Section | None:
    if not len(results.runs):
        return None
    many = digits(results) + 1
    body = []
    for effect in (*results.main, results.total):
        if math.isfinite(effect.gain_pp):
            body.append(
                (
                    Cell("All on over all off" if effect is results.total else effect.technique),
                    Cell(words.signed(effect.gain_pp, many)),
                    Cell(words.span(effect.low, effect.high, many)),
                    Cell(words.span(effect.sim_low, effect.sim_high, many)),
                    Cell(words.UNKNOWN if math.isnan(effect.p_adjusted) else f"{effect.p_adjusted:.3g}"),
                    Cell(f"{effect.runs:,}", words.counted(effect.seeds, "seed")),
                )
            )
    names = ("Factor", f"Effect, {unit(results)}", "Interval", "Simultaneous", "Adjusted p", "Runs")
    columns = tuple(Column(name, name != "Factor") for name in names)
    return Section("numbers", "All intervals", (Table(columns, tuple(body), wide=True),))


def _made(results: Results) -> Section:
    spec = results.spec
    assert spec.program is not None
    done = [record for record in results.records if record and record.status == "done"]
    spent = sum(record.seconds for record in done)
    facts = [
        ("Study", spec.name),
        ("Design", spec.design),
        ("Runs", f"{len(done):,} of {len(spec.rows):,} finished, with {len({row.block for row in spec.rows})} seeds"),
        ("Metric", spec.program.metric.place),
        (
            "Time",
            f"{words.duration(spent)} in all, {words.duration(spent / len(done))} a run" if done else words.UNKNOWN,
        ),
        ("Machine", f"{words.counted(spec.jobs, 'process')[:-1]}es of {words.counted(spec.threads, 'thread')}"),
        ("Versions", ", ".join(f"{name} {version}" for name, version in spec.versions.items())),
    ]
    if spec.jobs == 1:
        facts[5] = ("Machine", f"1 process of {words.counted(spec.threads, 'thread')}")
    levels = tuple((Cell(name), Cell(_text(off)), Cell(_text(on))) for name, (off, on) in spec.program.texts.items())
    files = tuple((Cell(name), Cell(digest[:12])) for name, digest in sorted(spec.program.files.items()))
    blocks: list[Block] = [
        Table((Column("What"), Column("Value")), tuple((Cell(name), Cell(value)) for name, value in facts)),
        Text.of("The command, and the texts of its factors:"),
        Code(spec.program.command.command),
        Table((Column("Factor"), Column("Off"), Column("On")), levels),
    ]
    if files:
        blocks += [
            Text.of("Files that its runs depend on, by their contents; where one is changed, the study is another:"),
            Table((Column("File"), Column("SHA-256")), files),
        ]
    if spec.command:
        blocks += [Text.of("To get the same study again (what the store has is not run twice):"), Code(spec.command)]
    failed = [
        (Cell(_on(spec.training, row.configuration)), Cell(record.status), Cell(record.reason))
        for row, record in zip(spec.rows, results.records, strict=True)
        if record and record.status in ("diverged", "crashed")
    ]
    if failed:
        more = f" The first {_MOST_FAILURES} of {len(failed)}." if len(failed) > _MOST_FAILURES else ""
        heads = (Column("Factors that are on"), Column("Status"), Column("Reason"))
        blocks += [
            Text.of(f"Runs that gave no result.{more}"), Table(heads, tuple(failed[:_MOST_FAILURES]), wide=True),
        ]  # fmt: skip
    return Section("runs", "What was run", tuple(blocks))


def _on(names: tuple[str, ...], levels: tuple[bool, ...]) -> str:
    return ", ".join(name for name, on in zip(names, levels, strict=True) if on) or "none"


def _text(text: str | tuple[str, ...]) -> str:
    return (text if isinstance(text, str) else " ".join(text)) or "(nothing)"


def _limits(results: Results) -> Section:
    assert results.spec.program is not None
    items = [
        Text.of(
            strong("They hold here."), " For this command, these data and this length. Another model or longer "
            "training can turn a loss into a gain.",
        ),
        Text.of(
            strong("What the command says is believed."), " Whether its metric is of images that took no part in "
            "training or in choosing anything, only the command knows.",
        ),
        Text.of(
            strong("The intervals allow for other seeds"), ", not for other data to be evaluated on.",
        ),
    ]  # fmt: skip
    return Section("limits", "What these numbers can't say", (Bullets(tuple(items)),))
