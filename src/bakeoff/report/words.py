"""Numbers and advice in words, the same in every format."""

import math
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from bakeoff.files import printable
from bakeoff.plan import EvalView
from bakeoff.stats.decision import Decision
from bakeoff.stats.noise import Noise
from bakeoff.stats.table import Effect, ErrorChange
from bakeoff.technique import Claim
from bakeoff.techniques.published import blog_rows

POST = "https://pytorch.org/blog/how-to-train-state-of-the-art-models-using-torchvision-latest-primitives/"
UNKNOWN = "not known"
PERCENT = "\u00a0%"  # on one line with its number
MINUS, DASH = "\u2212", "\u2013"  # as wide as a plus; where there is nothing to say
SYMBOLS = {"helps": "▲", "hurts": "▼", "no_effect": "=", "undecided": "?", "none": DASH}
ADVICE = {"keep": "keep", "leave_out": "leave out", "either": "doesn't matter"}
DESIGNS = {
    "factorial": "a factorial: every technique is on in half of the runs and off in the other half",
    "leave-one-out": "leave-one-out: the whole recipe, and the recipe without each technique in turn",
    "add-one": "add-one: the baseline, and the baseline with each technique in turn",
    "ladder": "a ladder: the techniques added one after the other, in one order",
    "proof": "a proof: fresh runs of the recipe that was found, of the baseline, and of the recipe with each technique "
    "switched over",
}
ESTIMANDS = {
    "factorial": "the gain averaged over the other techniques",
    "leave-one-out": "what the whole recipe loses without it",
    "add-one": "what the baseline gains with it alone",
    "ladder": "what it adds to the techniques above it",
    "proof": "what the recipe loses without it, or would gain with it",
}
# Points a technique that advice after 54 runs was expected to lose, lost, and lost inside the recipe, where the truth
# was known: advice for averages, and for inside the recipe (docs/decisions.md, which a test holds these to).
TRIED = {"averaged": (".025", ".022", ".085"), "inside": (".103", ".083", ".083")}
_SOURCES = {
    "paper text": "verified in the paper",
    "abstract": "verified in the paper's abstract",
    "author repo": "verified in the authors' repository",
    "third party": "verified where those who measured it report it",
    "restated in another paper": "secondary source: another paper, which restates it",
    "restated by Google repo": "secondary source: a repository that restates it",
}


def signed(value: float, digits: int = 2) -> str:
    """A gain with its sign: +0.34, -0.20 (with a true minus), 0.00."""
    if not math.isfinite(value):
        return UNKNOWN
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)


def change(value: float, digits: int = 2) -> tuple[str, str]:
    """A gain or a loss in words: ("gain", "+0.34 points"), ("lose", "0.20 points")."""
    if value >= 0:
        return "gain", f"{signed(value, digits)} points"
    return "lose", f"{number(-value, digits)} points"


def span(low: float, high: float, digits: int = 2) -> str:
    """An interval."""
    return f"{signed(low, digits)} to {signed(high, digits)}" if math.isfinite(low + high) else "no interval"


def number(value: float, digits: int = 2, unit: str = "") -> str:
    """A quantity."""
    return f"{value:,.{digits}f}{unit}" if math.isfinite(value) else UNKNOWN


def percent(share: float) -> str:
    """A share, in whole percents."""
    return f"{100 * share:.0f}{PERCENT}"


