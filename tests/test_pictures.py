"""Pictures: one for every technique, nothing cut off, and what they show is what the code does."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from numpy.typing import NDArray
from PIL import Image

from bakeoff import plan as slots
from bakeoff import techniques
from bakeoff.cli import main
from bakeoff.errors import RequestError
from bakeoff.tasks.imagenet import IMAGENET
from bakeoff.teach import pictures
from bakeoff.teach.pictures.subject import checked, digits, photographs, plans, subject
from bakeoff.teach.pictures.training import rates
from bakeoff.technique import Technique
from bakeoff.techniques.step_schedule import StepSchedule

pytestmark = pytest.mark.slow  # together

EVERY = pytest.mark.parametrize("name", techniques.NAMES)


@cache
def drawn(name: str) -> Figure:
    return pictures.figure(name)


def titled(figure: Figure, words: str) -> Axes:
    (found,) = (axes for axes in figure.axes if words in axes.get_title(loc="left"))
    return found


def heights(axes: Axes) -> list[list[float]]:
    """Of the bars, for each set of them."""
    sets = [item for item in axes.containers if isinstance(item, BarContainer)]
    return [[bar.get_height() for bar in bars] for bars in sets]


def x_of(line: Line2D) -> NDArray[np.float64]:
    return np.asarray(line.get_xdata(), float)


def y_of(line: Line2D) -> NDArray[np.float64]:
    return np.asarray(line.get_ydata(), float)


def shown(axes: Axes) -> list[NDArray[np.uint8]]:
    """The images on them."""
    return [np.asarray(image.get_array()) for image in axes.images]


def different(axes: Axes) -> int:
    return len({image.tobytes() for image in shown(axes)})


@EVERY
def test_every_technique_has_a_picture_with_nothing_cut_off(name: str) -> None:
    figure = drawn(name)
    assert len(figure.get_suptitle()) > len(techniques.get(name).card.title)
    nothing_is_cut_off(figure)


def nothing_is_cut_off(figure: Figure) -> None:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    page = np.asarray(canvas.buffer_rgba())[:, :, :3]
    paper = page[0, 0]
    for edge in (page[:2], page[-2:], page[:, :2], page[:, -2:]):
        assert (edge == paper).all()
    assert (page != paper).any(2).mean() > 0.03
    letters = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
    assert min(float(text.get_fontsize()) for text in letters) >= 8


def test_a_schedule_is_the_plan_s() -> None:
    top = drawn("lr_optimizations").axes[0]
    (baseline, technique) = top.get_lines()
    assert max(y_of(technique)) == pytest.approx(0.5, abs=1e-3)  # 0.125 x 1024 / 256
    assert y_of(technique)[-1] == pytest.approx(0, abs=1e-6)
    assert sorted(set(np.round(y_of(baseline), 6))) == [0.001, 0.01, 0.1]


def test_long_training_is_as_long_as_it_says() -> None:
    short, long = drawn("long_training").axes[0].get_lines()
    assert x_of(short)[-1] == pytest.approx(90, abs=0.1)
    assert x_of(long)[-1] == pytest.approx(600, abs=0.5)


def test_the_smoothed_target_is_the_loss_s() -> None:
    plain, smooth = heights(titled(drawn("label_smoothing"), "target"))
    assert plain == pytest.approx([0, 0, 0, 1, 0, 0, 0, 0, 0, 0])
    assert smooth == pytest.approx([0.01] * 3 + [0.91] + [0.01] * 6)


def test_the_average_halves_at_its_half_life() -> None:
    (bars,) = heights(titled(drawn("ema"), "each moment"))
    assert sum(bars) == pytest.approx(100, abs=0.01)
    share_per_bar = 100 / len(bars)
    assert bars[-2] / bars[-1] == pytest.approx(0.5 ** (share_per_bar / 2.7), rel=0.06)


def test_decay_spares_what_the_rule_spares() -> None:
    top, bottom = drawn("weight_decay_tuning").axes
    widths = [[bar.get_width() for bar in bars] for bars in top.containers if isinstance(bars, BarContainer)]
    assert widths == [pytest.approx([1e-4] * 3), pytest.approx([2e-5, 2e-5, 0])]
    names = [label.get_text() for label in top.get_yticklabels()]
    assert names[1:] == ["1,000 biases", "53,120 scales and\nshifts of normalisation"]
    left = {str(line.get_label()): y_of(line)[-1] for line in bottom.get_lines()}
    assert left["normalisation, with tuning"] == 1
    assert left["both, baseline"] == pytest.approx(np.exp(-0.1 * 10 * 1e-4 * 5004), rel=0.01)  # lr / (1 - momentum)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixed_targets_are_shares_of_the_pixels(name: str) -> None:
    figure = drawn(name)
    targets = [sets[0] for axes in figure.axes if len(sets := heights(axes)) == 1 and len(sets[0]) == 2]
    assert targets[:2] == [[1, 0], [0, 1]]
    assert len(targets) == 7
    images = [shown(axes)[0].astype(float) for axes in figure.axes if axes.images]
    first, second = images[:2]
    for mixed, (share, rest) in zip(images[2:], targets[2:], strict=True):
        assert share + rest == pytest.approx(1)
        if name == "mixup":
            assert np.abs(mixed - (share * first + rest * second)).max() <= 1
        else:
            kept = (mixed == first).all(2).mean()
            assert kept == pytest.approx(share, abs=0.03)  # some pixels of the two images are equal


def test_a_batch_of_copies_holds_each_image_four_times() -> None:
    left, right = drawn("repeated_augmentation").axes
    for axes, images in ((left, 16), (right, 4)):
        names = [text.get_text() for text in axes.texts]
        assert len(names) == 16
        assert len(set(names)) == images
    assert different(right) > 4


def test_operations_are_the_code_s_at_their_strengths() -> None:
    strip = shown(titled(drawn("trivialaugment"), "translate x"))
    image = subject(techniques.get("trivialaugment"), None, 0).thumbs[1].permute(1, 2, 0).numpy()
    moved = int(32 / 224 * image.shape[1])
    for place, shift in ((3, moved), (0, -moved)):
        assert np.array_equal(strip[place], np.roll(image, shift, 1) * _inside(image.shape[1], shift))
    assert different(titled(drawn("trivialaugment"), "as they are drawn")) > 8


def _inside(width: int, shift: int) -> NDArray[np.uint8]:
    place = np.arange(width) - shift
    return ((place >= 0) & (place < width)).astype(np.uint8)[None, :, None]


def test_erasing_erases_as_often_and_as_much_as_it_says() -> None:
    (share,) = (
        axes.get_title(loc="left") for axes in drawn("random_erasing").axes if "average" in axes.get_title(loc="left")
    )
    assert 15 <= int(share.split()[1]) <= 19  # of U(0.02, 0.33), less what doesn't fit


def test_sizes_in_training_and_evaluation() -> None:
    labels = [str(patch.get_label()) for patch in drawn("fixres").axes[-1].patches]
    average = {label.split(":")[0]: float(label.split()[-3]) for label in labels if "average" in label}
    assert average["training, baseline"] / average["training, smaller"] == pytest.approx(224 / 176, abs=0.02)
    told = [text.get_text() for axes in drawn("inference_resize").axes for text in axes.texts]
    assert any(f"{(224 / 256) ** 2:.0%}"[:-1] in text for text in told)


@pytest.mark.parametrize("name", ["nesterov", "adam", "adamw", "rmsprop"])
def test_optimizers_arrive(name: str) -> None:
    baseline, technique = drawn(name).axes[0].get_lines()[:2]
    for line in (baseline, technique):
        assert abs(x_of(line)[-1]) < 0.05 * abs(x_of(line)[0])
        assert abs(y_of(line)[-1]) < 0.05 * abs(y_of(line)[0])
    assert not np.allclose(y_of(baseline), y_of(technique), atol=1e-3)


def test_few_images_make_noisy_statistics() -> None:
    dots = [y_of(line) for line in drawn("sync_batchnorm").axes[0].get_lines() if len(y_of(line)) == 8]
    spreads = [np.std(each) for each in dots]
    assert len(spreads) == 6
    assert spreads[-1] < 0.5 * spreads[0]


@EVERY
def test_every_technique_has_a_picture_without_one_of_its_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a technique from anywhere gets: the baseline beside it, in what it changes."""
    monkeypatch.delitem(pictures.DRAWN, name, raising=False)
    figure = pictures.figure(techniques.get(name))
    nothing_is_cut_off(figure)
    assert figure.get_suptitle().replace("\n", " ").endswith("without and with it")
    base, plan = plans(IMAGENET, techniques.get(name))
    changed = set(slots.diff(base, plan))
    told = [axes.get_title(loc="left") for axes in figure.axes]
    assert any(title.startswith("training, ") for title in told) == bool(
        changed & {"sampler", "image_ops", "mixers", "train_px", "interpolation"}
    )
    assert any(title.startswith("evaluation, ") for title in told) == bool(changed & {"eval_view", "interpolation"})
    other_rate = not np.allclose(rates(base)[1], rates(plan)[1])  # at the same shares of training
    assert ("learning rate" in told) == (other_rate or techniques.get(name).slots == ("lr",))
    without_runs = {"sampler", "image_ops", "mixers", "train_px", "interpolation", "eval_view", "lr"}
    assert any(title.startswith("training loss") for title in told) == bool(changed - without_runs)
    for axes in figure.axes:
        if axes.get_title(loc="left") == "learning rate":
            baseline, technique = axes.get_lines()
            assert np.array_equal(y_of(baseline), y_of(technique)) != other_rate


