"""Any command: its words, what its result depends on, and how it is run once."""

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from bakeoff.commands import process
from bakeoff.commands.command import Command, Metric, filled, typed
from bakeoff.commands.depends import Invocation
from bakeoff.commands.result import NoResult
from bakeoff.commands.run import CommandFailed, CommandRefused, environment, program, run_command
from bakeoff.engine import interrupt
from bakeoff.errors import DataChanged, RequestError
from bakeoff.runs.lease import Leases
from bakeoff.runs.record import RunRecord
from bakeoff.runs.store import Store
from bakeoff.study.check import check

KEY = Metric(key="acc", unit="points")


def command(text: str, **more: Any) -> Command:
    return Command(**{"command": text, "folder": "/", "metric": KEY, **more})


# words


def test_texts_are_words_and_nothing_more() -> None:
    made = command("train.py --seed {seed} {mixup} --lr={lr} '{{x}}'")
    texts = {"mixup": '--mixup "a b" ; rm -rf $HOME | cat', "lr": "0.1; ls"}
    assert made.expand(texts) == (
        "train.py", "--seed", "{seed}", "--mixup", "a b", ";", "rm", "-rf", "$HOME", "|", "cat",
        "--lr=0.1; ls", "{{x}}",
    )  # fmt: skip
    assert made.expand({"mixup": "", "lr": ""}) == ("train.py", "--seed", "{seed}", "--lr=", "{{x}}")
    assert made.expand({"mixup": ("it's", "a {seed}"), "lr": ("1",)})[3:5] == ("it's", "a {seed}")
    assert [filled(word, 7, "/o") for word in made.expand({"mixup": "", "lr": "{out}"})][-2:] == ["--lr=/o", "{x}"]


@pytest.mark.parametrize(
    ("text", "texts", "told"),
    [
        ("a {mixup}", {}, "unknown place to fill in '{mixup}'"),
        ("a {mixupp}", {"mixup": "x"}, "did you mean {mixup}?"),
        ("a", {"mixup": "x"}, "factor 'mixup' has no place in the command: put {mixup} where its text belongs"),
        ("a {m}", {"m": 'x "'}, "factor 'm', 'x \"': no closing quotation"),
        ("a 'b {seed}", {}, 'the command "a \'b {seed}": no closing quotation'),
        ("a {seed}", {"seed": "1"}, "a factor can't be called seed"),
        ("a --x={m}", {"m": ("1", "2")}, "stands inside a word"),
        ("a {m}", {"m": "{n}"}, "unknown place to fill in '{n}'"),
        ("{m}", {"m": ""}, "the command is empty"),
    ],
)
def test_what_cannot_be_filled_in_is_said(text: str, texts: dict[str, str], told: str) -> None:
    with pytest.raises(RequestError) as raised:
        command(text).expand(texts)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_shell_gets_texts_as_its_parameters(tmp_path: Path) -> None:
    text = "echo {a} ${{HOME}} x{b} | tr a-z A-Z > {out}/said && printf '%s %s' $# {seed}"
    made = command(text, shell=True)
    words = [
        filled(word, 5, str(tmp_path)) for word in made.expand({"a": "'one  two' `id`", "b": "$(touch /tmp/no); y"})
    ]
    done = process.run(
        words, folder="/", env={**os.environ, "BAKEOFF_OUT": str(tmp_path)}, out="/", seconds=9, disk=None, line=print
    )
    assert done.log == b"5 5"
    assert (tmp_path / "said").read_text() == f"ONE  TWO `ID` {os.environ['HOME'].upper()} X$(TOUCH /TMP/NO); Y\n"
    with pytest.raises(RequestError, match="within quotes of the shell's command"):
        command("echo '{a}'", shell=True).expand({"a": "x"})
    shown = typed(made.expand({"a": "'b c'", "b": ""}))
    assert shown.startswith("echo 'b c' ${HOME} x'' | tr")
    assert shown.endswith("{out}/said && printf '%s %s' $# {seed}")