def digits(effects: Iterable[Effect]) -> int:
    """Decimals that a table of gains deserves: hundredths of a point, or tenths where the intervals are wide."""
    halves = sorted((e.high - e.low) / 2 for e in effects if math.isfinite(e.high - e.low))
    return 1 if halves and halves[len(halves) // 2] >= 1 else 2


def listed(names: Sequence[str]) -> str:
    """A, B and C."""
    return " and ".join(", ".join(names).rsplit(", ", 1)) if names else ""


MANY_RUNS = 10_000  # more than anyone makes: the exact number says nothing


def counted(count: int, noun: str) -> str:
    """1 run, 24 runs."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def duration(seconds: float) -> str:
    """Seconds in words: 0.8 s, 12 s, 3 min 5 s, 2 h 10 min."""
    if not math.isfinite(seconds):
        return UNKNOWN
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def rate(value: float) -> str:
    """A learning rate: two digits, more than anybody knows of one."""
    return f"{value:.2g}"


def budget(amount: float, unit: str) -> str:
    """What a derivation may spend, or spends: runs, or seconds in words."""
    return f"{amount:.0f} runs" if unit == "runs" else duration(amount)


def dataset(task: str) -> str:
    """A task's data by name: of "folder:/home/ada/photos" it is "photos", since the path is nobody else's business."""
    kind, _, path = task.partition(":")
    if kind not in ("folder", "table", "hf"):
        return task
    return PurePath(path if kind == "folder" else path.partition("?")[0]).name or task


def size(view: EvalView) -> str:
    """How images are shown at evaluation, in words."""
    side = f"{view.crop_px} px" if view.resize_px == view.crop_px else f"{view.crop_px} of {view.resize_px} px"
    return side if view.times == 1 else f"{side}, {view.times} times"


def worth(length: float | None) -> str:
    """What a gain is worth, in training time: "worth 14 % more epochs"."""
    if length is None or f"{100 * (length - 1):.0f}" in ("0", "-0"):
        return ""
    if length < 1:
        return f"costs what {100 * (1 - length):.0f}{PERCENT} fewer epochs would"
    return f"worth {100 * (length - 1):.0f}{PERCENT} more epochs"


def cost(ratio: float | None) -> str:
    """Extra training time."""
    if ratio is None or not math.isfinite(ratio):
        return UNKNOWN
    return f"{signed(100 * (ratio - 1), 0)}{PERCENT}"


def title(technique: str) -> str:
    """A technique's name as the post prints it, else as its card does."""
    from bakeoff import techniques  # whose modules take a moment to load

    step = next((row.step for row in blog_rows() if row.technique == technique), None)
    return step.removeprefix("+ ") if step else printable(techniques.title(technique))


def provenance(claim: Claim) -> str:
    """Whether a claim was read, and at its source or at second hand."""
    if not claim.verified:
        return "unverified"
    return _SOURCES.get(claim.source_kind, "secondary source: notes by others")


def noise(found: Noise) -> str:
    """What makes the intervals as wide as they are, and what would shrink them."""
    runs = f"Twice as many runs would make the intervals {percent(found.width_with_runs(2))} as wide"
    if found.shrinks_most is None:
        return f"{runs}."
    both = f"{runs}, twice as many evaluation images {percent(found.width_with_images(2))}."
    if found.shrinks_most == "evaluation images":
        return f"{both} Add evaluation images first: they do almost as much, and cost no training."
    return f"{both} Add runs: more images would do less."


def errors(share: float, unit: str = PERCENT) -> str:
    """What removing a share of the errors does to them: -12 %."""
    return f"{signed(-100 * share, 0)}{unit}"


def errors_span(change: ErrorChange) -> str:
    """The interval of that, from the one end that removes most."""
    if not math.isfinite(change.low + change.high):
        return "no interval"
    return f"{errors(change.high, '')} to {errors(change.low)}"


def sureness(probability: float) -> str:
    """A probability that isn't certainty."""
    return f"over 99{PERCENT}" if probability > 0.99 else percent(probability)


def points(loss: float) -> str:
    """A loss so small that its digits don't matter, or with two of them."""
    return "under 0.01" if loss < 0.01 else f"{loss:.2f}"


def sure(decision: Decision) -> str:
    """How sure advice is, and what following it is expected to lose."""
    if decision.established:
        return "beyond doubt"
    if decision.action == "either":
        return f"expected loss {points(decision.loss_pp)} points or less, either way"
    return f"{sureness(decision.p_sign)} sure; expected loss {points(decision.loss_pp)} points"


def tried(question: str) -> str:
    """How advice did where the truth was known."""
    expected, lost, inside = TRIED[question]
    more = f"; inside the recipe of all nine, which is another question, it lost {inside}" if inside != lost else ""
    return (
        f"Where all 512 recipes of nine techniques had been trained, such advice after 54 runs lost {lost} points a "
        f"technique, where {expected} were expected{more}. "
    )


def settled(decision: Decision) -> str:
    """What would put it beyond doubt."""
    if decision.runs_to_establish is None:
        return ""
    if decision.runs_to_establish > MANY_RUNS:
        return f"beyond doubt after over {MANY_RUNS:,} runs"
    return f"beyond doubt after about {decision.runs_to_establish:,} runs in all"
