"""Fill the README's opening from the kept study: `make readme`. `tests/test_docs.py` sees that it is up to date."""

import re
from pathlib import Path

from bakeoff.report import words
from bakeoff.report.chart import effects_chart
from bakeoff.report.render import markdown
from bakeoff.report.render.markdown import escape
from bakeoff.report.render.svg import svg
from bakeoff.report.rows import rows
from bakeoff.report.sections.summary import headline
from bakeoff.runs.store import Store
from bakeoff.study.analyse import Results, analyse
from bakeoff.study.gather import gather
from bakeoff.study.spec import StudySpec

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PICTURE = ROOT / "docs" / "img" / "effects.svg"
STUDY = ROOT / "studies" / "digits"
BLOCK = re.compile(r"(<!-- study: [^>]*-->\n).*(<!-- end of study -->)", re.DOTALL)


def results() -> Results:
    """The study that the README shows."""
    store = Store(STUDY)
    return analyse(gather(store, StudySpec.load(store, "")))


def block(found: Results) -> str:
    """The answer in a sentence, the table and the picture, as Markdown."""
    table = rows(found)
    digits = words.digits(found.main)
    lines = [
        "| technique | errors | 95 % interval | points | the post's | what to do |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for row in table:
        errors = interval = gain = "-"
        if row.effect is not None and row.measured and row.effect.errors:
            errors = words.errors(row.effect.errors.removed) + escape("*" * row.flagged)
            interval = words.errors_span(row.effect.errors)
            gain = words.signed(row.effect.gain_pp, digits)
        post = words.signed(row.post.acc1) if row.post else "-"
        advice = row.advice
        if row.decision and row.decision.action != "either" and not row.established:
            advice += f", {words.sureness(row.decision.p_sign)} sure"
        lines.append(f"| {escape(row.title)} | {errors} | {interval} | {gain} | {post} | {escape(advice)} |")
    told = " ".join(markdown.words(text) for text in headline(found, table))
    made = f"From `{found.spec.command}`: {len(found.runs)} runs."
    return "\n\n".join([told, "\n".join(lines), made, f"![gains with intervals, beside the post's]({_place()})"])


def _place() -> str:
    return PICTURE.relative_to(ROOT).as_posix()


def filled(text: str, found: Results) -> str:
    """The README with its opening made anew."""
    return BLOCK.sub(lambda match: f"{match[1]}\n{block(found)}\n\n{match[2]}", text)


def picture(found: Results) -> str:
    """The chart as SVG."""
    return svg(effects_chart(found))


if __name__ == "__main__":
    study = results()
    README.write_text(filled(README.read_text("utf-8"), study), "utf-8")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(picture(study), "utf-8")