def test_evaluation_factors_are_filled_into_the_metric() -> None:
    metric = Metric(file="{out}/m.json", key="acc{ema}")
    made = command("a", metric=metric, evaluate={"ema": ("", "_ema")}, examples="{out}/hits{ema}.npy")
    assert [(each.name, each.metric.key, each.examples) for each in made.readings] == [
        ("ema_off", "acc", "{out}/hits.npy"),
        ("ema_on", "acc_ema", "{out}/hits_ema.npy"),
    ]
    assert {each.metric.called for each in made.readings} == {"acc"}
    with pytest.raises(ValueError, match="'tta' has no place"):
        command("a", evaluate={"tta": ("", "x")})
    with pytest.raises(ValueError, match="unknown place to fill in '{foo}'"):
        command("a", metric=Metric(file="{foo}/m.json"))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"stdout": "acc=("}, "is no regular expression"),
        ({"stdout": "acc=x"}, "needs one group"),
        ({"stdout": "(x)", "file": "y"}, "leave one of the two out"),
        ({}, "it needs a file"),
    ],
)
def test_a_metric_is_somewhere(given: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Metric(**given)


# what a result depends on

SCRIPT = """
import json, os, sys
seed = int(os.environ["BAKEOFF_SEED"])
print("a line")
print(json.dumps({"acc": 90 + seed % 7, "seed": seed}))
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "train.py").write_text(SCRIPT)
    return folder


def python(here: Path, words: str = "train.py", **more: Any) -> Invocation:
    made = Command(**{"command": f"{sys.executable} {words}", "folder": str(here), "metric": KEY, **more})
    return Invocation.of(made)


def test_files_that_are_named_needed_and_imported_count(here: Path) -> None:
    (here / "data").mkdir()
    (here / "data" / "a.csv").write_text("1")
    (here / "net").mkdir()
    for name, text in {"__init__": "from .deep import x", "deep": "from ..model import z", "loose": ""}.items():
        (here / "net" / f"{name}.py").write_text(text)
    (here / "model.py").write_text("import os, numpy")
    (here / "train.py").write_text("import net\nimport os")
    (here / "c.yaml").write_text("a: 1")
    (here / "uv.lock").write_text("x")
    before = python(here, "train.py --config=c.yaml {seed}", depends=("data",))
    assert set(before.files) == {"train.py", "c.yaml", "data", "uv.lock", "net/__init__.py", "net/deep.py", "model.py"}
    for name in ("train.py", "c.yaml", "data/a.csv", "uv.lock", "net/deep.py", "model.py"):
        old = (here / name).read_text()
        (here / name).write_text(old + "\n#")
        with pytest.raises(DataChanged, match=f"{name.partition('/a')[0]} was changed"):
            before.check()
        assert python(here, "train.py --config=c.yaml {seed}", depends=("data",)).run_id(0) != before.run_id(0)
        (here / name).write_text(old)
        before.check()
    (here / "net" / "loose.py").write_text("other")
    before.check()
    assert python(here, "-m net").files.keys() >= {"net/__init__.py"}


def test_what_changes_no_result_changes_no_identity(here: Path, tmp_path: Path) -> None:
    first = python(here)
    assert python(here, time=5.0, disk=10.0).run_id(3) == first.run_id(3) != first.run_id(4)
    assert python(here, env={"A": "b"}).run_id(3) != first.run_id(3)
    assert python(here, metric=Metric(key="seed")).run_id(3) != first.run_id(3)
    here.rename(tmp_path / "elsewhere")
    assert python(tmp_path / "elsewhere").run_id(3) == first.run_id(3)


def test_what_is_not_there_is_said(here: Path) -> None:
    with pytest.raises(RequestError, match="depends: .*/gone can't be read: no such file or directory"):
        python(here, depends=("gone",))
    with pytest.raises(RequestError, match="lock: .*/my.lock can't be read"):
        python(here, lock=("my.lock",))
    with pytest.raises(RequestError, match="there is no program 'pythn' to run"):
        program(["pythn"], "/", os.environ)
    with pytest.raises(RequestError, match="no program './train.sh'"):
        program(["./train.sh"], str(here), os.environ)
    program([sys.executable], "/", os.environ)


# running it


def made_by(here: Path, store: Store, text: str, seed: int = 0, **more: Any) -> Any:
    (here / "train.py").write_text(text)
    return run_command(python(here, **more), seed, store)


def test_a_command_is_run_once(here: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    invocation = python(here)
    first = run_command(invocation, 3, store, task="mine", recipe=[{"lr": "0.1"}], threads=2)
    assert (first.status, first.metrics["report"], first.recipe) == ("done", {"acc": 93}, [{"lr": "0.1"}])
    assert store.log(first.run_id) == b'a line\n{"acc": 93, "seed": 3}\n'
    again = run_command(invocation, 3, store)
    assert again == first
    assert again.task == "mine"
    assert check(store).faults == ()
    assert store.ids() == [first.run_id]
    with pytest.raises(RequestError, match="is of a command"):
        store.plan(first)


def test_it_is_told_what_it_needs(here: Path, tmp_path: Path) -> None:
    text = (
        "import json, os; print(json.dumps({'acc': 1}));"
        "print(json.dumps(dict(os.environ, out=os.listdir(os.environ['BAKEOFF_OUT']))))"
    )
    store = Store(tmp_path / "store")
    (here / "train.py").write_text(text)
    record = run_command(python(here, env={"MINE": "x y"}), 3, store, threads=3, device="cuda:1")
    said = json.loads((store.log(record.run_id) or b"").splitlines()[-1])
    assert {
        "BAKEOFF_SEED": "3",
        "OMP_NUM_THREADS": "3",
        "CUDA_VISIBLE_DEVICES": "1",
        "MINE": "x y",
    }.items() <= said.items()
    assert said["out"] == []
    assert not Path(said["BAKEOFF_OUT"]).exists()
    assert "BAKEOFF_GUARD" not in said


def test_several_workers_have_a_gpu_each(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-x")
    made = python(here)
    shown = {
        device: environment(made, 0, "/o", 1, device)["CUDA_VISIBLE_DEVICES"] for device in ("auto", "cpu", "cuda:1")
    }
    assert shown == {"auto": "3,GPU-x", "cpu": "", "cuda:1": "GPU-x"}
    for slot, gpu in (("0", "3"), ("1", "GPU-x"), ("2", "3")):
        monkeypatch.setenv("BAKEOFF_SLOT", slot)
        assert environment(made, 0, "/o", 1, "auto")["CUDA_VISIBLE_DEVICES"] == gpu


def test_metrics_come_from_files_expressions_and_lines(here: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    text = (
        "import json, os; o = os.environ['BAKEOFF_OUT'];"
        "json.dump({'a': {'acc': [0.5, 0.75]}}, open(o + '/m.json', 'w'));"
        "open(o + '/l.jsonl', 'w').write('{\"acc\": 1}\\n{\"acc\": 2}\\n'); open(o + '/n.txt', 'w').write('4.5\\n');"
        "print('acc=1.5 acc=2.5'); print('{\"acc\": 3}'); print('{\"other\": 3}')"
    )
    found: dict[str, list[float]] = {}
    for metric in (
        Metric(file="{out}/m.json", key="a.acc.1", unit="fraction"), Metric(file="{out}/l.jsonl", key="acc"),
        Metric(file="{out}/n.txt"), Metric(stdout=r"acc=([\d.]+)"), Metric(key="acc"),
    ):  # fmt: skip
        record = made_by(here, store, text, metric=metric)
        found[metric.called] = [*found.get(metric.called, []), record.metrics["report"][metric.called]]
    assert found == {"1": [75.0], "acc": [2.0, 3.0], "metric": [4.5, 2.5]}


def test_examples_are_kept_with_the_metric(here: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    save = "import numpy as np, os; np.save(os.environ['BAKEOFF_OUT'] + '/c.npy', {}); print('{{\"acc\": {}}}')"
    record = made_by(here, store, save.format("[1, 0, 1]", "66.67"), examples="{out}/c.npy")
    assert store.hits(record.run_id, record.views[0].name).tolist() == [True, False, True]
    assert record.metrics["report"] == {"acc": 66.67, "n": 3}
    for array, acc, told in (
        ("[1, 0, 1]", "80", "its metric says 80 and its examples 66.6667 percent right"),
        ("[1, 2]", "50", "other values than 0 and 1"),
        ("[[1]]", "100", "should be one row of 0 and 1"),
        ("np.array([{}], object)", "100", "are no array in a .npy file"),
    ):
        with pytest.raises(NoResult, match=told):
            made_by(here, store, save.format(array, acc), examples="{out}/c.npy")


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("print('hello')", NoResult, "it ended with status 0 and left no metric: nothing on the key 'acc' of the last"),
        ('print(\'{"acc": "much"}\')', NoResult, "is no number: 'much'"),
        ("print('{\"acc\": true}')", NoResult, "is no number"),
        (
            "raise SystemExit('no such data\\x1b[2J')",
            CommandFailed,
            "it ended with status 1: no such data\\x1b[2J (log: ",
        ),
        ("import sys; sys.exit(2)", CommandRefused, "status 2, a wrong request"),
        ("import os; os.kill(os.getpid(), 9)", CommandFailed, "killed by signal 9, as it is for lack of memory"),
        ("import time; time.sleep(60)", CommandRefused, "ended after 1 s, its time limit"),
    ],
)
def test_every_bad_end_is_one_line(here: Path, tmp_path: Path, text: str, kind: type[Exception], told: str) -> None:
    store = Store(tmp_path / "store")
    with pytest.raises(kind) as raised:
        made_by(here, store, text, time=1.0)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)
    (run,) = store.ids()
    record = store.get(run)
    assert (record.status, record.reason) == ("crashed", str(raised.value))
    assert store.log(run) is not None


def test_a_program_that_cannot_be_started_is_said(here: Path, tmp_path: Path) -> None:
    (here / "t.sh").write_text("#!/nonexistent/sh\n")
    (here / "t.sh").chmod(0o755)
    made = Invocation.of(Command(command="./t.sh", folder=str(here), metric=KEY))
    with pytest.raises(CommandRefused, match="'./t.sh' can't be started: no such file or directory"):
        run_command(made, 0, Store(tmp_path / "store"))


def test_nan_is_a_result_and_said(here: Path, tmp_path: Path) -> None:
    record = made_by(here, Store(tmp_path / "store"), "print('{\"acc\": NaN}')")
    assert (record.status, record.reason, record.metrics) == ("diverged", "acc is nan", {})


LINGERS = """
import os, subprocess, sys, time
quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) if "quiet" in sys.argv else {}
one = subprocess.Popen(["sleep", "300"], **quiet)
two = subprocess.Popen(["sleep", "300"], start_new_session=True, **quiet)
open(os.environ["PIDS"], "w").write(f"{one.pid} {two.pid}")
print('{"acc": 1}', flush=True)
if "wait" in sys.argv:
    time.sleep(300)
