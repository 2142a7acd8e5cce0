"""Hostile requests: whatever is asked for is understood, or refused in one line.

    python -m bench.fuzz [--times 20000]    some minutes; tests/test_fuzz.py does the same a few hundred times

Settings, recipe files and values of options are drawn by hypothesis, from what people write and from what breaks
parsers. Understanding one may raise RequestError and nothing else; a plan that comes out survives JSON.
"""

import argparse
import contextlib
import io
import json
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bakeoff import api, cli, techniques
from bakeoff.errors import RequestError
from bakeoff.plan import SLOTS, Plan, leaves
from bakeoff.tasks.digits import DIGITS

_PLAN = DIGITS.base_plan().model_dump(mode="json")
PATHS = (
    *SLOTS,
    *(path for path, _ in leaves(_PLAN)),
    *(f"{name}.{knob}" for name in techniques.NAMES for knob in techniques.get(name).model_fields),
    *(
        "model.knobs.width",
        "model.knobs.name",
        "mixup.name",
        "mixup.spec",
        "loss.terms",
        "average.half_life",
        "sources",
    ),
)
VALUES = (
    *("0", "1", "-1", "010", "1_000", "1:30", "0x10", "2024-01-01", "2024-99-99", "1e-4", "1e308", "-1e308", "1e400"),
    *("1e-320", ".inf", "-.inf", ".nan", "nan", "~", "null", "", "yes", "off", "true", "9" * 25, "9" * 400, "9" * 5000),
    *("[]", "{}", "[1]", "{a: 1}", "{a: 1, a: 2}", "{1: 2}", "{[1]: 2}", "{<<: {a: 1}}", "{kind: adam}", "{kind: [1]}"),
    *(
        "[" * 1000,
        "[" * 1000 + "]" * 1000,
        "{a: " * 1000 + "1" + "}" * 1000,
        "&a [*a]",
        "*a",
        "!!int x",
        "!!timestamp x",
    ),
    *(
        "!!python/name:os.system",
        "!!binary aGk=",
        "!!set {a}",
        "? {a: 1}",
        "- 1\n- 2",
        "--- 1\n--- 2",
        "%YAML 9.9\n--- 1",
    ),
    *("'", '"\\ud800"', '"\\x00"', "\x00", "\x1b[31m", "\udcff", "|\n x", "a: b: c", "=", "# c", "[red]x[", "a" * 5000),
    *("[{kind: trivial_augment, bins: 1000000000000}]", "[{kind: resized_crop, area: [2, 1]}]", "[{kind: nosuch}]"),
    *("{kind: repeated, copies: 1e9}", "[{kind: mixup, alpha: 1e-300}]", "{name: cnn, classes: 3, channels: 1, px: 8}"),
)
TEXT = st.one_of(
    st.sampled_from(VALUES),
    st.text(max_size=20),
    st.text("[]{}:,-?!&*#|>'\"%@`=~.0123456789eE+_ \n\tainfx<", max_size=30),
    st.integers().map(str),
    st.floats().map(str),
)
PATH = st.one_of(st.sampled_from(PATHS), st.tuples(st.sampled_from(PATHS), st.text(".ax", max_size=3)).map("".join))
SETTING = st.one_of(st.tuples(PATH, st.just("="), TEXT).map("".join), TEXT)
NAME = st.one_of(st.sampled_from(techniques.NAMES), TEXT)
ITEM = st.one_of(NAME, st.tuples(NAME, TEXT, TEXT).map(lambda parts: "{{{}: {{{}: {}}}}}".format(*parts)))
RECIPE = st.one_of(
    TEXT,
    st.tuples(TEXT, st.lists(ITEM, max_size=4)).map(
        lambda parts: f"name: {parts[0]}\ntechniques: [{', '.join(parts[1])}]"
    ),
)
OPTIONS = (
    *("--task", "--recipe", "--with", "--without", "--set", "--model", "--px", "--seed", "--length", "--device"),
    *("--workers", "--store", "--data"),
)
VALUE = st.one_of(
    TEXT,
    st.tuples(
        st.sampled_from(("folder:", "table:", "hf:/", "~nosuchuser/", "./", "/", "timm:", "cpu:")),
        st.one_of(st.text(max_size=20), st.sampled_from(("a" * 300, "a" * 5000, "x.py:y", "x.yaml", "~nosuchuser/x"))),
    ).map("".join),
)


def understood(recipe: str, asked: list[str]) -> None:
    """Understand a request, and put its plan through JSON."""
    try:
        plan = api.plan_job("digits", recipe, settings=asked).plan
    except RequestError:
        return
    again = Plan.model_validate(json.loads(json.dumps(plan.model_dump(mode="json"))))
    assert again.digest == plan.digest


@given(st.lists(SETTING, min_size=1, max_size=3), st.sampled_from(("baseline", "torchvision-2021")))
@example(["model=5", "model.px=3"], "baseline")
@example(["average=1", "average.half_life=2"], "baseline")
def settings_are_understood(asked: list[str], recipe: str) -> None:
    """`--set`."""
    understood(recipe, asked)


@given(RECIPE)
@example("name: !!python/name:os.system\ntechniques: []")
def recipes_are_understood(text: str) -> None:
    """`--recipe FILE`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        path.write_bytes(text.encode(errors="surrogatepass"))
        understood(str(path), [])


@given(st.sampled_from(OPTIONS), VALUE)
def options_are_understood(option: str, value: str) -> None:
    """Values of options."""
    out, err = io.StringIO(), io.StringIO()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        status = cli.main(["train", "--dry-run", "--quiet", f"{option}={value}"])
    told = [line for line in err.getvalue().splitlines() if line]
    assert status in (0, 2), told
    assert len(told) == (1 if status else 0), told
    assert "internal error" not in err.getvalue()


CHECKS = (settings_are_understood, recipes_are_understood, options_are_understood)


def run(times: int) -> None:
    """Every check so many times. Raises what the first request that breaks it raises, which is printed."""
    chosen = settings(
        max_examples=times, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=True
    )
    for check in CHECKS:
        chosen(check)()


def main() -> None:
    """A long campaign."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description=__doc__)
    parser.add_argument("--times", type=int, default=20_000)
    run(parser.parse_args().times)


if __name__ == "__main__":
    main()
