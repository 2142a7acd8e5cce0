"""What others would search for a recipe with, as the peers of `search`.

Every peer has the same number of training runs and sees what our search sees: the accuracy of a configuration with a
seed on the split for choosing. It answers with the configuration it would take and the accuracy it would report for it.
Optuna and SMAC3 are the packages themselves, as their documentation says for noisy objectives with on/off parameters.
"""

import logging
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bakeoff.stats.outcomes import Bools, Floats, Ints

Train = Callable[[Bools, Ints], Floats]  # levels (n, k) and seeds (n,) -> accuracies (n,), percent
Aggregate = Callable[[Floats], float]


@dataclass(frozen=True, eq=False)
class Choice:
    """A configuration (k,) and what its method says that it reaches, in percent."""

    levels: Bools
    claim: float


Peer = Callable[[Train, int, Sequence[int], int], list[Choice]]  # train, k, runs at which it's asked, seed -> choices


def ladder(train: Train, order: Sequence[int], runs: int, aggregate: Aggregate) -> Choice:
    """Techniques added one after the other and kept where they help, equally many runs of each rung."""
    each = runs // (len(order) + 1)
    seeds = np.arange(each)

    def value(levels: Bools) -> float:
        return aggregate(train(np.tile(levels, (each, 1)), seeds))  # the post's practice: the same seeds everywhere

    best = np.zeros(len(order), bool)
    reached = value(best)
    for technique in order:
        tried = best.copy()
        tried[technique] = True
        if (found := value(tried)) > reached:
            best, reached = tried, found
    return Choice(best, reached)


def backward(train: Train, k: int, runs: int, each: int = 2) -> Choice:
    """From all on, the technique whose removal helps most is removed, while one does; `each` runs of everything."""
    left, seed = runs, 0

    def value(levels: Bools) -> float:
        nonlocal left, seed
        left, seed = left - each, seed + each
        return float(np.mean(train(np.tile(levels, (each, 1)), np.arange(seed - each, seed))))

    best = np.ones(k, bool)
    reached = value(best)
    while best.any():
        tried = []
        for technique in np.flatnonzero(best):
            if left < each:
                break
            levels = best.copy()
            levels[technique] = False
            tried.append((value(levels), levels))
        found = max(tried, key=lambda pair: pair[0], default=(reached, best))
        if found[0] <= reached:
            break
        reached, best = found
    return Choice(best, reached)


def optuna(train: Train, k: int, at: Sequence[int], seed: int, sampler: str) -> list[Choice]:
    """Optuna's best trial. sampler: "tpe" as it is by default, which is multivariate, "tpe-univariate", "random"."""
    import optuna as package

    package.logging.set_verbosity(package.logging.ERROR)
    samplers: dict[str, Callable[[], package.samplers.BaseSampler]] = {
        "tpe": lambda: package.samplers.TPESampler(seed=seed),
        "tpe-univariate": lambda: package.samplers.TPESampler(seed=seed, multivariate=False),
        "random": lambda: package.samplers.RandomSampler(seed=seed),
    }
    study = package.create_study(direction="maximize", sampler=samplers[sampler]())
    choices = []
    for run in range(max(at)):
        trial = study.ask()
        levels = np.array([trial.suggest_categorical(str(j), [False, True]) for j in range(k)])
        study.tell(trial, float(train(levels[None], np.array([run]))[0]))
        if run + 1 in at:
            best = study.best_trial
            assert best.value is not None
            choices.append(Choice(np.array([best.params[str(j)] for j in range(k)]), best.value))
    return choices


def smac(train: Train, k: int, at: Sequence[int], seed: int) -> list[Choice]:
    """SMAC3's incumbent with its mean: random forest, expected improvement, up to three seeds of a configuration."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its dependencies
        from ConfigSpace import Categorical, Configuration, ConfigurationSpace
        from smac import HyperparameterOptimizationFacade, Scenario

        logging.getLogger("smac").setLevel(logging.ERROR)
        choices = []
        for runs in at:
            space = ConfigurationSpace(seed=seed)
            space.add([Categorical(str(j), [False, True]) for j in range(k)])

            def cost(config: Configuration, seed: int = 0) -> float:
                levels = np.array([bool(config[str(j)]) for j in range(k)])
                return -float(train(levels[None], np.array([seed]))[0])

            with tempfile.TemporaryDirectory() as folder:
                scenario = Scenario(space, n_trials=runs, seed=seed, output_directory=Path(folder))
                facade = HyperparameterOptimizationFacade(scenario, cost, logging_level=False, overwrite=True)
                best = facade.optimize()
                assert isinstance(best, Configuration)  # there is one objective
                levels = np.array([bool(best[str(j)]) for j in range(k)])
                mean = facade.runhistory.average_cost(best)
                assert isinstance(mean, float)
                choices.append(Choice(levels, -mean))
    return choices