"""


def gone(file: Path) -> bool:
    pids = [int(pid) for pid in file.read_text().split()]
    return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids)


@pytest.mark.parametrize("how", ["", "quiet", "quiet wait"])
def test_what_lingers_is_ended(here: Path, tmp_path: Path, how: str) -> None:
    (here / "train.py").write_text(LINGERS)
    pids, began = tmp_path / "pids", time.monotonic()
    made = python(here, f"train.py {how}", env={"PIDS": str(pids)}, time=2.0)
    if "wait" in how:
        with pytest.raises(CommandRefused, match="its time limit"):
            run_command(made, 0, Store(tmp_path / "store"))
    else:
        assert run_command(made, 0, Store(tmp_path / "store")).status == "done"
    assert gone(pids)
    assert time.monotonic() - began < 15


def test_an_interrupt_ends_it_and_it_begins_anew(here: Path, tmp_path: Path) -> None:
    (here / "train.py").write_text(LINGERS)
    pids, store = tmp_path / "pids", Store(tmp_path / "store")
    made = python(here, "train.py quiet wait", env={"PIDS": str(pids)})

    def ask() -> None:
        while not (pids.exists() and pids.read_text()):
            time.sleep(0.05)
        interrupt.ask()

    threading.Thread(target=ask).start()
    with pytest.raises(KeyboardInterrupt):
        run_command(made, 0, store)
    assert gone(pids)
    assert store.get(made.run_id(0)).status == "interrupted"
    assert Leases(store.storage).failure(made.run_id(0)) == ""


def test_logs_and_folders_are_bounded(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "store")
    chatty = "print('first')\nfor _ in range(3000): print('x' * 1000)\nprint('y' * 10**6)\nprint('{\"acc\": 1}')"
    record = made_by(here, store, chatty)
    log = store.log(record.run_id) or b""
    assert len(log) < 2.1 * process.LOG
    assert log.startswith(b"first\n")
    assert log.endswith(b'{"acc": 1}\n')
    assert b"bytes left out" in log
    monkeypatch.setattr(process, "_MEASURE", 0.1)
    fills = "import os, time; open(os.environ['BAKEOFF_OUT'] + '/x', 'wb').write(b'0' * 10**6); time.sleep(60)"
    with pytest.raises(CommandRefused, match="it wrote more than 500 kB, its limit"):
        made_by(here, store, fills, disk=5e5)
    monkeypatch.setattr(process, "_FREE", 2**62)
    with pytest.raises(CommandFailed, match="the disk of its folder for results is full"):
        made_by(here, store, fills)


def test_a_script_that_is_changed_while_it_runs_is_no_result(here: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    text = SCRIPT + "open('train.py', 'a').write('#')"
    (here / "train.py").write_text(text)
    made = python(here)
    with pytest.raises(DataChanged, match="train.py was changed since its runs were planned"):
        run_command(made, 0, store)


def test_two_that_want_the_same_run_make_one(here: Path, tmp_path: Path) -> None:
    (here / "train.py").write_text(
        f"import time; open({str(tmp_path / 'count')!r}, 'a').write('x'); time.sleep(1)\n{SCRIPT}"
    )
    made, found = python(here), list[RunRecord]()

    def do() -> None:
        found.append(run_command(made, 0, Store(tmp_path / "store")))

    both = [threading.Thread(target=do) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert [record.status for record in found] == ["done", "done"]
    assert (tmp_path / "count").read_text() == "x"


def test_records_are_typed_values_that_survive_json() -> None:
    made = command("a {x}", evaluate={}, env={"A": "1"}, examples="{out}/x.npy", depends=("d",))
    assert Command.model_validate_json(made.model_dump_json()) == made
    assert np.isfinite(made.time)
