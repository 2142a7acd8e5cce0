"""Lightning's Trainer on a LightningModule and torchvision's data, with its EMAWeightAveraging.

Loggers, checkpoints, progress bar and the look at the test set after every epoch are off: they only cost time.
"""

import logging
import warnings

import torch.nn.functional as F
from lightning import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging
from torch import Tensor
from torch.optim import SGD

from bench.peers.loop import accuracy, loaders
from bench.works import Job, Laps


class _Classifier(LightningModule):
    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job
        self.model = job.network()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        images, target = batch
        return F.cross_entropy(self(images), target, label_smoothing=self.job.work.smoothing)

    def configure_optimizers(self) -> dict[str, object]:
        optimizer: SGD = self.job.sgd(self.model)
        schedule = self.job.schedule(optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class _Timed(Callback):
    def __init__(self, laps: Laps) -> None:
        self.laps = laps

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.laps.start()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.laps.stop()


def run(job: Job, laps: Laps) -> float:
    """Train, then percent right on the test set."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")  # of workers that it would like, and wasn't faster with
    seed_everything(job.seed, verbose=False)
    train_loader, test_loader = loaders(job)
    classifier = _Classifier(job)
    callbacks: list[Callback] = [_Timed(laps)]
    if job.work.half_life:
        callbacks.append(EMAWeightAveraging(decay=job.decay(job.work.epochs * len(train_loader))))
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=job.work.epochs,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(classifier, train_loader)
    return accuracy(classifier, test_loader)
