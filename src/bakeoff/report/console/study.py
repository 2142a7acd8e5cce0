"""A study in the terminal: the answer, the table, what else matters, in 80 columns or more."""

import math

from rich.console import Console
from rich.text import Text

from bakeoff.report import commanded, words
from bakeoff.report.console.text import Column, plain, say, show_table
from bakeoff.report.rows import EffectRow, rows
from bakeoff.report.sections.health import notices
from bakeoff.report.sections.summary import headline
from bakeoff.study.analyse import Results

_ROOM = 110  # columns from which the papers' claims and the training time are shown too
_STYLES = {"helps": "bold green", "hurts": "bold red"}
_PLAIN = str.maketrans({words.MINUS: "-", words.DASH: "-", "\u00a0": " "})  # what every terminal can print


def show(console: Console, results: Results) -> None:
    """Print what a study found."""
    for notice in notices(results):
        _say(console, notice.plain, "bold yellow")
    table = rows(results)
    if results.spec.program:
        _show_command(console, table, results)
        return
    for index, text in enumerate(headline(results, table)):
        _say(console, text.plain, "bold" if not index else "")
    console.print()
    _show_effects(console, table, results)
    console.print()
    level = words.percent(results.total.level)
    on_errors = any(effect.errors for effect in results.main)
    believed = results.main is results.in_recipe
    of = "the errors" if on_errors else "the points, by a model" if believed else "the points"
    _say(
        console,
        f"{'errors (what it does to them) and points' if on_errors else 'points'} of Acc@1: "
        f"{words.ESTIMANDS[results.spec.design]}. interval: {level}, of {of}, for all rows at once; * leaves out 0. "
        "what to do: with the probability that the sign is right. post: ImageNet, ResNet50, stacked, best of 3 runs.",
    )
    told = {words.title(row.technique): words.worth(row.worth) for row in table if row.flagged}
    if worths := [f"{technique} {worth}" for technique, worth in told.items() if worth]:
        _say(console, f"By what longer training buys here: {'; '.join(worths)}.")
    known = [pair for pair in results.interactions if pair.established]
    for pair in known:
        first, second = words.title(pair.first), words.title(pair.second)
        _say(console, f"{first} {pair.relation} {second}: {words.signed(pair.gain_pp)} points where both are on.")
    if more := len(results.interactions) - len(known):
        _say(console, f"{words.counted(more, 'pair')} that may work with or against each other in the report.")
    if math.isfinite(results.noise.sigma):
        _say(console, words.noise(results.noise))


def _show_command(console: Console, table: list[EffectRow], results: Results) -> None:
    """A study of somebody's command, in its own metric."""
    unit, many = commanded.unit(results), commanded.digits(results)
    for index, text in enumerate(commanded.headline(results, table)):
        _say(console, text.plain, "bold" if not index else "")
    console.print()
    on_errors = any(effect.errors for effect in results.main)
    columns = [
        Column("factor"),
        Column(unit, right=True, rank=2 if on_errors else 0),
        *([Column("errors", right=True)] if on_errors else []),
        Column("interval", right=True),
        Column("time", right=True, rank=1),
        Column("what to do"),
    ]
    shown = []
    for row in table:
        effect, star = row.effect, "*" if row.flagged else " "
        gain, errors, interval = "-", "-", ""
        if effect is not None and row.measured:
            gain = words.signed(effect.gain_pp, many) + ("" if on_errors else star)
            interval = words.span(effect.sim_low, effect.sim_high, many)
            if effect.errors:
                errors, interval = words.errors(effect.errors.removed) + star, words.errors_span(effect.errors)
        cells = [row.title, gain, *([errors] if on_errors else []), interval, row.time or "-"]
        shown.append([*map(_text, cells), _text(_advice(row), _STYLES.get(row.tone, "") if row.established else "")])
    show_table(console, columns, shown, rule=True)
    console.print()
    level, of = words.percent(results.total.level), "the errors" if on_errors else unit
    _say(
        console,
        f"{results.spec.measures[0]}, more is better: " * (results.spec.sign > 0)
        + f"{results.spec.measures[0]}, less is better, + is better: " * (results.spec.sign < 0)
        + f"{commanded.GAINS[results.spec.design]}. interval: {level}, of {of}, for all rows at once; * leaves out 0.",
    )
    for pair in (pair for pair in results.interactions if pair.established):
        gain = words.signed(pair.gain_pp, many)
        _say(console, f"{pair.first} {pair.relation} {pair.second}: {gain} {unit} where both are on.")


def _show_effects(console: Console, table: list[EffectRow], results: Results) -> None:
    room = console.width >= _ROOM
    on_errors = any(effect.errors for effect in results.main)
    columns = [
        Column("technique"),
        Column("points", right=True, rank=2 if on_errors else 0),
        *([Column("errors", right=True)] if on_errors else []),
        Column("interval", right=True),
        Column("post", right=True, rank=1),
        *((Column("paper"), Column("time", right=True)) if room else ()),
        Column("what to do"),
    ]
    digits = words.digits(results.main)
    rows = []
    for row in table:
        gain, errors, interval, effect = "-", "-", "", row.effect
        star = "*" if row.flagged else " "
        if effect is not None and row.measured:
            gain = words.signed(effect.gain_pp, digits) + ("" if on_errors else star)
            interval = words.span(effect.sim_low, effect.sim_high, digits)
            if effect.errors:
                errors, interval = words.errors(effect.errors.removed) + star, words.errors_span(effect.errors)
        cells = [row.technique, gain, *([errors] if on_errors else []), interval]
        cells.append(words.signed(row.post.acc1) if row.post else "-")
        if room:
            cells += [_claim(row), row.time or "-"]
        rows.append([*map(_text, cells), _text(_advice(row), _STYLES.get(row.tone, "") if row.established else "")])
    show_table(console, columns, rows, rule=True)


def _advice(row: EffectRow) -> str:
    if row.decision is None:
        return f"{row.advice}: {row.why}" if row.why else row.advice
    if row.established or row.decision.action == "either":
        return row.advice
    return f"{row.advice}, {words.sureness(row.decision.p_sign).replace('over ', '>')}"


def _claim(row: EffectRow) -> str:
    claim = row.claim
    if claim is None or claim.gain is None:
        return "-"
    return f"{words.signed(claim.gain)} {claim.dataset}"


def _text(text: str, style: str = "") -> Text:
    return plain(text.translate(_PLAIN), style=style)


def _say(console: Console, text: str, style: str = "") -> None:
    say(console, _text(text, style))
