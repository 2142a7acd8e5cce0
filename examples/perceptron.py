"""A training program like yours, in no time: a perceptron on points of two classes that overlap.

python3 examples/perceptron.py --seed 0 --average

It prints its accuracy in percent as JSON: `acc1` on the points that changes may be judged by, `test` on others.
"""

import argparse
import json
import random

DIMENSIONS, TRAINING, HELD_OUT, PASSES = 12, 120, 400, 3

Points = list[tuple[list[float], int]]


def points(count: int, draw: random.Random) -> Points:
    """Of class 1 or -1, with a bias in front."""
    sides = [draw.choice((-1, 1)) for _ in range(count)]
    return [([1.0, *(draw.gauss(0.4 * side, 1) for _ in range(DIMENSIONS))], side) for side in sides]


def train(data: Points, rate: float, average: bool, draw: random.Random) -> list[float]:
    """Weights after some passes, in an order that is drawn; average: their mean over all steps."""
    weights, total = [0.0] * (DIMENSIONS + 1), [0.0] * (DIMENSIONS + 1)
    for _ in range(PASSES):
        for x, side in draw.sample(data, len(data)):
            if side * sum(w * v for w, v in zip(weights, x, strict=True)) <= 0:
                weights = [w + rate * side * v for w, v in zip(weights, x, strict=True)]
            total = [t + w for t, w in zip(total, weights, strict=True)]
    return total if average else weights


def accuracy(weights: list[float], data: Points) -> float:
    """In percent."""
    right = sum(side * sum(w * v for w, v in zip(weights, x, strict=True)) > 0 for x, side in data)
    return 100 * right / len(data)


def main() -> None:
    """Train with a seed and say how good it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--average", action="store_true")
    options = parser.parse_args()
    held_out = [points(HELD_OUT, random.Random(name)) for name in ("select", "test")]  # the same for every seed
    draw = random.Random(options.seed)
    weights = train(points(TRAINING, draw), options.rate, options.average, draw)
    print(json.dumps(dict(zip(("acc1", "test"), (accuracy(weights, data) for data in held_out), strict=True))))


if __name__ == "__main__":
    main()
