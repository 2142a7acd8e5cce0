"""The loop: same seed same bits, resume bit-equal, honest endings, for any size of data and batch."""

import math
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import bakeoff.engine.train as engine
from bakeoff import models
from bakeoff import plan as slots
from bakeoff.engine.checkpoint import Checkpoint
from bakeoff.engine.evaluate import evaluate, expected_calibration_error, place, ranking
from bakeoff.engine.memory import bytes_needed
from bakeoff.engine.state import State
from bakeoff.engine.train import Diverged, train
from bakeoff.errors import BakeoffError
from bakeoff.events import TrainingProgress
from bakeoff.models import build
from bakeoff.storage import local_file
from tests.helpers import small_data, small_plan

CPU = torch.device("cpu")
SOURCE = Path(engine.__file__).parents[1]
EVERYTHING = {
    "sampler": slots.Repeated(copies=2),
    "image_ops": (slots.PadCrop(), slots.HorizontalFlip(), slots.TrivialAugment(), slots.RandomErasing(p=0.5)),
    "mixers": (slots.Mixup(alpha=0.2), slots.Cutmix(alpha=1.0)),
    "loss": slots.Loss(label_smoothing=0.1),
    "average": slots.Average(half_life=0.1),
}


def same(a: State, b: State) -> bool:
    ours, theirs = a.tensors(), b.tensors()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def checkpoint(folder: Path) -> Checkpoint:
    return Checkpoint(local_file(folder / "c.safetensors"))


def steps_kept(folder: Path) -> list[int]:
    """Steps at which the state was kept."""
    return sorted(len(load_file(path)["losses"]) for path in folder.glob("c*.safetensors"))


def test_learns() -> None:
    data = small_data(train=60)
    plan = small_plan(examples_seen=1600)
    state = train(plan, data, 0, CPU)
    assert state.step == plan.steps == len(state.losses) == 200
    assert sum(state.losses[-10:]) < 0.5 * sum(state.losses[:10])
    found = evaluate(state.model, data.splits["report"], data, plan, plan.eval_view, CPU)
    assert found.acc[1] > 80


@pytest.mark.parametrize("extra", [{}, EVERYTHING], ids=["plain", "everything"])
def test_same_seed_same_bits_and_another_seed_others(extra) -> None:
    a, b, c = (train(small_plan(**extra), small_data(), seed, CPU) for seed in (0, 0, 1))
    assert same(a, b)
    assert not same(a, c)


@pytest.mark.parametrize(
    "extra",
    [
        {},
        EVERYTHING,
        {"optimizer": slots.SGD(momentum=0.0)},
        {"optimizer": slots.Adam(), "precision": slots.Precision(channels_last=False)},
        {"optimizer": slots.RMSProp(lr_ratio=0.001)},
    ],
    ids=["plain", "everything", "no-momentum", "adam", "rmsprop"],
)
@pytest.mark.parametrize("stop", [1, 2])
def test_resume_is_bit_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra, stop: int) -> None:
    """Trap 11: RNG, order, average and optimizer are all there after a resume."""
    plan, data = small_plan(**extra), small_data()
    whole = train(plan, data, 3, CPU)
    monkeypatch.setattr(engine, "_REPORT_SECONDS", -1.0)
    monkeypatch.setattr(engine, "_CHECKPOINT_SECONDS", -1.0)
    looks = 0

    def die(progress: TrainingProgress) -> None:
        nonlocal looks
        looks += 1
        if looks > stop:
            raise RuntimeError("killed")

    kept = checkpoint(tmp_path)
    with pytest.raises(RuntimeError, match="killed"):
        train(plan, data, 3, CPU, checkpoint=kept, report=die)
    assert steps_kept(tmp_path) == [8 * (at + 1) for at in range(stop)]
    assert same(whole, train(plan, data, 3, CPU, checkpoint=kept))


def test_a_finished_state_is_not_trained_on(tmp_path: Path) -> None:
    first = train(small_plan(), small_data(), 0, CPU, checkpoint=checkpoint(tmp_path))
    again = train(small_plan(), small_data(), 0, CPU, checkpoint=checkpoint(tmp_path))
    assert same(first, again)


