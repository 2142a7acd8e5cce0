"""The training loop. It reads a Plan from top to bottom and knows no technique by name."""

import math
import time
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from bakeoff import models, reader, rng
from bakeoff.data import loader, mix
from bakeoff.data.dataset import Dataset
from bakeoff.engine.checkpoint import Checkpoint
from bakeoff.engine.device import autocast, network_seed, settled
from bakeoff.engine.interrupt import interruptible
from bakeoff.engine.loss import training_loss
from bakeoff.engine.memory import check_memory
from bakeoff.engine.optim import bare_step, build_optimizer, lr_factor
from bakeoff.engine.state import State
from bakeoff.events import TrainingProgress
from bakeoff.plan import Plan

_LOOK_EVERY = 8  # steps between two looks at the loss: a look waits for the device
_EXPLODED = 100.0  # a loss this many times that of guessing never came back in a run that we saw
_CHECKPOINT_SECONDS = 30.0  # where the environment says nothing
_REPORT_SECONDS, _SILENT_SECONDS = 0.1, 1.0  # least and most between two reports, steps that take longer aside


class Diverged(Exception):
    """The loss exploded. The message says where, and what to try; losses: of every step up to there."""

    def __init__(self, message: str, losses: Sequence[float]) -> None:
        super().__init__(message)
        self.losses = losses


def train(
    plan: Plan,
    dataset: Dataset,
    seed: int,
    device: torch.device,
    *,
    checkpoint: Checkpoint | None = None,
    workers: int = 0,
    report: Callable[[TrainingProgress], None] = lambda progress: None,
) -> State:
    """Train one classifier; go on from what `checkpoint` has, and leave the final state in it.

    checkpoint: where the state is kept (None: nowhere). workers: processes that decode files; data in memory need none.
    report: called ten times a second at most.

    Raises Diverged when the loss is no longer finite or has exploded, BakeoffError when the plan doesn't fit in
    memory. An interrupt lets the step end and saves the state before it is raised as KeyboardInterrupt.
    """
    # --- Model, optimizer, average --------------------------------------------------------------------------------
    layout = torch.channels_last if plan.precision.channels_last else torch.contiguous_format
    with rng.torch_seeded(seed, "init"):
        model = models.build(plan.model, plan.train_px, plan.eval_view.crop_px)
    check_memory(model, plan, dataset, device)
    model = model.to(device).to(memory_format=layout).train()
    state = State(model, build_optimizer(model, plan), plan)
    if checkpoint:
        checkpoint.restore(state)
    forward = torch.compile(model) if plan.precision.compile else model
    update = bare_step(state.optimizer)

    # --- Loop -----------------------------------------------------------------------------------------------------
    steps, classes = plan.steps, plan.model.classes
    seed_network = network_seed(device)
    drop_key = rng.key(seed, "drop") % 2**62
    one = torch.ones((), device=device)  # the gradient of the loss, which torch would make at every step
    unseen: list[Tensor] = []  # losses that are still on the device
    save_every = reader.environment_seconds(reader.CHECKPOINTS, _CHECKPOINT_SECONDS)
    first, seconds_before = state.step, state.seconds
    began = saved = reported = time.perf_counter()

    def look() -> None:
        for loss in torch.stack(unseen).tolist() if unseen else ():
            state.losses.append(loss)
            if not loss < _EXPLODED * math.log(classes):  # NaN is caught as well
                raise Diverged(_advice(plan, state.step, loss), state.losses)
        unseen.clear()
        state.seconds = seconds_before + time.perf_counter() - began

    with torch.random.fork_rng(), settled(), interruptible() as interrupt:
        batches = loader.batches(dataset, plan, seed, first, device, workers)
        for step in range(first, steps):
            waited = time.perf_counter()
            images, labels = next(batches)
            state.data_wait += time.perf_counter() - waited

            targets = labels
            if plan.mixers:
                targets = F.one_hot(labels, classes).to(images.dtype)
                images, targets = mix.mix(images, targets, plan.mixers, seed, step)
            images = images.contiguous(memory_format=layout)

            for group in state.optimizer.param_groups:
                group["lr"] = plan.peak_lr * lr_factor(plan.lr, step, steps)
            seed_network(drop_key + step)  # for what the network itself draws: dropout, stochastic depth
            with autocast(plan.precision, device):
                logits = forward(images).float()
            loss = training_loss(logits, targets, plan.loss)
            loss.backward(one)
            update()
            state.average.update(step + 1)
            unseen.append(loss.detach())

            now = time.perf_counter()
            if len(unseen) == _LOOK_EVERY or now - reported > _SILENT_SECONDS or interrupt.is_set():
                look()
                if now - reported > _REPORT_SECONDS:
                    report(_progress(state, plan, logits, labels, first, now - began))
                    reported = now
                if checkpoint and (now - saved > save_every or interrupt.is_set()):
                    checkpoint.save(state)
                    saved = now
                if interrupt.is_set():
                    batches.close()
                    raise KeyboardInterrupt
        look()
        if first < steps:  # the last update too may have broken the weights, and no loss was seen after it
            last = _loss_now(state, plan, images, targets, device)
            if not last < _EXPLODED * math.log(classes):
                raise Diverged(_advice(plan, state.step, last), state.losses)
    if checkpoint and first < steps:
        checkpoint.save(state)
    return state


def _loss_now(state: State, plan: Plan, images: Tensor, targets: Tensor, device: torch.device) -> float:
    """The training loss of a batch with the weights as they are, which change nothing by it; NaN if any is broken."""
    kept = (*state.model.state_dict().values(), *state.average.model.state_dict().values())
    if not all(tensor.isfinite().all() for tensor in kept if tensor.is_floating_point()):
        return math.nan
    buffers = {name: buffer.clone() for name, buffer in state.model.named_buffers()}  # BatchNorm writes to its own
    with torch.no_grad(), autocast(plan.precision, device):
        logits = torch.func.functional_call(state.model, buffers, (images,)).float()
        return training_loss(logits, targets, plan.loss).item()


def _progress(state: State, plan: Plan, logits: Tensor, labels: Tensor, first: int, seconds: float) -> TrainingProgress:
    done, recent = state.step - first, state.losses[-50:]
    return TrainingProgress(
        step=state.step,
        steps=plan.steps,
        loss=sum(recent) / len(recent),
        acc1=100.0 * (logits.argmax(1) == labels).float().mean().item(),
        images_per_second=done * plan.batch_size / seconds,
        seconds_left=(plan.steps - state.step) * seconds / done,
        data_wait=state.data_wait / state.seconds,
    )


def _advice(plan: Plan, step: int, loss: float) -> str:
    return (
        f"the loss was {loss:.3g} at step {step} of {plan.steps}; try a lower learning rate "
        f"(--set lr.per_256={plan.lr.per_256 / 4:.3g}, now {plan.lr.per_256:.3g}) or a longer warm-up"
    )
