"""What people say in words: understood, or refused in one line that says what would be right."""

import os
from pathlib import Path
from typing import Any

import pytest

from bakeoff import api, cli, reader, recipes
from bakeoff.errors import RequestError
from bakeoff.recipes import text
from bakeoff.runs.workspace import Workspace
from bakeoff.stats.table import AnalysisOptions


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *(
            ("1", 1),
            ("-3", -3),
            ("010", 10),
            ("1_000", 1000),
            ("1e-4", 1e-4),
            ("2.", 2.0),
            (".5", 0.5),
            ("1E3", 1000.0),
        ),
        *(("true", True), ("off", False), ("~", None), ("", None), ("null", None), ("'1'", "1"), ("'null'", "null")),
        *(("1:30", "1:30"), ("2024-01-01", "2024-01-01"), ("0x10", "0x10"), ("=", "="), ("a b", "a b"), ("e5", "e5")),
        *(("[1, a]", [1, "a"]), ("{a: {b: 2}}", {"a": {"b": 2}}), ("{<<: 1}", {"<<": 1}), ("- 1\n- 2", [1, 2])),
        *(("-.inf", -float("inf")), ("1e400", float("inf")), ("é", "é")),
    ],
)
def test_a_value_is_what_it_looks_like(written: str, value: object) -> None:
    found = text.value(written)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("9" * 5000, "it has a whole number of 5,000 digits"),
        ("[" * 1000 + "]" * 1000, "it is nested more than 20 deep"),
        ("{a: " * 1000 + "1" + "}" * 1000, "it is nested more than 20 deep"),
        ("&a [*a]", "it has an alias, *a: write the value again"),
        ("!!timestamp x", "it has a tag, 'tag:yaml.org,2002:timestamp': write the plain value"),
        ("!!python/name:os.system", "it has a tag, 'tag:yaml.org,2002:python/name:os.system': write the plain value"),
        ("{a: 1, a: 2}", "it has 'a' twice"),
        ("{1: 2}", "it has the name 1, which is no word"),
        ("{[1]: 2}", "it has the name [1], which is no word"),
        ('"\\ud800"', "it has half a character, in '\\ud800'"),
        ("--- 1\n--- 2", "it is not YAML: but found another document (line 2, column 1)"),
        ("\x00", "it is not YAML: special characters are not allowed"),
    ],
)
def test_what_is_no_value_is_refused(written: str, why: str) -> None:
    with pytest.raises(RequestError) as caught:
        text.value(written)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["model=5", "model.px=3"], "--set model.px: model is 5 by then, which has no 'px'"),
        (
            ["average=1", "average.half_life=2"],
            "--set average.half_life: average is 1 by then, which has no 'half_life'",
        ),
        (["model.classes=3"], "--set model.classes=3: the data of digits have 10"),
        (["model={name: cnn, classes: 10, channels: 3, px: 8}"], "--set model.channels=3: the data of digits have 1"),
        (["batch_size=true"], "--set batch_size: input should be a number (got True)"),
        (["batch_size=1:30"], "--set batch_size: input should be a valid integer"),
        (["batch_size=" + "9" * 5000], "the value in 'batch_size=99"),
        (["examples_seen=1e308"], "--set examples_seen: "),
        (["train_px=20000"], "--set train_px: input should be less than or equal to 16384 (got 20000)"),
        (["lr.per_256=1e300"], "--set lr.per_256: input should be less than or equal to"),
        (
            ["image_ops=[{kind: resized_crop, area: [1, 0.5]}]"],
            "area: input should be the lower end, then the upper one",
        ),
        (["model.knobs.width=99999999999"], "model 'cnn': width is a whole number from 1 to 10,000 (got 99999999999)"),
        (["model.name=mlp", "model.px=16384", "model.knobs.hidden=10000"], "GiB of weights"),
        (["eval_view.crop_px=2", "model.name=mlp"], "model 'mlp' built for 8 px can't take 2x2 images"),
    ],
)
def test_a_setting_that_cannot_be_had_is_one_short_line(settings: list[str], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        api.forecast(api.plan_job("digits", settings=settings))
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_technique_that_makes_what_no_slot_takes_is_refused_by_name() -> None:
    with pytest.raises(RequestError, match="inference_resize.* on digits: resize_px: .* 16384"):
        api.plan_job("digits", with_=["inference_resize"], settings=["inference_resize.ratio=1e5"])


@pytest.mark.parametrize("knob", ["name", "spec", "self", "card"])
def test_knobs_of_any_name_are_asked_for_and_not_there(knob: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"{{name: mine, techniques: [{{mixup: {{{knob}: 1}}}}]}}")
    with pytest.raises(RequestError, match=f"unknown knob of mixup '{knob}'"):
        recipes.get(str(path))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"caf\xe9", "it is not text in UTF-8 (byte 3)"),
        (b"name: 2024\ntechniques: []", "its name is 2024, which is no word"),
        (b"#" * 2**21, "it has more than 1,048,576 bytes"),
    ],
)
def test_a_recipe_file_that_is_none_is_refused_by_name(content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(RequestError) as caught:
        recipes.get(str(path))
    assert str(caught.value) == f"recipe file '{path}': {why}"


def test_a_pipe_is_no_recipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(RequestError, match="it is no file"):
        recipes.get(str(tmp_path / "pipe.yaml"))


@pytest.mark.parametrize("value", [True, 1.0, "1", None, -1, 11, 10**5000], ids=lambda value: type(value).__name__)
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(RequestError, match=r"^--px is a whole number from 0 to 10, not .{1,90}$"):
        reader.whole(value, "--px", 0, 10)


@pytest.mark.parametrize("value", [True, "1", 0, -1.0, float("nan"), float("inf"), 1e308])
def test_what_is_no_length_is_refused(value: Any) -> None:
    with pytest.raises(RequestError, match=r"--length\), is a number above 0, up to 1e\+06, not"):
        api.plan_job("digits", length=value)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("~nosuchuser/x", "nobody's home is ~nosuchuser"),
        ("a" * 5000, "a longer name than the file system takes"),
        ("a\0b", "holds a null byte"),
        ("a\udce9b", "is not UTF-8: rename it"),
    ],
)
def test_paths_that_no_file_can_have_are_refused_wherever_they_stand(path: str, why: str) -> None:
    asked: list[dict[str, Any]] = [
        *({"task": f"{kind}:{path}"} for kind in ("folder", "table", "hf")),
        *({"task": "digits", place: path} for place in ("store", "data")),
        {"task": "digits", "recipe": f"{path}.yaml"},
        *({"task": "digits", **each} for each in ({"with_": [f"{path}.py:x"]}, {"model": f"{path}.py:x"})),
    ]
    for request in asked:
        with pytest.raises(RequestError, match=why):
            api.plan_job(**request)


