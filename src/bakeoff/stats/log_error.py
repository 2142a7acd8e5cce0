"""Accuracies on the scale of their error: what techniques do to an error multiplies, and so does its noise."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from bakeoff.stats.outcomes import Floats, Runs


@dataclass(frozen=True)
class LogError:
    """Accuracy by the logarithm of its error, in points at the error `reference`, in percent.

    What techniques do to an error multiplies, and so does the noise: where it is halved, so is its sd from run to run.
    """

    reference: float

    @classmethod
    def near_the_best(cls, accuracy: Floats) -> Self:
        """At the error of the better half of the runs, given their accuracies in percent."""
        return cls(max(100 - float(np.median(accuracy[accuracy >= np.median(accuracy)])), 0.1))

    def of(self, accuracy: Floats) -> Floats:
        """Percent to points; an accuracy of 100 counts as half the smallest error."""
        error = 100 - accuracy
        least = error[error > 0].min() / 2 if (error > 0).any() else self.reference
        return 100 - self.reference * (1 + np.log(np.maximum(error, least) / self.reference))

    def back(self, points: Floats) -> Floats:
        """Points to percent."""
        return np.asarray(100 - self.slope(points) * self.reference)

    def slope(self, points: Floats) -> Floats:
        """Percent per point."""
        return np.asarray(np.exp((100 - points) / self.reference - 1))

    def removed(self, gain: Floats | float) -> Floats:
        """The share of the errors that a gain in points on this scale removes; negative where it adds errors."""
        return np.asarray(-np.expm1(-np.asarray(gain) / self.reference))

    def runs(self, runs: Runs) -> Runs:
        """The same runs on this scale, without what single images say."""
        return Runs(runs.levels, self.of(runs.acc), runs.block, None, runs.lost)
