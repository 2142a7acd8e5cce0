"""The model card of a run, as Hugging Face reads it: what it is, of which data, how good, and where that ends."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import yaml

from bakeoff.errors import some
from bakeoff.inference.classifier import Classifier
from bakeoff.plan import leaves
from bakeoff.stats.proportions import interval

_DATA = ("folder:", "table:", "hf:")  # followed by a path, which is nobody else's business


def model_card(classifier: Classifier, license: str, loading: Sequence[str]) -> str:
    """README.md of a folder that holds the weights. license: an identifier as Hugging Face has them, or unknown."""
    record, plan = classifier.record, classifier.plan
    report: dict[str, Any] = record.metrics.get("report", {})
    name = record.task.partition(":")[0] if record.task.startswith(_DATA) else record.task
    head = {
        "license": license,
        "library_name": "timm" if plan.model.name.startswith("timm:") else "pytorch",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "bakeoff"],
        "model-index": [
            {
                "name": f"{plan.model.name.removeprefix('timm:')} {record.run_id}",
                "results": [
                    {
                        "task": {"type": "image-classification"},
                        "dataset": {"type": name, "name": name, "split": "report"},
                        "metrics": [{"type": "accuracy", "value": report["acc1"] / 100}] if report else [],
                    }
                ],
            }
        ],
    }
    recipe = [
        f"- {technique}" + "".join(f", {path} {value}" for path, value in leaves(knobs) if knobs)
        for item in record.recipe
        for technique, knobs in item.items()
    ]
    view = plan.eval_view
    rows = []
    for metric, value in report.items():
        if metric.startswith("acc"):
            low, high = (100 * end for end in interval(value / 100 * report["n"], report["n"]))
            rows.append(f"| Acc@{metric[3:]} | {value:.2f} % | {low:.2f} to {high:.2f} % |")
        elif metric != "n":
            text = f"{value:.2f} %" if metric == "balanced_accuracy" else f"{value:.4f}"
            rows.append(f"| {metric.replace('_', ' ')} | {text} | |")
    parts = [
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---",
        f"# {plan.model.name.removeprefix('timm:')} on {name}",
        f"Trained from scratch by bakeoff {version('bakeoff')} to tell {len(record.classes):,} classes apart: "
        f"{some(record.classes)}. Nothing but these images was learned from.",
        "## Use",
        "```\n" + "\n".join(loading) + "\n```",
        f"Images are {'gray' if plan.model.channels == 1 else 'RGB'}, their shorter side is resized to "
        f"{view.resize_px} px ({plan.interpolation}, antialiased), the central {view.crop_px} px are shown, in [0, 1] "
        f"less the mean {tuple(round(x, 4) for x in record.mean)} over the deviation "
        f"{tuple(round(x, 4) for x in record.std)}.",
        "## Recipe",
        "\n".join(recipe) or "The baseline: no technique beside it.",
        f"{plan.examples_seen:,} images shown, {plan.batch_size} at a time, peak learning rate {plan.peak_lr:.4g}, "
        f"seed {record.seed}; the {'moving average of the' if plan.average else 'last'} weights. Plan "
        f"{record.plan_digest}, run {record.run_id}.",
        "## Data",
        f"Fingerprint {record.data_fingerprint} (of images, labels and splits).",
        "## How good it is",
        f"On {report.get('n', 0):,} images that took no part in training (split `report`); the interval is of 95 %, "
        "for other images of the same kind, not for another training.\n\n"
        "| metric | value | 95 % interval |\n|---|---:|---:|\n" + "\n".join(rows),
        "## Limits",
        "It names one of its classes whatever it is shown: a photograph of something else gets one too, maybe with a "
        "high probability. How good it is on images from elsewhere (other cameras, other people, other years) wasn't "
        "measured, nor was whether it treats groups of people alike. Nothing is promised against images that are made "
        "to deceive.",
        "## Licence",
        f"`{license}`: that of the weights is for whoever trained them to say; that of the data wasn't looked at."
        if license == "unknown"
        else f"`{license}`.",
    ]
    return "\n\n".join(parts) + "\n"