def test_the_picture_of_an_operation_marks_what_it_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(pictures.DRAWN, "random_erasing")
    figure = pictures.figure("random_erasing")
    without, with_ = (shown(axes) for axes in figure.axes[:2])
    apart = [not np.array_equal(a, b) for a, b in zip(without, with_, strict=True)]
    assert len(figure.axes[1].patches) == sum(apart) > 0
    assert figure.axes[1].get_title(loc="left") == f"training, Random erasing: {sum(apart)} of 12 images differ"


def test_two_runs_of_a_technique_that_changes_nothing_are_one() -> None:
    class Same(Technique):
        name = "same"
        slots = ("precision",)
        card = StepSchedule.card

        def edit(self, base, task):
            return {"precision": base.precision}

    (axes,) = pictures.figure(Same).axes
    baseline, technique = axes.get_lines()
    assert np.array_equal(y_of(baseline), y_of(technique))
    assert y_of(baseline)[-1] < 0.1 * y_of(baseline)[0]  # it learned


def test_a_run_that_explodes_is_said_to() -> None:
    class Hot(Technique):
        name = "hot"
        slots = ("optimizer",)
        card = StepSchedule.card

        def edit(self, base, task):
            return {"optimizer": slots.SGD(lr_ratio=1e6)}

    labels = [text.get_text() for text in pictures.figure(Hot).findobj(Text) if isinstance(text, Text)]
    assert "Step schedule: the loss exploded" in labels


