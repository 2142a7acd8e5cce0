"""The classic PyTorch MNIST example, as the peer of `mnist_to_99`.

Network, optimizer, schedule, batch sizes, transforms and logging follow pytorch/examples, mnist/main.py, with its
defaults on CPU: no shuffling, no workers, a look at the test set after every epoch. Only the end differs: it stops at
the first epoch whose test accuracy reaches a target, which is as early as that loop could have known.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

Loader = DataLoader[tuple[Tensor, Tensor]]

MEAN, STD = 0.1307, 0.3081
EPOCHS = 14  # the example's default
LOG_INTERVAL = 10  # steps


@dataclass(frozen=True)
class Epoch:
    """State after one epoch: wall seconds since the data were opened, and percent right on the test set."""

    seconds: float
    acc1: float


class Net(nn.Module):
    """Two convolutions, two linear layers, dropout between: 1.2 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, 1)
        self.conv2 = nn.Conv2d(32, 64, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, 28, 28) normalised -> (N, 10) log-probabilities."""
        x = F.relu(self.conv1(images))
        x = F.relu(self.conv2(x))
        x = self.dropout1(F.max_pool2d(x, 2))
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return F.log_softmax(self.fc2(self.dropout2(x)), dim=1)


def _train(model: nn.Module, loader: Loader, optimizer: optim.Optimizer) -> None:
    model.train()
    for step, (data, target) in enumerate(loader):
        optimizer.zero_grad()
        loss = F.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
        if step % LOG_INTERVAL == 0:
            print(f"step {step}/{len(loader)} loss {loss.item():.6f}", file=sys.stderr)


def _test(model: nn.Module, loader: Loader) -> float:
    model.eval()
    correct = seen = 0
    with torch.no_grad():
        for data, target in loader:
            correct += int((model(data).argmax(dim=1) == target).sum().item())
            seen += len(target)
    return 100 * correct / seen


def epochs(data: Path, seed: int = 1) -> Iterator[Epoch]:
    """Train as the example does and tell the state after each epoch.

    data: the folder that holds MNIST/raw. seed: the example's default is 1. It is set in torch's global generator, as
    there.
    """
    start = time.perf_counter()
    torch.manual_seed(seed)
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))])
    train_set = datasets.MNIST(str(data), train=True, download=False, transform=transform)
    test_set = datasets.MNIST(str(data), train=False, download=False, transform=transform)
    train_loader, test_loader = DataLoader(train_set, batch_size=64), DataLoader(test_set, batch_size=1000)
    model = Net()
    optimizer = optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
    for _ in range(EPOCHS):
        _train(model, train_loader, optimizer)
        acc1 = _test(model, test_loader)
        scheduler.step()
        yield Epoch(time.perf_counter() - start, acc1)


def until(target: float, data: Path, seed: int = 1) -> list[Epoch]:
    """The example's epochs up to the first that reaches `target` percent on the test set, or all of them."""
    done = []
    for epoch in epochs(data, seed):
        done.append(epoch)
        if epoch.acc1 >= target:
            break
    return done
