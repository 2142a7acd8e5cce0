"""The page where trained runs are asked: draw or drop an image, and see at once what each says. By Gradio."""

import base64
import binascii
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bakeoff.data.images import BadImage
from bakeoff.files import printable
from bakeoff.report import words

if TYPE_CHECKING:
    import gradio as gr

    from bakeoff.inference.classifier import Classifier
    from bakeoff.inference.demo import Answer, Demo

_SIDE = 280  # px of the paper
_SHOWN = 224  # px at which what the network sees is shown at least
_PNG = "data:image/png;base64,"
_PAPER = (
    f'<canvas width="{_SIDE}" height="{_SIDE}" aria-label="Draw here, with the mouse or a finger"></canvas>'
    "<div><button type=button>Clear</button></div>"
)
_PAPER_STYLE = """
canvas { width: 280px; max-width: 100%; background: white; border: 1px solid var(--border-color-primary);
  border-radius: 8px; touch-action: none; cursor: crosshair; display: block; }
button { margin-top: 8px; padding: 6px 18px; border-radius: 8px; background: var(--button-secondary-background-fill);
  color: var(--button-secondary-text-color); border: 1px solid var(--border-color-primary); cursor: pointer; }
"""
# A drawing is asked about while it grows, a few times a second, and when the pen is lifted; what was drawn before the
# page listens, once it does.
_DRAW = """
const canvas = element.querySelector("canvas"), pen = canvas.getContext("2d"), side = canvas.width;
let last = null, waiting = null, drawn = false;
const wipe = () => { pen.fillStyle = "white"; pen.fillRect(0, 0, side, side); };
const ask = () => { clearTimeout(waiting); waiting = null; trigger("input", {drawing: canvas.toDataURL()}); };
const at = (event) => {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) * side / box.width, (event.clientY - box.top) * side / box.height];
};
const draw = (to) => {
  pen.lineWidth = side / 12; pen.lineCap = pen.lineJoin = "round"; pen.strokeStyle = "black";
  pen.beginPath(); pen.moveTo(...(last || to)); pen.lineTo(...to); pen.stroke();
  last = to; drawn = true;
};
canvas.onpointerdown = (event) => { canvas.setPointerCapture(event.pointerId); last = null; draw(at(event)); };
canvas.onpointermove = (event) => { if (last) { draw(at(event)); waiting ??= setTimeout(ask, 300); } };
canvas.onpointerup = canvas.onpointercancel = () => { if (last) { last = null; ask(); } };
element.querySelector("button").onclick = () => { wipe(); ask(); };
canvas.addEventListener("listening", () => { if (drawn) ask(); });
wipe();
"""
_LISTENING = """() => { document.querySelector("canvas").dispatchEvent(new Event("listening")); }"""
FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
STYLE = """
.gradio-container { max-width: 1180px !important; margin: 0 auto !important; }
.seen img { width: 100%; max-width: 224px; image-rendering: pixelated; border-radius: 8px;
  border: 1px solid var(--border-color-primary); }
.seen p, #said p { margin: 6px 0; overflow-wrap: anywhere; }
#said p.bad { border-left: 4px solid #d33; padding-left: 10px; }
h1, h2, h3 { overflow-wrap: anywhere; }
footer { display: none !important; }
"""