def test_images_of_one_s_own() -> None:
    photos = photographs()
    for given in (photos, photos.numpy(), photos.permute(0, 2, 3, 1).numpy()):
        assert torch.equal(checked(given), photos)
    assert checked(digits(3)[:, 0]).shape == (3, 1, 8, 8)
    figure = pictures.figure("mixup", images=digits(2), seed=1)
    assert [axes.get_title(loc="left") for axes in figure.axes[:3:2]] == ["first", "second"]
    assert np.array_equal(shown(figure.axes[0])[0][:, :, 0], digits(1)[0, 0])


@pytest.mark.parametrize(
    "images",
    [
        digits(1), digits(3).float(), digits(3)[0], digits(3)[:, :, :4], torch.zeros(2, 5, 9, 9, dtype=torch.uint8),
        "photo.png", [np.zeros((9, 9), np.uint8), np.zeros((8, 8), np.uint8)],
    ],
)  # fmt: skip
def test_images_that_are_none_are_refused(images) -> None:
    with pytest.raises(RequestError, match="images to draw should be"):
        pictures.figure("mixup", images=images)


def test_a_seed_draws_the_same_and_another_another() -> None:
    def sampled(seed: int) -> list[bytes]:
        figure = pictures.figure("randaugment", images=digits(4), seed=seed)
        return [image.tobytes() for image in shown(titled(figure, "as they are drawn"))]

    assert sampled(1) == sampled(1) != sampled(2)


def test_torch_s_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    for name in ("ema", "nesterov", "weight_decay_tuning", "sync_batchnorm"):
        pictures.figure(name)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_command_draws(suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"[a].{suffix}"
    assert main(["techniques", "show", "long_training", "--plot", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["picture"] == str(path)
    first = path.read_bytes()
    assert first.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix])
    pictures.write("long_training", path)
    assert path.read_bytes() == first


def test_the_picture_is_named_like_the_technique(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["techniques", "show", "step_schedule", "--plot"]) == 0
    assert capsys.readouterr().out.endswith("picture: step_schedule.png\n")
    with Image.open("step_schedule.png") as picture:
        assert picture.width == 900


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ema", "a.gif", "--plot"], "a picture ends in .png, .svg, .pdf, not 'a.gif'"),
        (["ema", "a.png"], "takes --plot"),
        (["emma", "--plot"], "did you mean ema"),
        (["ema", "--plot", "nowhere/a.png"], "can't write nowhere/a.png"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["techniques", "show", *arguments]) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
