"""What is settled on a device: the number format, the algorithms, the network's own draws, what counts as free."""

from pathlib import Path

import pytest
import torch

from bakeoff import models
from bakeoff.engine.device import dtype, network_seed, settled
from bakeoff.engine.memory import check_memory
from bakeoff.errors import BakeoffError
from bakeoff.plan import Precision
from bakeoff.runs.runner import run_plan
from bakeoff.runs.workspace import Workspace
from tests.helpers import small_data, small_plan


def test_convolutions_take_settled_algorithms_and_no_tf32_whatever_the_program_around_has_set() -> None:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = matmul.allow_tf32
    matmul.allow_tf32 = True
    try:
        with cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=True):
            found = []
            with settled():
                found.append((cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32))
            found.append((cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32))
        assert found == [(True, False, False, False), (False, True, True, True)]
    finally:
        matmul.allow_tf32 = before


def test_a_network_draws_from_the_seed_that_it_is_given() -> None:
    seed = network_seed(torch.device("cpu"))
    with torch.random.fork_rng():
        seed(5)
        drawn = torch.rand(3)
        torch.manual_seed(5)
        assert torch.equal(drawn, torch.rand(3))


@pytest.mark.parametrize("asked", ["fp32", "bf16", "auto"])
def test_a_record_says_in_which_format_it_was_computed(asked: str, tmp_path: Path) -> None:
    plan = small_plan(precision=Precision.model_validate({"dtype": asked}))
    record = run_plan("task", plan, [], 0, small_data(), Workspace.open(store=tmp_path, data=tmp_path, device="cpu"))
    used = dtype(plan.precision, torch.device("cpu"))
    assert record.dtype == {torch.float32: "fp32", torch.bfloat16: "bf16"}[used]
    assert asked in (record.dtype, "auto")


def test_what_the_allocator_holds_and_does_not_use_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, gpu, held = small_plan(), torch.device("cuda", 0), {"allocated": 2**20}
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (0, 2**30))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 2**30)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: held["allocated"])
    monkeypatch.setattr("bakeoff.engine.memory.dtype", lambda precision, device: torch.float32)
    model = models.build(plan.model)
    check_memory(model, plan, small_data(), gpu)
    held["allocated"] = 2**30
    with pytest.raises(BakeoffError, match=r"cuda:0 has 0\.0 GiB free"):
        check_memory(model, plan, small_data(), gpu)
