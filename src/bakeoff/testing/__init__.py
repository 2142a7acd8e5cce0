"""Contract tests for parts from outside: what every technique, model and task promises, checked in seconds.

    from bakeoff.testing import check_technique
    check_technique("./gridmask.py:GridMask")

Plain functions, for pytest or without it: a promise that is broken raises AssertionError and says which. Ours are
tested with the same functions.
"""

from bakeoff.testing.model import check_model
from bakeoff.testing.parts import check_image_op, check_loss_term, check_mixer
from bakeoff.testing.task import check_task
from bakeoff.testing.technique import check_card, check_order, check_plans, check_technique, check_training

__all__ = [
    "check_card",
    "check_image_op",
    "check_loss_term",
    "check_mixer",
    "check_model",
    "check_order",
    "check_plans",
    "check_task",
    "check_technique",
    "check_training",
]
