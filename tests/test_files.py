"""Files are written in one piece: whole or not at all, and nothing is left behind."""

import json
import os
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from bakeoff.files import replacing, tidy, write_bytes, write_json, write_text


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"\0\xff")
    assert path.read_bytes() == b"\0\xff"
    write_text(path, "ä\n")
    assert path.read_bytes() == b"\xc3\xa4\n"
    write_json(path, {"a": [1, "ä"]})
    assert json.loads(path.read_bytes()) == {"a": [1, "ä"]}


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    with pytest.raises(ValueError, match="invalid literal"), replacing(path) as file:
        file.write(b"%d" % int("half"))
    assert json.loads(path.read_text()) == {"a": 1}
    assert os.listdir(tmp_path) == ["x.json"]


def test_several_files_at_once_are_all_written_or_none(tmp_path: Path) -> None:
    def write(*names: str) -> None:
        with ExitStack() as files:
            for name in names:
                files.enter_context(replacing(tmp_path / name)).write(name.encode())

    with pytest.raises(FileNotFoundError):
        write("a", "b", "missing/c")
    assert os.listdir(tmp_path) == []
    write("a", "b")
    assert [(tmp_path / name).read_text() for name in "ab"] == ["a", "b"]


def test_where_nothing_can_be_written_is_known_at_once(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "x"):
        with pytest.raises(OSError), replacing(path):  # noqa: PT011
            pytest.fail("the block has begun")


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "file")
    write_text(tmp_path / "link", "x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "file").read_text() == "x"


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_text(pipe, "x")
    reader.join()
    assert read == [b"x"]


def test_what_a_killed_process_left_is_hidden_and_can_be_removed(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from bakeoff.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as file: file.write(b'half'); os._exit(1)"
    )
    write_text(tmp_path / "whole.json", "1")
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "new.json")], check=False)
    assert len(os.listdir(tmp_path)) == 2
    assert [path.name for path in tmp_path.glob("*.json")] == ["whole.json"]
    tidy(tmp_path)
    assert os.listdir(tmp_path) == ["whole.json"]
