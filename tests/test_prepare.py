"""Smaller copies of folders of images: the same splits, exact pixels, and no half of one under its name."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image, ImageOps

from bakeoff import tasks
from bakeoff.cli import main
from bakeoff.data import prepare as preparing
from bakeoff.data.dataset import Dataset, Files
from bakeoff.data.folders import read_folders
from bakeoff.data.prepare import Prepared
from bakeoff.errors import BakeoffError, RequestError
from bakeoff.events import CopyPlanned, Event, ImagesCopied, observing
from bakeoff.files import size, write_bytes
from tests.helpers import DATA, needs

OUTPUT = "small"  # beside the images
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path_factory.mktemp("cache")))


def noise(*shape: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Images of every kind: large, small, gray, turned, transparent, CMYK; with names that sort in odd ways."""
    root = tmp_path / "photos"
    for label in ("cat", "cat-like", "dog"):
        folder = root / label
        folder.mkdir(parents=True)
        noise(300, 200, 3).save(folder / "a.jpg")
        noise(150, 340, 3).save(folder / "a.b.jpg", quality=95)
        noise(120, 110, 3).save(folder / "A.PNG")
        noise(200, 260).save(folder / "a-gray.JPEG")
        noise(7, 5, 3).save(folder / "tiny.png")
        noise(200, 203, 4).save(folder / "clear.png")
        noise(200, 203, 4).convert("CMYK").save(folder / "print.jpg")
        exif = Image.Exif()
        exif[0x0112] = 6
        noise(130, 220, 3).save(folder / "turned.jpg", exif=exif)
    return root


def prepare(
    root: Path, output: Path | None = None, px: int = 100, format: str = "ppm", skip_bad: bool = False
) -> Prepared:
    """A copy at a known place, unless one is named."""
    return preparing.prepare(root, output or root.with_name(OUTPUT), px, format, skip_bad)


def load(root: Path, skip_bad: bool = False) -> Dataset:
    return tasks.get(f"folder:{root}", Path("/nowhere"), skip_bad).load(root)


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def copies(root: Path) -> dict[str, bytes]:
    return {name: content for name, content in contents(root).items() if name != preparing.FACTS}


def expected(path: Path, px: int) -> Image.Image:
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    scale = px / min(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS) if scale < 1 else image


# --- What is in the copy ----------------------------------------------------------------------------------------------


def test_pixels_are_those_of_pillow_s_filter_and_nothing_is_enlarged(photos: Path) -> None:
    made = prepare(photos)
    copy = Path(made.output)
    assert copy == photos.with_name(OUTPUT)
    assert made.images == 24
    for path in photos.glob("*/*"):
        with Image.open(copy / path.parent.name / f"{path.name}.ppm") as image:
            assert image.mode == ("L" if "gray" in path.name else "RGB")
            assert np.array_equal(np.asarray(image.convert("RGB")), np.asarray(expected(path, 100)))
    assert made.bytes_before == sum(map(len, contents(photos).values()))
    assert made.bytes_after == sum(map(len, copies(copy).values()))


@pytest.mark.parametrize("format", ["ppm", "jpeg"])
def test_classes_and_splits_stay_and_the_fingerprint_is_its_own(photos: Path, format: str) -> None:
    copy = Path(prepare(photos, format=format).output)
    before, after = load(photos), load(copy)
    assert before.classes == after.classes
    assert before.fingerprint != after.fingerprint
    for split, of in before.splits.items():
        found = after.splits[split]
        assert isinstance(found, Files)
        assert found.labels.tolist() == of.labels.tolist()
        assert found.channels == 3
        for old, new in zip(of.names, found.names, strict=True):
            assert new.startswith(old)