def test_an_interrupt_lets_the_step_end_and_keeps_the_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_REPORT_SECONDS", -1.0)
    kept = checkpoint(tmp_path)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(
            small_plan(),
            small_data(),
            0,
            CPU,
            checkpoint=kept,
            report=lambda p: os.kill(os.getpid(), signal.SIGINT),
        )
    assert signal.getsignal(signal.SIGINT) is handler
    assert steps_kept(tmp_path) == [8]  # the step in which the signal came is done
    assert same(train(small_plan(), small_data(), 0, CPU, checkpoint=kept), train(small_plan(), small_data(), 0, CPU))


def test_divergence_is_found_at_once(tmp_path: Path) -> None:
    plan = small_plan(
        lr=slots.Schedule(per_256=1e12, shape="constant"),
        model=small_plan().model.model_copy(update={"name": "mlp", "knobs": {}}),
    )
    with pytest.raises(Diverged, match=r"the loss was .* at step \d+ of 24; try a lower learning rate") as error:
        train(plan, small_data(), 0, CPU, checkpoint=checkpoint(tmp_path))
    assert int(str(error.value).split("at step ")[1].split()[0]) <= 8
    assert not steps_kept(tmp_path)


@pytest.mark.parametrize("per_256", [1e10, 1e30])
@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_what_the_last_update_breaks_is_divergence_too(
    model: str,
    per_256: float,
) -> None:
    plan = small_plan(
        lr=slots.Schedule(per_256=per_256, shape="constant"),
        examples_seen=8,
        model=small_plan().model.model_copy(update={"name": model, "knobs": {}}),
    )
    with pytest.raises(Diverged, match=r"the loss was .* at step 1 of 1"):
        train(plan, small_data(), 0, CPU)


def test_equal_logits_rank_by_number_whichever_k_are_asked_for() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randint(0, 3, (500, 7), generator=draw).float()
    labels = torch.randint(0, 7, (500,), generator=draw)
    pairs = zip(logits.tolist(), labels.tolist(), strict=True)
    slow = [sorted(range(7), key=lambda c: (-row[c], c)).index(label) for row, label in pairs]
    assert place(logits, labels).tolist() == slow
    assert ranking(logits).gather(1, place(logits, labels)[:, None])[:, 0].tolist() == labels.tolist()
    assert place(torch.tensor([[math.nan, 1.0], [1.0, math.nan]]), torch.tensor([0, 0])).tolist() == [2, 1]


@pytest.mark.parametrize(("train_size", "batch"), [(30, 1), (3, 8), (5, 64), (31, 7), (3, 3)])
@pytest.mark.parametrize("extra", [{}, EVERYTHING], ids=["plain", "everything"])
def test_any_size_and_batch(train_size: int, batch: int, extra) -> None:
    """Traps 7 and 22: n smaller than the batch, a batch of one, sizes that don't divide."""
    plan = small_plan(batch_size=batch, examples_seen=3 * batch, lr=slots.Schedule(per_256=0.1), **extra)
    state = train(plan, small_data(train=train_size), 0, CPU)
    assert state.step == 3
    assert np.isfinite(state.losses).all()


def test_fewer_examples_than_a_batch_is_one_step() -> None:
    assert small_plan(examples_seen=1, batch_size=64).steps == 1


def test_three_channels_and_other_sizes() -> None:
    plan = small_plan(
        model=slots.Model(name="cnn", classes=3, channels=3, px=12, knobs={"width": 4}),
        train_px=9,
        eval_view=slots.EvalView(resize_px=14, crop_px=12),
        image_ops=(slots.ResizedCrop(area=(0.5, 1.0)), slots.TrivialAugment()),
    )
    data = small_data(channels=3, px=12)
    state = train(plan, data, 0, CPU)
    assert evaluate(state.model, data.splits["report"], data, plan, plan.eval_view, CPU).n == 25


def test_global_generator_is_left_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    train(small_plan(**EVERYTHING), small_data(), 0, CPU)
    assert torch.equal(before, torch.get_rng_state())


def test_dropout_is_seeded_by_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_dropout(spec, *sides):
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(64, 3))

    monkeypatch.setattr(models, "build", with_dropout)
    trained = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        trained.append(train(small_plan(), small_data(), 0, CPU))
    assert same(*trained)


