"""The three answers: all techniques have them, numbers are the study's or a card's, nothing unread passes as read."""

from dataclasses import replace
from pathlib import Path

import pytest

from bakeoff import recipes, techniques
from bakeoff.errors import RequestError
from bakeoff.report import words
from bakeoff.runs.store import Store
from bakeoff.study.analyse import Results, analyse
from bakeoff.study.gather import gather
from bakeoff.study.spec import StudySpec
from bakeoff.teach.narrative import QUESTIONS, narrative
from bakeoff.techniques import published
from tests.studies import write_study

KEPT = Path(__file__).parents[1] / "studies"
SMALL = ("label_smoothing", "mixup", "cutmix", "fixres")
TWELVE = tuple(technique.name for technique in recipes.get("torchvision-2021").techniques)


def study(path: Path, **what) -> Results:
    store = Store(path)
    return analyse(gather(store, write_study(store, **{"training": SMALL, "images": 120, "runs": 16, **what})))


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    return study(tmp_path_factory.mktemp("study"), not_applicable={"trivialaugment": "it has no images"})


@pytest.mark.parametrize("name", techniques.NAMES)
def test_every_technique_has_three_answers_without_a_study(name):
    story = narrative(name)
    assert [story.text.count(question) for question in QUESTIONS] == [1, 1, 1]
    card = techniques.get(name).card
    assert card.what in story.idea[0]
    assert card.why in story.idea[0]
    assert all(paper.title in story.published[-1] for paper in published.papers(name))
    assert "no study was given" in story.found[1]
    assert not story.why
    step = published.increment(name)
    assert ("Acc@1 went from" in story.found[0]) == (step is not None) == (name in TWELVE)
    if step:
        assert f"{words.signed(step.acc1, 3)} points (Acc@5 {words.signed(step.acc5, 3)})" in story.found[0]


def test_the_posts_steps_are_numbered_in_its_order():
    for number, name in enumerate(TWELVE, start=1):
        assert f"step {number} of 12" in narrative(name).found[0]
    assert "contributed after the post first appeared" in narrative("repeated_augmentation").found[0]


@pytest.mark.parametrize("name", techniques.NAMES)
def test_what_nobody_read_is_marked(name):
    for claim in published.claims(name):
        if claim.gain is None or claim.baseline is None:
            continue
        stated = f"goes from {claim.baseline} % to {claim.value} %"
        where = f"{claim.where}."
        for paragraph in narrative(name).published:
            if f"On {claim.dataset} with {claim.model}, " in paragraph and stated in paragraph and where in paragraph:
                assert paragraph.startswith("UNVERIFIED, from memory") == (not claim.verified)
                assert (f"State: {words.provenance(claim)}" in paragraph) == claim.verified
                assert claim.incomparable in paragraph
                assert claim.status.removeprefix("verified: ") in paragraph


def test_no_claim_is_called_verified_once_its_source_is_taken_away(monkeypatch):
    read = {name: narrative(name).published for name in TWELVE}
    assert sum("State: verified" in text for texts in read.values() for text in texts) > 8
    claims = published.claims
    monkeypatch.setattr(published, "claims", lambda name: tuple(replace(c, status="from memory") for c in claims(name)))
    for name in TWELVE:
        assert not any("State: " in paragraph for paragraph in narrative(name).published)
        assert narrative(name).published[0].startswith("UNVERIFIED, from memory: look it up")


def test_what_was_measured_is_the_studys(results):
    effect = next(effect for effect in results.main if effect.technique == "mixup")
    digits = words.digits(results.main)
    measured = narrative("mixup", results).found[1]
    for number in (
        words.signed(effect.gain_pp, digits),
        words.span(effect.low, effect.high, digits),
        words.span(effect.sim_low, effect.sim_high, digits),
    ):
        assert number in measured
    assert f"What to do: {words.ADVICE[effect.decision.action]} ({words.sure(effect.decision)}" in measured
    assert f"On the errors that is {words.errors(effect.errors.removed)}" in measured
    assert f"from {effect.runs} runs with {effect.seeds} seeds of the model cnn" in measured
    assert "120 images" in measured
    assert results.spec.name in measured
    assert "with and without it" not in measured
    assert "Each run was read with and without it." in narrative("ema", results).found[1]


def test_what_the_study_has_nothing_on_is_said(results, tmp_path):
    assert "not applicable on digits: it has no images" in narrative("trivialaugment", results).found[1]
    outside = narrative("adam", results)
    assert f"the study {results.spec.name} doesn't measure it" in outside.found[1]
    assert "tried it and didn't adopt it" in outside.found[0]
    assert not narrative("trivialaugment", results).why
    assert not outside.why
    none = study(tmp_path, missing=range(100))
    assert "not measured in the study" in narrative("mixup", none).found[1]
    assert not narrative("mixup", none).why
    with pytest.raises(RequestError, match="unknown technique 'mixpu'; did you mean mixup?"):
        narrative("mixpu", results)


def test_unfinished_runs_are_said(tmp_path):
    assert "2 of 22 runs have not finished." in narrative("mixup", study(tmp_path, missing=(3, 5))).found[1]


@pytest.mark.parametrize(("shift", "where"), [(0.0, "inside"), (9.0, "outside")])
def test_the_posts_number_is_held_against_the_interval(results, monkeypatch, shift, where):
    effect = next(effect for effect in results.main if effect.technique == "mixup")
    step = published.increment("mixup")
    assert step is not None
    moved = replace(step, acc1=effect.gain_pp + shift)
    monkeypatch.setattr("bakeoff.report.rows.increment", lambda name: moved)
    assert f"{words.signed(moved.acc1, 3)} lies {where} the study's interval" in narrative("mixup", results).why[0]


def test_the_order_is_told_where_the_design_can_tell(results, tmp_path):
    assert "In the post's order its step here would be" in narrative("mixup", results).why[1]
    alone = narrative("mixup", study(tmp_path, design="add-one")).why
    assert "what the baseline gains with it alone" in alone[1]
    assert not any("order its step" in reason or "same time" in reason for reason in alone)


def test_a_length_that_all_runs_share_is_said_once(results, tmp_path):
    assert "8 and 16 passes" in narrative("mixup", results).why[3]
    same = study(tmp_path, recipe_plan=results.spec.base_plan)
    assert "cnn, 8 passes" in narrative("mixup", same).why[3]


@pytest.mark.slow
@pytest.mark.parametrize("kept", ["digits", "mnist-5k"])
def test_the_kept_studies_have_a_narrative_of_all_twelve(kept):
    store = Store(KEPT / kept)
    found = analyse(gather(store, StudySpec.load(store, "")))
    for name in TWELVE:
        story = narrative(name, found)
        assert "nan" not in story.text
        assert "not known" not in story.text
        assert bool(story.why) == (name in found.spec.names)
