"""One technique for one student: the same on every machine, fair, and refused in a line where it can't be."""

import json
from collections import Counter

import pytest

from bakeoff import recipes, techniques
from bakeoff.cli import main
from bakeoff.errors import RequestError
from bakeoff.teach.pick import pick

TWELVE = [technique.name for technique in recipes.get("torchvision-2021").techniques]
FIVE = ["mixup", "cutmix", "ema", "fixres", "label_smoothing"]


@pytest.mark.parametrize(
    ("seed", "of_twelve", "of_five"),
    [
        ("Ada Lovelace", "weight_decay_tuning", "mixup"),
        ("12345", "fixres", "cutmix"),
        ("Zoë", "trivialaugment", "mixup"),
    ],
)
def test_a_name_picks_the_same_for_ever(seed: str, of_twelve: str, of_five: str) -> None:
    assert pick(TWELVE, seed)["technique"] == of_twelve
    assert pick(FIVE, seed)["technique"] == of_five


def test_how_a_name_is_typed_makes_no_difference() -> None:
    assert len({pick(TWELVE, seed)["technique"] for seed in ("Zoë Ng", " zoë  ng ", "ZOË NG", "Zoe\u0308 Ng")}) == 1
    for seed in map(str, range(50)):
        assert pick(FIVE, seed)["technique"] == pick(FIVE[::-1], seed)["technique"]


@pytest.mark.parametrize("pool", [TWELVE, FIVE, FIVE[:1], list(techniques.NAMES)])
def test_every_technique_has_the_same_chance(pool: list[str]) -> None:
    each = 200
    counts = Counter(pick(pool, f"student {n}")["technique"] for n in range(each * len(pool)))
    assert set(counts) == set(pool)
    assert max(abs(count - each) for count in counts.values()) < 4 * each**0.5


@pytest.mark.parametrize(
    ("pool", "seed", "says"),
    [
        ([], "a", "no technique to pick from"),
        (["mixup", "ema", "mixup"], "a", "'mixup' is there twice"),
        (["mixpu"], "a", "did you mean mixup"),
        (FIVE, " ", "seed is empty"),
    ],
)
def test_what_cannot_be_picked_from_is_refused(pool: list[str], seed: str, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        pick(pool, seed)


def test_the_command_prints_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["techniques", "pick", "--from", "ema", "--seed", "Ada L"]) == 0
    told = capsys.readouterr().out
    assert "Picked from 1: ema." in told
    assert "--seed 'Ada L'" in told
    assert "bakeoff techniques show ema --plot" in told


def test_without_a_seed_the_draw_can_be_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    drawn = []
    for _ in range(2):
        assert main(["techniques", "pick", "--json"]) == 0
        drawn.append(json.loads(capsys.readouterr().out))
    assert drawn[0]["seed"] != drawn[1]["seed"]
    assert drawn[0]["from"] == TWELVE
    assert main(["techniques", "pick", "--json", "--seed", drawn[0]["seed"]]) == 0
    assert json.loads(capsys.readouterr().out) == drawn[0]


def test_a_wrong_list_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["techniques", "pick", "--from", ","]) == 2
    assert capsys.readouterr().err.count("\n") == 1
