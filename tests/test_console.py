"""What is printed for people: no word is cut at any width, and names come out as they are."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bakeoff import recipes, techniques
from bakeoff.data.conclusions import about_classes
from bakeoff.files import printable
from bakeoff.recipe import compile_plan
from bakeoff.report import words
from bakeoff.report.console import data, preview, runs, study
from bakeoff.report.console.text import Column, plain, say, show_table
from bakeoff.runs.record import RunRecord, View
from bakeoff.runs.store import Store
from bakeoff.study.analyse import Results, analyse
from bakeoff.study.events import StudyPlanned
from bakeoff.study.gather import gather
from bakeoff.study.preview import SizeOption
from bakeoff.tasks import get
from bakeoff.tasks.check import Report
from bakeoff.teach import console as cards
from tests.studies import write_study

WIDTHS = (60, 80, 100, 120)
CLASSES = tuple(f"n{i:08d}_black-and-white_colobus_monkey_of_a_very_long_name" for i in range(5))
MODEL = "timm:vit_base_patch16_clip_224.openai_ft_in12k_in1k"


def shown(show: Callable[[Console], object], width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    show(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    store = Store(tmp_path_factory.mktemp("store"))
    told = {"inference_resize": "images are resized to 8 px already: nothing would change"}
    spec = write_study(store, evaluation=("ema",), not_applicable=told, runs=40)
    return analyse(gather(store, spec))


@pytest.fixture(scope="module")
def records(results: Results) -> list[RunRecord]:
    """As long as they come: techniques, models, paths, sizes, five Acc@k."""
    record = next(record for record in results.records if record)
    names = recipes.get("torchvision-2021").as_json()
    acc = {f"acc{k}": 100.0 for k in (1, 2, 3, 5, 1000)}
    view = replace(record.views[0], resize_px=256, crop_px=224, acc=acc, n=50_000)
    base = {**record.plan, "model": {**record.plan["model"], "name": MODEL}}
    long = replace(record, task=f"folder:/home/ada/{CLASSES[0]}", recipe=names, seconds=36_000.0, views=(view,))
    return [record, replace(long, plan=base, status="interrupted"), replace(record, recipe=names, plan=base)]


def printed(results: Results, records: list[RunRecord]) -> dict[str, Callable[[Console], object]]:
    """Every table that a command prints."""
    task = get("digits", Path())
    compiled = compile_plan(task, recipes.get("torchvision-2021"))
    plan, spec = compiled.plan, results.spec
    view = View("report", True, 256, 224, records[1].views[0].acc, 0.1, 0.1, 50_000, (1.0, None, 100.0, 0.0, 33.333))
    sizes = [SizeOption(runs, 1e4 * runs, 12.34, 23.45) for runs in (len(spec.rows), 1234)]
    checked = Report(
        task=records[1].task, storage="memory", channels=3, height=(1, 2, 3), width=(1, 2, 3),
        splits={split: dict.fromkeys(CLASSES, 12_345) for split in ("train", "select", "report", "test")},
        duplicates={"train & select": 3}, duplicate=(f"{CLASSES[0]}/a.png", f"{CLASSES[1]}/b.png"),
        bad={f"{CLASSES[0]}/c.png": "it is not an image"}, mean=(0.1,) * 3, std=(0.2,) * 3, fingerprint="0" * 16,
        conclusions=tuple(about_classes({name: 9 * at for at, name in enumerate(CLASSES)})),
    )  # fmt: skip
    return {
        "record": lambda console: runs.show_record(console, records[0], "/a/b"),
        "views": lambda console: runs.show_views(console, [view, *records[0].views], plan),
        "classes": lambda console: runs.show_classes(console, view, CLASSES),
        "runs": lambda console: runs.show_runs(console, records),
        "plan": lambda console: runs.show_plan(console, plan, compiled.set_by, compiled.skipped),
        "study": lambda console: study.show(console, results),
        "preview": lambda console: preview.show_preview(console, StudyPlanned(spec, sizes, 0.2, Store(Path("x")))),
        "data": lambda console: data.show(console, checked),
        "techniques": cards.show_list,
        **{name: partial(cards.show_card, name=name) for name in techniques.NAMES},
    }


def test_no_word_is_cut_at_any_width(results: Results, records: list[RunRecord], subtests: pytest.Subtests) -> None:
    for name, show in printed(results, records).items():
        with subtests.test(name):
            check_words(show)


def check_words(show: Callable[[Console], object]) -> None:
    whole = set(shown(show, 1000).translate({ord("\u2500"): None}).split())
    for width in WIDTHS:
        text = shown(show, width).translate({ord("\u2500"): None})
        told = re.sub(r"no room for: [^;]*; a wider\s+terminal\s+and\s+--json\s+have\s+them", "", text).split()
        cut = {word for word in told if word not in whole and word.removesuffix(":") not in whole}
        assert not cut, f"{width} columns: {cut}"
        too_long = [line for line in text.splitlines() if len(line) > width and len(line.split()) > 2]
        assert not too_long, f"{width} columns"


def test_a_table_breaks_cells_then_leaves_columns_out_then_becomes_lists() -> None:
    columns = [Column("id", whole=True), Column("what it is"), Column("cross entropy", right=True, rank=1)]
    rows = [("0123456789ab", "label_smoothing and mixup", "0.1234"), ("ba9876543210", "ema", "10.0000")]

    def table(width: int) -> list[str]:
        return shown(lambda console: show_table(console, columns, rows), width).splitlines()

    assert table(60) == [
        "id            what it is                 cross entropy",
        "0123456789ab  label_smoothing and mixup         0.1234",
        "ba9876543210  ema                              10.0000",
    ]
    assert table(40) == [
        "                                   cross",
        "id            what it is         entropy",
        "0123456789ab  label_smoothing     0.1234",
        "              and mixup",
        "ba9876543210  ema                10.0000",
    ]
    assert table(30)[:4] == [
        "id            what it is",
        "0123456789ab  label_smoothing",
        "              and mixup",
        "ba9876543210  ema",
    ]
    assert " ".join(table(30)[4:]) == "no room for: cross entropy; a wider terminal and --json have them"
    assert table(20)[:5] == ["id: 0123456789ab", "what it is:", "label_smoothing and", "mixup", "cross entropy:"]


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("[", "["),
        ("[red]x[", "[red]x["),
        ("[link=http:", "[link=http:"),
        ("[/]", "[/]"),
        (":smile: \u732b\u0301 \U0001f600", ":smile: \u732b\u0301 \U0001f600"),
        ("a\x1b[31mb\x07", "a\\x1b[31mb\\x07"),
        ("two\nlines\ttab\x9b", "two\\nlines\\ttab\\x9b"),
        ("caf\udce9", "caf\\xe9"),
        ("\ud800", "\\ud800"),
        ("abc\u202egnp.exe", "abc\\u202egnp.exe"),
    ],
)
def test_names_come_out_as_they_are(name: str, printed: str, results: Results, records: list[RunRecord]) -> None:
    assert printable(name) == printed
    view = replace(records[0].views[0], per_class=(50.0, 60.0))
    for show in (
        lambda console: say(console, name),
        lambda console: show_table(console, [Column("class")], [(name,), (plain("a", name),)]),
        lambda console: runs.show_classes(console, view, (name, "b")),
        lambda console: runs.show_record(console, replace(records[0], task=name), "x"),
        lambda console: runs.show_runs(console, [replace(records[0], task=name)]),
        lambda console: runs.show_record(console, replace(records[0], status="crashed", reason=name), "x"),
    ):
        text = shown(show, 100)
        assert printed in text
        text.encode()


def test_wide_characters_take_two_columns() -> None:
    columns = [Column("class"), Column("n", right=True)]
    lines = shown(lambda console: show_table(console, columns, [("\u732b", "1"), ("cat", "10")]), 40).splitlines()
    assert lines[1:] == ["\u732b      1", "cat    10"]


@pytest.mark.parametrize("seed", range(3))
def test_any_table_keeps_its_words(seed: int) -> None:
    draw = np.random.default_rng(seed)
    letters = np.array(list("abc_[] \u732b"))
    for _ in range(15):
        count = int(draw.integers(1, 6))
        columns = [Column("".join(draw.choice(letters, 8)) + "h", bool(i % 2), rank=int(i > 2)) for i in range(count)]
        rows = [["".join(draw.choice(letters, int(draw.integers(1, 30)))) for _ in columns] for _ in range(3)]
        known = {word for line in ([c.name for c in columns], *rows) for cell in line for word in cell.split()}
        for width in (10, 40, 80):
            text = shown(partial(show_table, columns=columns, rows=rows), width)
            words = {word for line in text.split("no room")[0].splitlines() for word in line.split()}
            assert {word for word in words if word not in known and word.removesuffix(":") not in known} == set()


def test_data_are_called_by_their_names() -> None:
    assert words.dataset("cifar10") == "cifar10"
    assert words.dataset("folder:/home/ada/photos") == "photos"
    assert words.dataset("folder:/home/ada/what?/") == "what?"
    assert words.dataset("table:/home/ada/labels.csv?image=file") == "labels.csv"
    assert words.dataset("hf:ylecun/mnist?config=a%2Fb") == "mnist"
    assert words.dataset("folder:/") == "folder:/"