def test_a_jpeg_copy_keeps_the_names_of_jpegs_and_nearly_the_pixels(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        noise(8, 9, 3).resize((240, 300), Image.Resampling.BICUBIC).save(tmp_path / "photos" / label / "1.JPG")
        noise(8, 9, 3).resize((240, 300), Image.Resampling.BICUBIC).save(tmp_path / "photos" / label / "2.png")
    copy = Path(prepare(tmp_path / "photos", tmp_path / "copy", px=100, format="jpeg").output)
    assert sorted(copies(copy)) == ["a/1.JPG", "a/2.png.jpg", "b/1.JPG", "b/2.png.jpg"]
    for name in ("1.JPG", "2.png"):
        with Image.open(copy / "a" / (name if name == "1.JPG" else f"{name}.jpg")) as image:
            assert image.size == (100, 125)
            wrong = np.asarray(image).astype(float) - np.asarray(expected(tmp_path / "photos" / "a" / name, 100))
            assert np.abs(wrong).mean() < 1.5


def test_folders_that_are_split_stay_split(photos: Path) -> None:
    root = photos.with_name("split")
    shutil.copytree(photos, root / "train")
    shutil.copytree(photos, root / "valid")
    copy = Path(prepare(root).output)
    assert [sorted(part.names.tolist()) for part in read_folders(copy).parts.values()] == [
        sorted(f"{name}.ppm" for name in part.names) for part in read_folders(root).parts.values()
    ]
    assert tasks.image_folder("imagenet", copy) == copy


def test_names_whose_order_would_change_are_refused(photos: Path) -> None:
    noise(9, 9, 3).save(photos / "cat" / "x.jpg")
    noise(9, 9, 3).save(photos / "cat" / "x.jpg.png")  # its copy sorts before that of x.jpg
    with pytest.raises(RequestError, match=r"cat/x\.jpg and cat/x\.jpg\.png would change places"):
        prepare(photos)


@needs("imagenet-sample")
def test_photographs_lose_little(tmp_path: Path) -> None:
    for number, photograph in enumerate(sorted((DATA / "imagenet-sample").glob("*/*"))[:12]):
        folder = tmp_path / "photos" / ("cat" if number % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / photograph.name).symlink_to(photograph)
    copy = Path(prepare(tmp_path / "photos", px=256).output)
    for path in copy.glob("*/*"):
        with Image.open(path) as small, Image.open(tmp_path / "photos" / path.parent.name / path.stem) as large:
            assert min(small.size) == min(256, *large.size)
            view = [np.asarray(image.convert("RGB").resize((176, 176), Image.Resampling.BILINEAR)).astype(float)
                    for image in (small, large)]  # fmt: skip
            assert np.abs(view[0] - view[1]).mean() < 3  # gray levels


# --- Killed, begun, complete ------------------------------------------------------------------------------------------


def test_an_interrupted_copy_goes_on_with_what_is_missing(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, ImagesCopied) and event.done == 10:
            raise KeyboardInterrupt

    monkeypatch.setattr(preparing, "_TOGETHER", 4)
    with pytest.raises(KeyboardInterrupt), observing(interrupt):
        prepare(photos)
    draft, output = photos.with_name(f"{OUTPUT}.part"), photos.with_name(OUTPUT)
    begun = copies(draft)
    assert 10 <= len(begun) - 1 < 24  # and the lock
    assert not output.exists()
    with pytest.raises(RequestError, match="begun from other images or with other options"):
        prepare(photos, output, px=120)
    written = []

    def noted(path: Path, content: bytes, *, sync: bool) -> None:
        written.append(path)
        write_bytes(path, content, sync=sync)

    monkeypatch.setattr(preparing, "write_bytes", noted)
    made = prepare(photos)
    assert len(written) == 24 - (len(begun) - 1)
    assert not draft.exists()
    assert made.images == 24
    whole = prepare(photos, photos.with_name("whole"))
    assert copies(output) == copies(Path(whole.output))
    assert not [name for name in contents(output) if "/." in f"/{name}"]


@pytest.mark.slow
def test_a_killed_copy_holds_whole_files_only(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for label in ("a", "b"):
        (root / label).mkdir(parents=True)
        for number in range(150):
            Image.new("RGB", (500, 500), (number, 0, 255)).save(root / label / f"{number:03}.png")
    draft, output = tmp_path / "small.part", tmp_path / "small"
    command = [sys.executable, "-c", "import sys; from bakeoff.cli import main; sys.exit(main())", "data", "prepare",
               "--task", f"folder:{root}", "--px", "128", "--format", "ppm", "--output", str(output)]  # fmt: skip
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 60
    while len(list(draft.glob("*/*.ppm"))) < 20 and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = [path for path in draft.glob("*/*") if not path.name.startswith(".")]
    assert 20 <= len(done) < 300
    assert not output.exists()
    for path in done:
        assert np.asarray(Image.open(path)).shape == (128, 128, 3)
    assert prepare(root, px=128).images == len(copies(output)) == 300


def test_a_complete_copy_is_not_made_again(photos: Path) -> None:
    first = prepare(photos)
    seen: list[Event] = []
    with observing(seen.append):
        assert prepare(photos) == first
    assert seen == []


# --- Refused ----------------------------------------------------------------------------------------------------------


def test_other_things_at_the_place_are_left_alone(photos: Path) -> None:
    copy = Path(prepare(photos).output)
    before = contents(copy)
    for changed in ({"px": 120}, {"px": 100, "format": "jpeg"}):
        with pytest.raises(RequestError, match="is no copy of these images with these options"):
            prepare(photos, copy, **changed)
    noise(300, 300, 3).save(photos / "cat" / "a.jpg")
    with pytest.raises(RequestError, match="is no copy of these images"):
        prepare(photos, copy)
    assert contents(copy) == before


@pytest.mark.parametrize("broken", ["text", "link"])
def test_bad_files_are_named_or_left_out(photos: Path, broken: str) -> None:
    path = photos / "dog" / "b.jpg"
    path.write_text("no image") if broken == "text" else path.symlink_to("nowhere")
    reason = "it is not an image" if broken == "text" else "it does not exist"
    with pytest.raises(RequestError, match=rf"dog/b\.jpg: {reason}; .*--skip-bad"):
        prepare(photos)
    made = prepare(photos, skip_bad=True)
    assert (made.images, made.skipped) == (24, {"dog/b.jpg": reason})
    if broken == "text":
        before, after = load(photos, skip_bad=True), load(Path(made.output))
        for split, of in before.splits.items():
            assert after.splits[split].names == tuple(f"{name}.ppm" for name in of.names)


def test_a_copy_that_does_not_fit_is_not_begun(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, 2**30 + 10_000))
    with pytest.raises(RequestError, match=r"takes about .* kB more, and 1\.1 GB are free"):
        prepare(photos)
    assert [path.name for path in photos.parent.iterdir()] == ["photos"]


def test_a_disk_that_fills_up_stops_it_in_time(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = iter([2**40, 2**40, 2**29])
    monkeypatch.setattr(preparing, "_TOGETHER", 5)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, next(free)))
        with pytest.raises(BakeoffError, match="almost full, 5 of 24 images are done; make room"):
            prepare(photos)
    assert prepare(photos).images == 24


