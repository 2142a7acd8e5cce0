"""Hostile requests, a few hundred: `python -m bench.fuzz` draws more."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

from bench import fuzz

FEW = settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.mark.slow
@pytest.mark.parametrize("check", fuzz.CHECKS, ids=lambda check: check.__name__)
def test_hostile_requests(check: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BAKEOFF_STORE", raising=False)
    FEW(check)()
