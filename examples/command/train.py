"""Train a small network on digits: any script will do that takes flags and says how good it was."""

import argparse
import json
import os
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out", default=".")
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--lr", type=float, default=1e-3)
parser.add_argument("--width", type=int, default=32)
parser.add_argument("--l2", type=float, default=0.0)
parser.add_argument("--noise", type=float, default=0.0, help="added to the training images, for robustness")
flags = parser.parse_args()

images, labels = load_digits(return_X_y=True)
parts = train_test_split(images / 16, labels, test_size=600, random_state=0, stratify=labels)  # the same in all runs
train, test, train_labels, test_labels = parts
draw = np.random.default_rng(flags.seed)
train = train + flags.noise * draw.normal(size=train.shape)

network = MLPClassifier(
    (flags.width,),
    learning_rate_init=flags.lr,
    alpha=flags.l2,
    batch_size=32,
    max_iter=flags.epochs,
    random_state=flags.seed,
    n_iter_no_change=flags.epochs,
)
warnings.simplefilter("ignore")  # it may stop before it has converged
network.fit(train, train_labels)
right = network.predict(test) == test_labels

np.save(os.path.join(flags.out, "correct.npy"), right)
with open(os.path.join(flags.out, "metrics.json"), "w") as file:
    json.dump({"acc1": 100 * right.mean(), "loss": network.loss_}, file)
print(f"acc1 {100 * right.mean():.2f}")
