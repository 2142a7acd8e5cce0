"""The canonical encoding of values: what 0.1 didn't have is absent where it stands at its default.

Digests, run ids and names of studies are hashes of this encoding, so a field may be added to any value, with a default
at which nothing changes: whatever is stored keeps its id, and reads as before. Nothing has to be said here for that.
The fields that 0.1 had are always written, as 0.1 wrote them; of a class that came later, `kind` and what isn't at its
default. For the same reason the default of a field that came later must never change: make another field.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

# Class -> the fields that it had in 0.1. Nothing is ever added here.
_FIELDS_OF_0_1: Mapping[str, str] = {
    "Model": "name classes channels px knobs sync_batchnorm",
    "Repeated": "copies",
    "PadCrop": "shift",
    "ResizedCrop": "area aspect",
    "HorizontalFlip": "p",
    "TrivialAugment": "max_rotation max_shear bins shift strength",
    "RandAugment": "max_rotation max_shear ops magnitude bins",
    "AutoAugment": "max_rotation max_shear policy",
    "RandomErasing": "p area aspect",
    "Mixup": "alpha",
    "Cutmix": "alpha",
    "EvalView": "resize_px crop_px",
    "Loss": "label_smoothing",
    "SGD": "lr_ratio momentum nesterov",
    "Adam": "lr_ratio betas eps decoupled",
    "RMSProp": "lr_ratio momentum alpha eps",
    "Schedule": "per_256 shape gamma warmup warmup_start",
    "DecayRule": "weight_decay norm bias",
    "Average": "half_life",
    "Precision": "dtype channels_last compile",
    "Plan": "model examples_seen batch_size sampler image_ops mixers train_px eval_view interpolation loss optimizer "
    "lr decay average precision",
    "technique lr_optimizations": "batch_ratio lr_ratio warmup warmup_start",
    "technique trivialaugment": "strength bins",
    "technique long_training": "ratio",
    "technique random_erasing": "p",
    "technique label_smoothing": "epsilon",
    "technique mixup": "alpha",
    "technique cutmix": "alpha",
    "technique weight_decay_tuning": "ratio norm",
    "technique fixres": "ratio",
    "technique ema": "half_life",
    "technique inference_resize": "ratio",
    "technique repeated_augmentation": "copies",
    "technique adam": "lr_ratio",
    "technique adamw": "lr_ratio",
    "technique rmsprop": "lr_ratio",
    "technique step_schedule": "gamma",
    "technique exponential_schedule": "gamma",
    "technique randaugment": "ops magnitude bins",
}
_ALWAYS = {name: frozenset(fields.split()) for name, fields in _FIELDS_OF_0_1.items()}


class Value(BaseModel):
    """An immutable value with checked fields, whose dump is its canonical encoding."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def encoded_as(cls) -> str:
        """The name under which the fields that 0.1 had are looked up."""
        return cls.__name__

    @model_serializer(mode="wrap")
    def _encode(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        always = _ALWAYS.get(self.encoded_as(), frozenset())
        data: dict[str, Any] = handler(self)
        for name, field in type(self).model_fields.items():
            if name != "kind" and name in data and name not in always and not field.is_required():
                value, default = getattr(self, name), field.get_default(call_default_factory=True)
                if type(value) is type(default) and value == default:
                    del data[name]
        return data
