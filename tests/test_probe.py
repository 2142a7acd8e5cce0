"""What changes nothing is left out with that reason, and refused where it was named."""

import pytest

from bakeoff import api
from bakeoff.errors import RequestError
from bakeoff.recipes.request import fitted


@pytest.mark.parametrize("name", ["bicubic", "nearest"])
def test_an_interpolation_without_anything_to_interpolate_is_refused_by_name(name: str) -> None:
    job = api.plan_job("digits", with_=[name])
    with pytest.raises(RequestError, match=f"'{name}' can't be used on digits: no image is resized, sheared or turned"):
        fitted(job, api.load_data("digits"))


@pytest.mark.parametrize("name", ["bicubic", "nearest"])
def test_where_a_policy_warps_it_stays(name: str) -> None:
    job = api.plan_job("digits", with_=["trivialaugment", name])
    assert fitted(job, api.load_data("digits")) is job


def test_in_a_recipe_it_is_left_out_with_the_reason() -> None:
    named = api.plan_job("digits", with_=["bicubic", "mixup"])
    job = fitted(api.plan_job("digits", named.recipe), api.load_data("digits"))
    assert "nothing would change" in job.compiled.skipped["bicubic"]
    assert job.plan.interpolation == "bilinear"
    assert job.plan.mixers
    assert fitted(job, api.load_data("digits")) is job


def test_what_acts_late_is_never_taken_for_nothing() -> None:
    job = api.plan_job("digits", with_=["ema", "step_schedule", "fixres"])
    assert fitted(job, api.load_data("digits")) is job
