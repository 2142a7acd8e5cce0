"""What a gain is worth in training time."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bakeoff.report import words
from bakeoff.report.compose import page
from bakeoff.report.console import study
from bakeoff.report.page import Table
from bakeoff.report.rows import rows
from bakeoff.report.sections.summary import headline
from bakeoff.runs.store import Store
from bakeoff.study.analyse import Results, analyse
from bakeoff.study.gather import gather
from bakeoff.study.training_time import worth
from tests.studies import write_study

FEW = ("lr_optimizations", "long_training", "mixup", "repeated_augmentation")


@pytest.fixture
def audit(tmp_path: Path) -> Results:
    """Recipes of 16,000 images shown, and 8,000 without long training."""
    store = Store(tmp_path)
    spec = write_study(store, design="leave-one-out", training=FEW, seeds=6, looks=(6, 10), tolerance=2.0)
    return analyse(gather(store, spec))


def test_a_gain_is_worth_the_epochs_that_buy_as_much(audit: Results) -> None:
    found = {effect.technique: effect for effect in audit.main}
    slope = found["long_training"]
    assert slope.sim_low > 0
    half = replace(found["mixup"], gain_pp=slope.gain_pp / 2)
    lost = replace(found["mixup"], technique="cutmix", gain_pp=-slope.gain_pp)
    beyond = replace(found["mixup"], technique="ema", gain_pp=1.1 * slope.gain_pp)
    assert worth(audit.spec, [slope, half, lost, beyond]) == pytest.approx({"mixup": 2**0.5, "cutmix": 0.5})
    assert audit.as_json()["effects"][2]["worth_length"] == audit.worth["mixup"]
    table = page(audit).sections[0].blocks[2]
    assert isinstance(table, Table)
    assert words.worth(audit.worth["mixup"]) in [row[-1].detail for row in table.rows]


def test_the_terminal_says_it_of_what_is_beyond_doubt(audit: Results) -> None:
    told = []
    for gain in (1.0, -1.0):
        mixup = next(effect for effect in audit.main if effect.technique == "mixup")
        sure = replace(mixup, gain_pp=gain, sim_low=gain - 0.1, sim_high=gain + 0.1, errors=None)
        main = [sure if effect is mixup else effect for effect in audit.main]
        screen = Console(record=True, file=io.StringIO(), width=200)
        study.show(screen, replace(audit, main=main, worth={"mixup": 1.14 if gain > 0 else 0.88, "ema": 1.5}))
        told += [line for line in screen.export_text().splitlines() if line.startswith("By what longer")]
    assert told == [
        "By what longer training buys here: Mixup worth 14 % more epochs.",
        "By what longer training buys here: Mixup costs what 12 % fewer epochs would.",
    ]


def test_nothing_is_told_where_the_study_does_not_know(audit: Results) -> None:
    slope, *others = sorted(audit.main, key=lambda effect: effect.technique != "long_training")
    assert worth(audit.spec, others) == {}
    assert worth(audit.spec, [replace(slope, sim_low=-0.1), *others]) == {}
    assert worth(audit.spec, [replace(slope, method="model"), *others]) == {}
    assert worth(replace(audit.spec, recipe_plan=audit.spec.base_plan), audit.main) == {}


@pytest.mark.parametrize(
    ("length", "told"),
    [
        (None, ""),
        (1.0, ""),
        (0.998, ""),
        (1.14, "worth 14\u00a0% more epochs"),
        (0.88, "costs what 12\u00a0% fewer epochs would"),
    ],
)
def test_worth_in_words(length: float | None, told: str) -> None:
    assert words.worth(length) == told


def test_an_audit_says_how_it_ended_and_names_what_does_nothing(audit: Results) -> None:
    told = [text.plain for text in headline(audit, rows(audit))]
    assert told[0].startswith("The recipe classifies ")
    assert any(line.startswith("Neither helps nor hurts (barnacles): ") for line in told)
    assert "settled with 30 of at most 50 runs" in told[-1]
