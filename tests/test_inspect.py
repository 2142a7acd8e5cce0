"""A run's answers to every image, kept and asked anew, and the page that is made of them."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import bakeoff as bo
from bakeoff import cli
from bakeoff.data.dataset import Resident
from bakeoff.errors import RequestError
from bakeoff.inference.inspect import compare
from bakeoff.report.inspection import page
from bakeoff.report.page import Grid
from bakeoff.runs.store import open_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        bo.train("digits", length=0.1, seed=seed, store=root, device="cpu")
    return root


@pytest.fixture(scope="module")
def found(store: Path):
    return bo.inspect_run(open_store(store).ids()[0], store=store, device="cpu")


def test_answers_agree_with_what_the_evaluation_kept(store: Path, found) -> None:
    kept = open_store(store)
    record = kept.get(found.record.run_id)
    for view in record.views:
        answers = kept.answers(record.run_id, view.name)
        assert answers is not None
        assert len(answers[0]) == view.n
    assert (found.right == kept.hits(record.run_id, found.view.name)).all()
    assert ((found.confidence >= 0.1) & (found.confidence <= 1)).all()


def test_what_an_older_store_lacks_is_asked_anew(store: Path, found, tmp_path: Path) -> None:
    shutil.copytree(store, tmp_path / "old")
    folder = tmp_path / "old" / found.record.run_id
    shutil.rmtree(folder / "answers")
    again = bo.inspect_run(found.record.run_id, store=tmp_path / "old", device="cpu")
    assert (again.predicted == found.predicted).all()
    assert np.allclose(again.confidence, found.confidence, atol=1e-5)
    (folder / "answers").mkdir()
    (folder / "answers" / f"{found.view.name}.json").write_text('{"n": 3, "predicted": "eJw=", "confidence": 7}')
    assert open_store(tmp_path / "old").answers(found.record.run_id, found.view.name) is None


def test_the_page_says_what_the_arrays_say(found) -> None:
    made = page(found)
    names = [section.name for section in made.sections]
    assert names == ["mistakes", "confusion", "classes", "reliability", "sizes", "seen", "augmented", "training"]
    assert made.headline[0].plain.startswith(f"{100 * found.right.mean():.2f} % of 799 images")
    surest = next(block for block in made.sections[0].blocks if isinstance(block, Grid))
    wrong = np.flatnonzero(~found.right)
    first = wrong[found.confidence[wrong].argmax()]
    said = f"says {found.classes[found.predicted[first]]}, {100 * found.confidence[first]:.1f}\u00a0%"
    assert surest.tiles[0].lines == (said, f"is {found.classes[found.labels[first]]}")
    assert [px for px, _ in found.sizes] == [6, 7, 8, 9, 10, 12]


def test_two_runs_on_the_same_images(store: Path, found, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = open_store(store).ids()
    command = ["inspect", first, "--compare", second, "--output", str(tmp_path / "both.html"), "--store", str(store)]
    assert cli.main([*command, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["n"] == 799
    assert said["low"] < said["acc1"] < said["high"]
    text = (tmp_path / "both.html").read_text()
    assert f"Beside run {second}" in text
    assert not re.findall(r"(?:src|href)=\"(?!data:image/png|#)", text)  # nothing is loaded from anywhere
    assert "<script" not in text
    other = bo.inspect_run(second, store=store, device="cpu")
    both = compare(found, other)
    assert len(both.gained) - len(both.lost) == other.right.sum() - found.right.sum()


def test_runs_on_other_images_are_not_compared(found, tmp_path: Path) -> None:
    digits = bo.load_data("digits").splits["report"]
    assert isinstance(digits, Resident)
    task = bo.Task.from_arrays(digits.images[:300].numpy(), digits.labels[:300].numpy(), name="some")
    run = bo.train(task, model="mlp", length=0.05, store=tmp_path, device="cpu").run_id
    some = bo.inspect_run(run, task=task, store=tmp_path, device="cpu")
    assert len(some.sizes) == 1  # an mlp takes one size
    assert "sizes" not in [section.name for section in page(some).sections]
    with pytest.raises(RequestError, match="are of other data"):
        compare(found, some)