def test_smoothing_and_mixing_smooth_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap 4: the loss is cross-entropy against (1 - e) * mix + e / K."""
    seen = []
    original = torch.nn.functional.cross_entropy

    def spy(logits, targets, label_smoothing):
        loss = original(logits, targets, label_smoothing=label_smoothing)
        soft = (1 - label_smoothing) * targets + label_smoothing / 3
        seen.append((loss.item(), -(soft * logits.log_softmax(1)).sum(1).mean().item()))
        assert torch.allclose(targets.sum(1), torch.ones(len(targets)))
        return loss

    monkeypatch.setattr(torch.nn.functional, "cross_entropy", spy)
    train(small_plan(**EVERYTHING), small_data(), 0, CPU)
    assert len(seen) == 24 + 1  # after the last update, once more
    for ours, slow in seen:
        assert ours == pytest.approx(slow, abs=1e-5)


def test_a_plan_that_cannot_fit_says_so() -> None:
    plan = small_plan(batch_size=10**10, examples_seen=10**10)
    with pytest.raises(BakeoffError, match=r"needs at least .* GiB of memory .* try --set batch_size="):
        train(plan, small_data(), 0, CPU)


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet20", "resnet18-32"])
def test_the_memory_bound_is_what_a_real_batch_keeps_for_its_backward_pass(name: str) -> None:
    spec, data = slots.Model(name=name, classes=10, channels=3, px=16), small_data()
    model, kept = build(spec), dict[int, int]()

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = model(torch.randn(64, 3, 16, 16))
    for parameter in model.parameters():
        kept.pop(parameter.untyped_storage().data_ptr(), None)
    plans = [small_plan(model=spec, train_px=16, batch_size=size) for size in (64, 128)]
    small, large = (bytes_needed(model, plan, CPU, data) for plan in plans)
    assert out.requires_grad
    assert large - small == pytest.approx(sum(kept.values()), rel=0.02)


# --- Evaluation -------------------------------------------------------------------------------------------------------


class Fixed(torch.nn.Module):
    """Logits that are a given function of the (normalised) first pixel."""

    def __init__(self, table: torch.Tensor, mean: float, std: float) -> None:
        super().__init__()
        self.table, self.mean, self.std = table, mean, std

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        index = ((images[:, 0, 0, 0] * self.std + self.mean) * 255).round().long()
        return self.table[index]


def test_every_example_counts_once_and_metrics_equal_slow_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap 1, and Acc@k, cross-entropy, ECE and per-class accuracy by hand."""
    from bakeoff.data.dataset import Resident

    monkeypatch.setattr("bakeoff.engine.evaluate._CPU_PIXELS", 7 * 64)  # 23 examples in batches of 7
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(23, 6, generator=generator) * 3
    labels = torch.randint(0, 5, (23,), generator=generator)  # class 5 has no image
    images = torch.arange(23, dtype=torch.uint8)[:, None, None, None].expand(23, 1, 8, 8).contiguous()
    data = small_data(classes=6)
    found = evaluate(
        Fixed(table, 0.3, 0.25),
        Resident(images, labels),
        data,
        small_plan(),
        small_plan().eval_view,
        CPU,
        topk=(1, 3, 5),
    )
    order = table.argsort(1, descending=True)
    for k in (1, 3, 5):
        hits = [labels[i].item() in order[i, :k].tolist() for i in range(23)]
        assert found.hits[k].tolist() == hits
        assert found.acc[k] == pytest.approx(100 * sum(hits) / 23)
    probability = table.double().softmax(1)
    assert found.cross_entropy == pytest.approx(-probability[range(23), labels].log().mean().item(), rel=1e-5)
    assert found.n == 23
    for label in range(5):
        own = [found.hits[1][i] for i in range(23) if labels[i] == label]
        assert found.per_class[label] == pytest.approx(100 * sum(own) / len(own))
    assert found.per_class[5] is None


def test_k_is_at_most_the_number_of_classes() -> None:
    """Trap 24."""
    data = small_data()
    found = evaluate(build(small_plan().model), data.splits["report"], data, small_plan(), small_plan().eval_view, CPU)
    assert set(found.acc) == {1, 3}
    assert found.acc[3] == 100.0


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.55, 0.55, 1.0], dtype=np.float32)
    correct = np.array([True, False, True, True, True])
    # bins of 1/15: 0.95 and 1.0 share the last one, 0.55 is alone with itself
    expected = (abs(0.95 + 0.95 + 1.0 - 2) + abs(1.1 - 2)) / 5
    assert expected_calibration_error(confidence, correct) == pytest.approx(expected, abs=1e-6)
