"""A task of your own in a file: `bakeoff train --task ./examples/data.py:mine`.

What the name stands for is a Task, or a function that gets the data folder and returns one.
"""

from pathlib import Path

from sklearn.datasets import load_digits

from bakeoff import Limits, Task


def mine(data: Path) -> Task:
    """Even or odd: the digits that come with scikit-learn, 8x8 px with values from 0 to 16.

    data: the data folder, for what has to be read from there; these need none.
    """
    digits = load_digits()
    return Task.from_arrays(
        digits.images,
        ["odd" if digit % 2 else "even" for digit in digits.target],
        name="parity",
        white=16,
        epochs=20,
        limits=Limits(flip=False, max_rotation=15.0, max_shear=0.3),  # a mirrored 2 is no 2
    )
