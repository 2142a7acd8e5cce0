"""Keras 3 on torch: compile and fit, with the network in its TorchModuleWrapper, as its guides have it.

MNIST are arrays; the folder is a DataLoader, with mixup in it, which `fit` takes. Its SGD decays the weights beside the
momentum, not through it, so the same decay is 1 / (1 - momentum) times the number. The average is the optimizer's own.
"""

from functools import partial
from typing import Any

import keras
import numpy as np
from keras.callbacks import Callback, SwapEMAWeights
from keras.layers import TorchModuleWrapper
from numpy.typing import NDArray
from torchvision import datasets

from bench.peers.loop import loaders
from bench.works import BATCH, CLASSES, MOMENTUM, PEAK_LR, WARMUP, WARMUP_START, WEIGHT_DECAY, Job, Laps, Work


class _Timed(Callback):
    def __init__(self, laps: Laps) -> None:
        super().__init__()
        self.laps = laps

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.laps.start()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.laps.stop()


def run(job: Job, laps: Laps) -> float:
    """Train, then percent right on the test set."""
    work = job.work
    keras.utils.set_random_seed(job.seed)
    model = keras.Sequential(
        [
            keras.Input((work.channels, work.px, work.px)),
            TorchModuleWrapper(job.network(), output_shape=(None, CLASSES)),
        ]
    )
    steps = work.epochs * -(-job.images // BATCH)
    warmup = round(WARMUP * steps)
    optimizer = keras.optimizers.SGD(
        keras.optimizers.schedules.CosineDecay(
            WARMUP_START * PEAK_LR, steps - warmup, warmup_target=PEAK_LR, warmup_steps=warmup
        ),
        momentum=MOMENTUM,
        weight_decay=WEIGHT_DECAY / (1 - MOMENTUM),
        use_ema=bool(work.half_life),
        ema_momentum=job.decay(steps) if work.half_life else 0.99,
    )
    model.compile(optimizer, _loss(work), metrics=["accuracy"])
    callbacks = [_Timed(laps), *([SwapEMAWeights()] if work.half_life else [])]
    if work.name == "mnist":
        (x, y), (x_test, y_test) = (_arrays(job, train=part) for part in (True, False))
        model.fit(x, y, batch_size=BATCH, epochs=work.epochs, callbacks=callbacks, verbose=0)
        score = model.evaluate(x_test, y_test, batch_size=1000, verbose=0)
    else:
        train_loader, test_loader = loaders(job)
        test_set: Any = test_loader.dataset
        test_set.target_transform = partial(keras.utils.to_categorical, num_classes=CLASSES)  # as mixup has the others
        model.fit(train_loader, epochs=work.epochs, callbacks=callbacks, verbose=0)
        score = model.evaluate(test_loader, callbacks=callbacks[1:], verbose=0)
    return 100 * float(score[1])


def _loss(work: Work) -> Any:
    if work.mixup:
        return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=work.smoothing)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _arrays(job: Job, *, train: bool) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    part = datasets.MNIST(str(job.root), train=train)
    pixels, labels = (part.data[job.rows], part.targets[job.rows]) if train else (part.data, part.targets)
    x = pixels.numpy()[:, None].astype(np.float32) / 255
    return (x - np.float32(job.work.mean[0])) / np.float32(job.work.std[0]), labels.numpy()