def test_two_at_once_are_refused(photos: Path) -> None:
    draft = photos.with_name(f"{OUTPUT}.part")
    draft.mkdir()
    with FileLock(draft / ".lock"), pytest.raises(RequestError, match="another process"):
        prepare(photos)


def test_what_makes_no_sense_is_refused(photos: Path) -> None:
    with pytest.raises(RequestError, match="8 px are the least"):
        prepare(photos, px=7)
    with pytest.raises(RequestError, match="inside its source"):
        prepare(photos, photos / "small")


def test_a_place_that_cant_be_written_is_one_line(photos: Path) -> None:
    (photos.parent / "file").write_text("")
    with pytest.raises(BakeoffError, match="can't write") as failure:
        prepare(photos, photos.parent / "file" / "copy", px=100)
    assert "\n" not in str(failure.value)


# --- The command ------------------------------------------------------------------------------------------------------


def test_the_command_says_what_it_will_save_what_was_made_and_how_to_use_it(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["data", "prepare", "--task", f"folder:{photos}", "--px", "100"]
    assert main([*arguments, "--json"]) == 0
    made = Prepared(**json.loads(capsys.readouterr().out))
    copy = Path(made.output)
    assert copy.name == "photos-100px"
    assert copy.is_relative_to(os.environ["BAKEOFF_CACHE"])
    assert [path.name for path in photos.parent.iterdir()] == ["photos"]
    shutil.rmtree(copy)
    monkeypatch.setenv("COLUMNS", "1000")
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert f"{copy}: 24 images" in out
    assert f"bakeoff train --task folder:{copy}" in out
    assert "a copy of 24 images, the shorter side at most 100 px, as " in err
    assert f"from {size(made.bytes_before)}; decoded" in err


# --- What is asked for ------------------------------------------------------------------------------------------------


def planned(root: Path, px: int, format: str | None = None) -> CopyPlanned:
    seen: list[Event] = []
    with observing(seen.append):
        preparing.prepare(root, px=px, format=format)
    [event] = [event for event in seen if isinstance(event, CopyPlanned)]
    return event


@pytest.mark.parametrize(("px", "format"), [(8, "ppm"), (40, "jpeg")])
def test_where_no_format_is_asked_for_the_copy_takes_no_more_room(tmp_path: Path, px: int, format: str) -> None:
    for label in ("a", "b"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        noise(4, 5, 3).resize((100, 120), Image.Resampling.BICUBIC).save(tmp_path / "photos" / label / "1.jpg")
    event = planned(tmp_path / "photos", px)
    assert (event.images, event.format) == (2, format)
    made = preparing.prepare(tmp_path / "photos", px=px)
    assert made.bytes_after == event.bytes_after < made.bytes_before == event.bytes_before


def test_a_copy_that_would_save_nothing_is_made_only_where_its_format_is_asked_for(photos: Path) -> None:
    with pytest.raises(RequestError, match=r"none of 24 images looked at has a shorter side over 300 px"):
        preparing.prepare(photos, px=300)
    with pytest.raises(RequestError, match=r"a copy at 199 px would take more room \(.* as ppm, .* as jpeg\) than"):
        preparing.prepare(photos, px=199)
    assert preparing.prepare(photos, px=300, format="ppm").images == 24


def test_a_jpeg_that_is_small_enough_is_taken_as_it_is(photos: Path) -> None:
    copy = Path(prepare(photos, px=200, format="jpeg").output)
    for name in ("a.jpg", "a.b.jpg", "a-gray.JPEG", "print.jpg"):
        assert (copy / "cat" / name).read_bytes() == (photos / "cat" / name).read_bytes()
    with Image.open(copy / "cat" / "turned.jpg") as image:  # but not one that is to be turned
        assert image.size == (130, 220)
        assert image.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "digits"], "isn't a folder of image files"),
        (["--task", "folder:"], "needs the path"),
        (["--task", "imagenet", "--data", os.devnull], "ImageNet is not in"),
        (["--task", "folder:/nowhere", "--format", "gif"], "unknown value of --format 'gif'"),
        (["--task", "folder:/nowhere"], "is no folder"),
    ],
)
def test_wrong_requests_are_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "prepare", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 bytes"), (999, "999 bytes"), (64_703_920, "64.7 MB"), (335e9, "335.0 GB")]
)
def test_sizes_are_for_people(count: float, told: str) -> None:
    assert size(count) == told