def page(demo: "Demo", folder: Path, topk: int) -> "gr.Blocks":
    """The page. folder: an empty one for its examples, in which files are served. topk: classes to name.

    What people may see of names is escaped. Raises ImportError where Gradio isn't installed.
    """
    import gradio as gr

    def told(given: "Sequence[Answer] | None", sentence: str = "", bad: bool = False) -> list[Any]:
        """What the page shows: a sentence, and of each run its bars and what it saw."""
        shown: list[Any] = [f'<p role="status"{" class=bad" if bad else ""}>{html.escape(sentence)}</p>']
        for at, _ in enumerate(demo.runs):
            each = given[at] if given else None
            shown += [_bars(each), _seen(each)] if each else [None, ""]
        return shown

    def of_file(path: object, label: str = "") -> list[Any]:
        if not isinstance(path, str):
            return [None, *told(None, waiting)]
        try:
            return [path, *told(demo.of_file(Path(path), topk), label)]
        except BadImage as error:
            return [None, *told(None, f"That image can't be read: {error.reason}.", bad=True)]

    def of_example(number: int) -> list[Any]:
        path, name = found[number]
        return of_file(str(path), f"Its label is {printable(name)}.")

    def of_drawing(event: gr.EventData) -> list[Any]:
        try:
            given = demo.of_drawing(_drawing(event._data), topk)
        except BadImage as error:
            return told(None, f"That drawing can't be read: {error.reason}.", bad=True)
        return told(given, "" if given else waiting)

    waiting = f"{'Draw, or drop' if demo.draws else 'Drop'} an image, and see at once what it is taken for."
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_id": "asked"}
    found = demo.examples(folder)
    title = f"{words.dataset(demo.runs[0].record.task)}: what is it?"
    with gr.Blocks(analytics_enabled=False, title=printable(title)) as blocks:
        gr.HTML(f"<h1>{html.escape(printable(title))}</h1>")
        said = gr.HTML(told(None, waiting)[0], elem_id="said")
        with gr.Row():
            with gr.Column(min_width=300):
                if demo.draws:
                    with gr.Tabs():
                        with gr.Tab("Draw"):
                            paper = gr.HTML(html_template=_PAPER, css_template=_PAPER_STYLE, js_on_load=_DRAW)
                        with gr.Tab("Picture"):
                            picture, examples = _pictures(gr, [str(path) for path, _ in found], demo.why_not)
                else:
                    picture, examples = _pictures(gr, [str(path) for path, _ in found], demo.why_not)
            outputs: list[Any] = [said]
            for run in demo.runs:
                with gr.Column(min_width=260):
                    gr.HTML(_about(run))
                    outputs.append(gr.Label(num_top_classes=topk, show_label=False))
                    outputs.append(gr.HTML(elem_classes="seen"))
        if demo.draws:
            paper.input(of_drawing, None, outputs, trigger_mode="always_last", **quiet)
            blocks.load(None, js=_LISTENING, api_visibility="private")
        picture.upload(of_file, picture, [picture, *outputs], trigger_mode="always_last", **quiet)
        picture.clear(of_file, picture, [picture, *outputs], **quiet)
        if examples is not None:
            examples.click(of_example, examples, [picture, *outputs], **quiet)
    blocks.queue(max_size=32, default_concurrency_limit=1, api_open=False)
    made: gr.Blocks = blocks
    return made


def _pictures(gr: Any, examples: Sequence[str], why_not: str) -> tuple[Any, Any]:
    """Where images are dropped, and those that are there to be clicked."""
    dropped = gr.Image(
        sources=["upload", "clipboard"], type="filepath", image_mode=None, height=300, label="An image", buttons=[]
    )
    # As it was sent: it is decoded by what decodes for evaluation, and by nothing else. (Not in a subclass: of each,
    # Gradio writes a file beside the module.)
    dropped.preprocess = lambda payload: None if payload is None else payload.path
    if not examples:
        gr.HTML(f"<p>No examples: {html.escape(printable(why_not))}</p>")
        return dropped, None
    return dropped, gr.Dataset(
        components=[dropped], samples=[[path] for path in examples], type="index", samples_per_page=len(examples),
        label="Images that took no part in training",
    )  # fmt: skip


def _about(run: "Classifier") -> str:
    record = run.record
    techniques = ", ".join(name for item in record.recipe for name in item) or "no techniques"
    metrics = record.metrics.get("report", {})
    right = f", {metrics['acc1']:.2f} % of the split report right" if "acc1" in metrics else ""
    about = f"{run.plan.model.name} on {words.dataset(record.task)}, {techniques}, seed {record.seed}{right}"
    return f"<h3>Run {html.escape(record.run_id)}</h3><p>{html.escape(printable(about))}</p>"


def _bars(answer: "Answer") -> dict[str, float]:
    return {printable(name): share for name, share in answer.classes}


def _seen(answer: "Answer") -> str:
    image = answer.seen
    px = image.shape[0]
    times = max(1, -(-_SHOWN // px))
    source = _png(image.repeat(times, 0).repeat(times, 1))
    return f'<p>What the network sees, {px} px:</p><img alt="What the network sees" src="{source}">'


def _png(image: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(buffer, "PNG")
    return _PNG + base64.b64encode(buffer.getvalue()).decode()


def _drawing(sent: object) -> bytes:
    """The image of a drawing. Raises BadImage for what is none."""
    text = sent.get("drawing") if isinstance(sent, dict) else None
    try:
        if isinstance(text, str) and text.startswith(_PNG):
            return base64.b64decode(text.removeprefix(_PNG), validate=True)
    except binascii.Error:
        pass
    raise BadImage("drawing", "it is not an image")
