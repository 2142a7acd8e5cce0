"""`bakeoff verify`: runs made again, and whether a report's numbers stand."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

import bakeoff as bo
from bakeoff.cli import main
from bakeoff.report.verify import check, study_of
from bakeoff.stats.reproduction import agreement, most_that_differ
from bakeoff.study.verification import Verification
from tests.test_report import results_of


def test_a_difference_is_judged_by_the_noise_of_two_runs() -> None:
    """The share of true reports that are doubted is what is stated, over many verifications."""
    rng = np.random.default_rng(0)
    doubted = 0
    for _ in range(2000):
        sigma = 0.3 * math.sqrt(rng.chisquare(12) / 12)  # as a study of 12 degrees of freedom measures it
        doubted += not agreement(list(rng.normal(0, 0.3 * math.sqrt(2), 3)), sigma, 12).within
    assert 2 <= doubted <= 40  # 20 expected: at 99 %
    found = agreement([0.1] * 4, 0.3, 12)
    assert found.limit > found.limit_of_mean < found.seen
    shifted = [
        agreement(list(rng.normal(found.seen, 0.3 * math.sqrt(2), 4)), 0.3, 12).within is True for _ in range(500)
    ]
    assert 0.05 < np.mean(shifted) < 0.16  # found in 9 of 10


def test_without_known_noise_nothing_is_judged() -> None:
    assert agreement([0.5], math.nan, 0).within is None
    assert Verification("s", 5, (), math.nan, agreement([0.5], math.nan, 0), None).stands is None


def test_what_equal_runs_say_of_the_others() -> None:
    assert most_that_differ(54, 54) == 0
    assert most_that_differ(3, 54) == 33
    # by counting: of 6 runs, 2 drawn; with 4 others both are equal in 1 of 15 samples, with 5 never
    assert most_that_differ(2, 6) == 4
    assert most_that_differ(59, 1_000_000) == pytest.approx(49_000, rel=0.05)  # the rule of three: 3 / 59


def test_a_report_is_compared_with_its_store(tmp_path: Path) -> None:
    found = results_of(tmp_path / "runs", images=140)
    store = bo.open_store(tmp_path / "runs")
    for format in ("html", "csv"):
        report = Path(bo.write_report(found, format, tmp_path / f"found.{format}", store=store))
        assert check(found, report).same_bytes
        assert study_of(report, store) == found.spec.name
        text = report.read_text()
        report.write_text(text.replace("technique", "method", 1))
        assert (check(found, report).same_bytes, check(found, report).same_numbers) == (False, True)
    report.write_text(text.replace(repr(found.main[0].low), "9.87"))
    tampered = check(found, report)
    assert not tampered.same_numbers
    assert "9.87 there" in tampered.first


def test_what_is_no_report_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results_of(tmp_path / "runs", images=140)
    (tmp_path / "notes.txt").write_text("hello")
    assert main(["verify", str(tmp_path / "notes.txt"), "--store", str(tmp_path / "runs")]) == 2
    assert "names no study of" in capsys.readouterr().err
    assert main(["verify", "nothing", "--store", str(tmp_path / "runs")]) == 2
    assert "unknown study" in capsys.readouterr().err


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a small study of digits."""
    folder = tmp_path_factory.mktemp("study")
    bo.ablate(
        recipe="baseline", with_=("mixup",), model="softmax", length=0.05, design="add-one", seeds=4, store=folder,
        jobs=1, threads=1, observer=lambda event: None,
    )  # fmt: skip
    return folder


@pytest.mark.slow
def test_the_same_machine_gives_the_same_bits(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (report,) = study.glob("studies/*/report.html")
    before = sorted(path for path in study.rglob("*"))
    assert main(["verify", str(report), "--runs", "99", "--json", "--quiet"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["stands"] is True
    assert len(said["repeated"]) == said["total"] == 8
    assert all(run["same"] and not run["elsewhere"] for run in said["repeated"])
    assert said["report"]["same_bytes"]
    assert sorted(path for path in study.rglob("*")) == before
    assert main(["verify", "--store", str(study), "--runs", "2", "--quiet"]) == 0
    assert "2 of 8 runs came out the same to the last bit" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
@pytest.mark.parametrize(("wrong", "stands"), [(1, True), (300, False)])
def test_runs_that_came_out_otherwise(
    wrong: int, stands: bool, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kept evaluations say other things than the runs do: of an image, and of many."""
    shutil.copytree(study, tmp_path / "runs")
    store = bo.open_store(tmp_path / "runs")
    for run in store.ids():
        for view in store.get(run).views:
            hits = store.hits(run, view.name)
            hits[np.flatnonzero(hits)[:wrong]] = False
            changed = type(view)(**{**vars(view), "acc": {**view.acc, "acc1": 100 * float(hits.mean())}})
            store.add_view(run, changed, {1: hits, 5: store.hits(run, view.name, 5)})
    assert main(["verify", "--store", store.url, "--runs", "4", "--quiet"]) == (0 if stands else 1)
    out, err = capsys.readouterr()
    said = " ".join(out.split())
    assert f"The numbers {'stand within noise' if stands else 'don' + chr(39) + 't stand'}: 4 of 8 runs" in said
    assert "other bits" in said
    assert ("don't stand" in err) is not stands


@pytest.mark.slow
def test_other_data_are_refused(study: Path, tmp_path: Path) -> None:
    store = shutil.copytree(study, tmp_path / "runs")
    for run in store.glob("*/run.json"):
        run.write_text(run.read_text().replace('"data_fingerprint": "', '"data_fingerprint": "0'))
    with pytest.raises(bo.RequestError, match="was trained on other data"):
        bo.verify(store=store)