def test_a_home_is_found_in_every_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BAKEOFF_DATA", "~/data")
    where = Workspace.open(store="~/runs")
    assert (where.store.url, where.data) == (str(tmp_path / "runs"), tmp_path / "data")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("BAKEOFF_CHECKPOINT_SECONDS", "x", "$BAKEOFF_CHECKPOINT_SECONDS is a number of seconds, such as 30, not 'x'"),
        (
            "BAKEOFF_CHECKPOINT_SECONDS",
            "nan",
            "$BAKEOFF_CHECKPOINT_SECONDS is a number of seconds, such as 30, not 'nan'",
        ),
        ("BAKEOFF_STORE", "~nosuchuser", "$BAKEOFF_STORE '~nosuchuser': nobody's home is ~nosuchuser"),
        ("BAKEOFF_DATA", "~nosuchuser", "$BAKEOFF_DATA '~nosuchuser': nobody's home is ~nosuchuser"),
    ],
)
def test_the_environment_is_read_at_the_border(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(RequestError) as caught:
        Workspace.open()
    assert str(caught.value) == message


@pytest.mark.parametrize("place", [{"workers": -1}, {"jobs": 0}, {"threads": 10**6}, {"jobs": True}, {"workers": 1.5}])
def test_processes_are_a_number(place: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="is a whole number from"):
        Workspace.open(**place)


@pytest.mark.parametrize("delta", [float("nan"), float("inf"), -1.0])
def test_a_delta_is_a_number_of_points(delta: float) -> None:
    with pytest.raises(RequestError, match="--delta is a number of points from 0 on"):
        AnalysisOptions(delta=delta)


@pytest.mark.parametrize("seed", [-1, 2**53 + 1, True, 1.5])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(RequestError, match="--seed is a whole number from 0 to 9,007,199,254,740,992"):
        api.train("digits", seed=seed)


def test_an_error_is_a_line_that_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["predict", "x", "a" * 5000]) == 2
    assert cli.main(["train", "--task", "b" * 5000]) == 2
    assert max(map(len, capsys.readouterr().err.splitlines())) < 700


def test_no_run_is_meant_by_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["runs", "rm", "", "--yes", "--store", str(tmp_path)]) == 2
    assert "no run is named" in capsys.readouterr().err


@pytest.mark.parametrize("knob", ["pretrained=true", "checkpoint_path=weights.pth", "pretrained_cfg=x"])
def test_networks_begin_with_no_weights_of_others(knob: str) -> None:
    asked = ["model.name=timm:resnet18", f"model.knobs.{knob}"]
    with pytest.raises(RequestError, match=r"loads weights, and networks are trained from scratch here"):
        api.forecast(api.plan_job("digits", settings=asked))


def test_no_columns_are_no_reason_to_print_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "0")
    assert cli.main(["runs", "list", "--store", str(tmp_path)]) == 0
    assert "no runs in" in capsys.readouterr().out
