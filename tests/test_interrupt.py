"""Signals, at moments that hurt: a line, status 130, and nothing lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bakeoff.cli import main
from bakeoff.engine import interrupt
from bench import chaos

ALL = pytest.mark.parametrize("number", interrupt.SIGNALS, ids=lambda number: number.name)
SLEEP = """
import sys, time
from bakeoff import api
from bakeoff.cli import main

def doctor(**where):
    {before}
    print("begun", flush=True)
    {body}

api.doctor = doctor
sys.argv = ["bakeoff", *sys.argv[1:]]
sys.exit(main())
"""


def interrupted(body: str, number: signal.Signals, before: str = "pass") -> tuple[int, str, float]:
    """Interrupt a command that does this instead of its work, once it did what comes before.

    Returns its status, what it told, and the seconds.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEP.format(body=body, before=before), "doctor"],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert "begun" in process.stdout.readline()
    process.send_signal(number)
    at = time.monotonic()
    _, told = process.communicate(timeout=60)
    return process.returncode, told, time.monotonic() - at


LINE = "bakeoff: interrupted, the state is kept; go on with: bakeoff doctor\n"


@pytest.mark.slow
@ALL
def test_a_signal_outside_the_loop_ends_in_one_line(number: signal.Signals) -> None:
    assert interrupted("time.sleep(60)", number)[:2] == (130, LINE)


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        "\n    try:\n        time.sleep(60)\n    except BaseException:\n        raise ImportError('numpy')",
        "\n    try:\n        time.sleep(60)\n    except KeyboardInterrupt:\n        time.sleep(60)",
        "\n    class A:\n        def __del__(self): time.sleep(5)\n    A()\n    time.sleep(60)",
        "\n    try:\n        exec('time.sleep(60)')\n    except KeyboardInterrupt:\n        raise",
    ],
    ids=["told as another error", "swallowed", "raised where nothing can be", "in a string"],
)
def test_whatever_becomes_of_it_on_the_way(body: str) -> None:
    assert interrupted(body, signal.SIGTERM)[:2] == (130, LINE)


@pytest.mark.slow
def test_a_command_that_hears_nothing_is_ended_after_its_grace(tmp_path: Path) -> None:
    """As in a step that takes minutes, or code that never gives in."""
    before = (
        "from bakeoff.cli.options import Grace; Grace.__metadata__[0].callback('0.5s')"
        "\n    while True:\n        try:\n            print('begun', flush=True)"
        "\n            time.sleep(60)\n        except KeyboardInterrupt:\n            pass"
    )
    status, told, took = interrupted("pass", signal.SIGTERM, before)
    assert (status, told) == (130, LINE)
    assert 0.4 < took < 30


@pytest.mark.slow
def test_what_is_ignored_stays_ignored() -> None:
    """As under nohup."""
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)" + SLEEP.format(
        body="time.sleep(1)", before="pass"
    )
    process = subprocess.Popen([sys.executable, "-c", code, "doctor"], text=True, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode != 130


def test_a_call_from_python_leaves_signals_as_they_were(capsys: pytest.CaptureFixture[str]) -> None:
    before = [signal.getsignal(number) for number in (*interrupt.SIGNALS, signal.SIGALRM)]
    assert main(["--version"]) == 0
    assert [signal.getsignal(number) for number in (*interrupt.SIGNALS, signal.SIGALRM)] == before
    assert signal.set_wakeup_fd(-1) == -1


@ALL
def test_a_loop_ends_its_step_first(number: signal.Signals) -> None:
    with interrupt.program(lambda: None), interrupt.interruptible() as asked:
        os.kill(os.getpid(), number)
        for _ in range(1000):
            if asked.is_set():
                break
        assert asked.is_set()
        with pytest.raises(KeyboardInterrupt):
            kill_and_wait(number)


def kill_and_wait(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(5)


@pytest.mark.slow
def test_results_on_a_full_device_end_in_a_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "bakeoff", "techniques", "list", "--json"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("bakeoff: no space left on device, in writing results to standard output")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_scene_of_kills_ends_with_the_same_bits() -> None:
    """bench.chaos, as long as one scene of its short commands takes."""
    for counts in chaos.campaign(chaos.SHORT, seed=1, mean=0.8):
        if counts["", "", chaos.SAME]:
            break
    assert sum(counts.values()) > 1
