"""How the work goes, shown: news once, a bar that fits, effects with their intervals, a log that stays short."""

import io
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bakeoff.events import RunEnded, TrainingProgress
from bakeoff.report.console.bar import Bar
from bakeoff.report.console.observer import Progress
from bakeoff.report.console.views import Pace, TerminalDisplay
from bakeoff.runs.record import RunRecord
from bakeoff.runs.store import Store
from bakeoff.study.analyse import so_far
from bakeoff.study.events import StudyPlanned
from bakeoff.study.gather import read
from tests.studies import TRAINING, write_study


class Recorded:
    """A display that keeps what it is told."""

    def __init__(self) -> None:
        self.news: list[str] = []
        self.bars: list[Bar] = []
        self.last = ""

    def open(self) -> None: ...

    def close(self, last: str) -> None:
        self.last = last

    def say(self, text: str) -> None:
        self.news.append(text)

    def warn(self, text: str) -> None:
        self.news.append(f"warning: {text}")

    def table(self, show: Callable[[Console], None]) -> None: ...

    def bar(self, bar: Bar) -> None:
        self.bars.append(bar)


def test_progress_looks_at_the_run_that_ended_and_at_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, store = Store(tmp_path / "whole"), Store(tmp_path / "growing")
    spec = write_study(whole, runs=40)
    last = spec.rows[-1].runs[0]
    there = [row.runs[0] for row in spec.rows[:-1]]
    for run in there:
        Path(store.url).mkdir(exist_ok=True)
        Path(whole.folder(run)).rename(store.folder(run))
    opened: list[str] = []
    inner = Store.read

    def reading(self: Store, run: str, views: Iterable[str] | None = None) -> RunRecord | None:
        opened.append(run)
        return inner(self, run, views)

    monkeypatch.setattr(Store, "read", reading)
    display = Recorded()
    with Progress(display) as show:
        show(StudyPlanned(spec, (), None, store))
        assert set(there) <= set(opened)
        opened.clear()
        Path(whole.folder(last)).rename(store.folder(last))
        show(RunEnded(last, "done", "", 1.0, left=3))
        assert opened == [last]
    bar = display.bars[-1]
    assert bar.facts == ("1 done", "3 left")
    known = [effect for effect in so_far(spec, read(store, spec, spec.rows)) if effect.low > 0 or effect.high < 0]
    assert known
    ((head, items),) = bar.known
    assert head == "so far"
    first = max(known, key=lambda effect: abs(effect.gain_pp))
    assert items[0].startswith(f"{first.technique} {first.gain_pp:+.1f}"[:-1])
    assert " to " in items[0]
    assert display.last.startswith("runs: 1 done, 3 left")


def test_effects_so_far_are_wider_than_in_the_end(tmp_path: Path) -> None:
    store = Store(tmp_path)
    spec = write_study(store, runs=40)
    records = read(store, spec, spec.rows)
    assert so_far(spec, [None] * len(records)) == []
    early = so_far(spec, [record if index < 12 else None for index, record in enumerate(records)])
    late = so_far(spec, records)
    assert [effect.technique for effect in late] == list(spec.names)
    assert [effect.technique for effect in early] == list(spec.evaluation)  # 12 runs: of the others only a model speaks
    most = so_far(spec, [record if index < 36 else None for index, record in enumerate(records)])
    assert [effect.technique for effect in most] == list(spec.names)
    assert sum(a.high - a.low > b.high - b.low for a, b in zip(most, late, strict=True)) > len(late) / 2


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 120, 200])
def test_a_bar_fits_and_nothing_in_it_is_cut(width: int) -> None:
    effects = tuple(f"{name} +12.34 (+10.01 to +14.67)" for name in TRAINING)
    bar = Bar("training", 0.45, 7384.0, ("loss 0.123", "Acc@1 93 %", "4,437 images/s"), (("so far", effects),))
    lines = bar.lines(width)
    assert all(line.cell_len <= width for line in lines)
    whole = bar.words()
    for line in lines:
        for part in line.plain.translate(dict.fromkeys(map(ord, "\u2500\u2501"))).split(", "):
            assert " ".join(part.split()).removeprefix("training ").removeprefix("so far ") in whole
    assert "45 %" in lines[0].plain
    assert len(lines) == 1 + (width >= 60)
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(bar)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [line.plain for line in lines]


def test_failures_are_told_a_few_times_and_then_counted() -> None:
    display = Recorded()
    with Progress(display) as show:
        for number in range(30):
            show(RunEnded(f"{number:012x}", "diverged", "loss is not finite", 1.0, left=30 - number))
    assert len(display.news) == 4
    assert display.bars[-1].facts[2] == "30 failed"


def test_a_log_stays_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training of ten hours, told ten times a second, takes some thirty lines; one of a minute, a dozen."""
    for seconds, most in ((60.0, 13), (36_000.0, 40)):
        clock = [0.0]
        monkeypatch.setattr("bakeoff.report.console.views.time.monotonic", lambda clock=clock: clock[0])
        pace, told = Pace(), 0
        for step in range(10_000):
            clock[0] = seconds * step / 10_000
            told += pace.due(Bar("training", step / 10_000, seconds - clock[0]))
        assert 10 <= told <= most


def test_a_file_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakeoff.report.console.views._LINE_SECONDS", 0.0)
    monkeypatch.setattr("bakeoff.report.console.views._LINE_SHARE", 0.0)
    file = io.StringIO()
    now = TrainingProgress(
        step=5, steps=20, loss=0.5, acc1=50.0, images_per_second=1000.0, seconds_left=3.0, data_wait=0.0
    )
    with Progress(TerminalDisplay(Console(file=file, width=40))) as show:
        show(now)
        show(replace(now, step=10))
    assert file.getvalue().splitlines() == [
        f"training: {percent} %, 3.0 s left, loss 0.500, Acc@1 50 %, 1,000 images/s, 0 % waiting for data, "
        f"step {step} of 20"
        for percent, step in ((25, 5), (50, 10))
    ]


def test_where_nobody_knows_how_far_it_is_a_terminal_says_how_long_it_has_been() -> None:
    display = TerminalDisplay(Console(file=io.StringIO(), force_terminal=True))
    display.bar(Bar("timing processes"))
    display._since -= 60.0
    shown = display.shown()
    assert shown
    assert shown.words().startswith("timing processes: for 6")
    display.bar(Bar("timing processes", share=0.5))
    assert display.shown() == Bar("timing processes", share=0.5)
