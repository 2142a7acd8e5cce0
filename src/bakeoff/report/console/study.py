"""A study in the terminal: the answer, the table, what else matters, in 80 columns or more."""

import math

from rich.console import Console
from rich.text import Text

from bakeoff.report import words
from bakeoff.report.console.text import Column, plain, say, show_table
from bakeoff.report.rows import EffectRow, rows
from bakeoff.report.sections.health import notices
from bakeoff.report.sections.summary import headline
from bakeoff.study.analyse import Results

_ROOM = 110  # columns from which the papers' claims and the training time are shown too
_PAIRS = 4  # that work together or against each other, the strongest ones
_STYLES = {"helps": "bold green", "hurts": "bold red"}
_PLAIN = str.maketrans({words.MINUS: "-", words.DASH: "-", "\u00a0": " "})  # what every terminal can print


def show(console: Console, results: Results) -> None:
    """Print what a study found."""
    for notice in notices(results):
        _say(console, notice.plain, "bold yellow")
    table = rows(results)
    for index, text in enumerate(headline(results, table)):
        _say(console, text.plain, "bold" if not index else "")
    console.print()
    _show_effects(console, table, results)
    console.print()
    level = words.percent(results.total.level)
    _say(
        console,
        f"yours: {words.ESTIMANDS[results.spec.design]}, in points of Acc@1, with its {level} interval; * the interval "
        "for all rows at once leaves out 0 too. (n runs): so many in all would decide. post: ImageNet, ResNet50, "
        "stacked, best of 3 runs.",
    )
    for pair in results.interactions[:_PAIRS]:
        first, second = words.title(pair.first), words.title(pair.second)
        _say(console, f"{first} {pair.relation} {second}: {words.signed(pair.gain_pp)} points where both are on.")
    if (more := len(results.interactions) - _PAIRS) > 0:
        _say(console, f"{words.counted(more, 'more pair')} in the report.")
    if math.isfinite(results.noise.sigma):
        _say(console, words.noise(results.noise))


def _show_effects(console: Console, table: list[EffectRow], results: Results) -> None:
    room = console.width >= _ROOM
    columns = [
        *(Column("technique"), Column("yours", right=True), Column("interval", right=True)),
        Column("post", right=True, rank=1),
        *((Column("paper"), Column("time", right=True)) if room else ()),
        Column("verdict"),
    ]
    digits = words.digits(results.main)
    rows = []
    for row in table:
        gain, interval = "-", ""
        if row.effect is not None and row.measured:
            gain = words.signed(row.effect.gain_pp, digits) + ("*" if row.flagged else " ")
            interval = words.span(row.effect.low, row.effect.high, digits)
        cells = [row.technique, gain, interval, words.signed(row.post.acc1) if row.post else "-"]
        if room:
            cells += [_claim(row), row.time or "-"]
        rows.append([*map(_text, cells), _text(_verdict(row), _STYLES.get(row.tone, ""))])
    show_table(console, columns, rows, rule=True)


def _verdict(row: EffectRow) -> str:
    if row.tone == "undecided" and row.effect is not None:
        runs = row.effect.runs_to_decide
        if runs is None or runs > words.MANY_RUNS:
            return "undecided"
        return f"undecided ({runs:,} runs)"
    return f"{row.verdict}: {row.why}" if row.why else row.verdict


def _claim(row: EffectRow) -> str:
    claim = row.claim
    if claim is None or claim.gain is None:
        return "-"
    return f"{words.signed(claim.gain)} {claim.dataset}"


def _text(text: str, style: str = "") -> Text:
    return plain(text.translate(_PLAIN), style=style)


def _say(console: Console, text: str, style: str = "") -> None:
    say(console, _text(text, style))
