"""Doors: what comes from a file or a notebook takes part like what is built in, and never by itself."""

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
from torch import nn

from bakeoff import api, models, recipes, registry, tasks, techniques
from bakeoff.cli import main
from bakeoff.errors import RequestError
from bakeoff.plan import Model, Plan
from bakeoff.recipe import Conflict, Recipe, compile_plan
from bakeoff.recipes.request import Job
from bakeoff.registry import Extension, extensions
from bakeoff.report import render as report
from bakeoff.report.rows import rows
from bakeoff.runs.runner import check_sources
from bakeoff.runs.store import Store
from bakeoff.study.analyse import analyse
from bakeoff.study.gather import gather
from bakeoff.study.spec import StudySpec
from bakeoff.tasks.digits import DIGITS
from bakeoff.teach.narrative import narrative
from bakeoff.techniques import published
from bakeoff.techniques.cutmix import Cutmix
from bakeoff.techniques.ema import Ema
from bakeoff.techniques.label_smoothing import LabelSmoothing
from bakeoff.testing import check_model, check_technique
from tests.doors import EXAMPLES, QUICK
from tests.doors import forget as forget
from tests.studies import write_study

GRIDMASK, POLY = f"{EXAMPLES}/gridmask.py:GridMask", f"{EXAMPLES}/poly_loss.py:PolyLoss"
NET = f"{EXAMPLES}/net.py:build"


def planned(*request: Any, **more: Any) -> Job:
    """A job; objects for names."""
    return api.plan_job(*request, **more)


@pytest.mark.parametrize("spec", [GRIDMASK, POLY])
def test_the_example_techniques_keep_the_contract(spec: str) -> None:
    check_technique(spec)


def test_the_example_network_keeps_the_contract() -> None:
    check_model(NET, width=8)


def test_a_technique_and_a_network_from_files_train_on_digits(tmp_path: Path) -> None:
    record = api.train(
        "digits", with_=[GRIDMASK, POLY, "label_smoothing"], settings=["gridmask.p=0.25"], model=NET, store=tmp_path,
        **QUICK,
    )  # fmt: skip
    assert record.status == "done"
    plan = Store(tmp_path).plan(record)
    assert plan.model.name == "net:build"
    assert set(plan.sources) == {"gridmask", "poly_loss", "model.net:build"}
    assert plan.loss.label_smoothing == 0.1
    assert [part.kind for part in plan.parts] == ["pad_crop", "grid_mask", "poly1"]
    assert api.evaluate(record.run_id, store=tmp_path, device="cpu", ema=True).n == 799
    assert record.recipe == [{"gridmask": {"p": 0.25}}, {"poly_loss": {}}, {"label_smoothing": {"epsilon": 0.1}}]


def test_two_own_one_slot_by_its_parts_and_the_whole_is_both() -> None:
    class Whole(Cutmix):
        name: ClassVar = "whole_loss"
        slots: ClassVar = ("loss",)

        def edit(self, base: Plan, task: Any) -> dict[str, Any]:
            return {"loss": base.loss.model_copy(update={"label_smoothing": 0.3})}

    parts = [techniques.make(spec) for spec in (POLY, "label_smoothing")]
    compiled = compile_plan(DIGITS, Recipe("parts", tuple(parts)))
    assert compiled.set_by == {"loss.terms": ("poly_loss",), "loss.label_smoothing": ("label_smoothing",)}
    for part in parts:
        with pytest.raises(Conflict, match="both set loss; leave one out"):
            compile_plan(DIGITS, Recipe("both", (part, Whole())))


@pytest.mark.slow
def test_an_edited_file_is_another_technique_and_other_arms_keep_their_ids(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text((EXAMPLES / "gridmask.py").read_text())
    arms: list[list[str]] = [[], ["mixup"], [f"{file}:GridMask"]]

    def train() -> list[str]:
        return [api.train("digits", with_=arm, store=tmp_path / "store", **QUICK).run_id for arm in arms]

    before = train()
    assert train() == before
    file.write_text(file.read_text().replace("masked_fill(holes[:, None], 0.0)", "masked_fill(holes[:, None], 1.0)"))
    after = train()
    assert after[:2] == before[:2]
    assert after[2] != before[2]
    assert len(Store(tmp_path / "store").ids()) == 4


def test_a_technique_that_only_reads_the_weights_gives_no_other_run(tmp_path: Path) -> None:
    class Slower(Ema):
        name: ClassVar = "slower_average"

    assert planned("digits", with_=[Slower]).plan.sources == {}
    assert set(api.plan_job("digits", with_=[GRIDMASK], settings=["gridmask.p=0"]).plan.sources) == set()


@pytest.mark.slow
def test_a_plan_is_read_without_the_file_and_keeps_its_digest_and_is_not_trained(tmp_path: Path) -> None:
    record = api.train("digits", with_=[GRIDMASK, POLY], store=tmp_path, **QUICK)
    code = """
import json, sys
from pathlib import Path
from bakeoff import api, cli
from bakeoff.errors import RequestError
from bakeoff.plan import Plan
from bakeoff.runs.runner import run_plan
from bakeoff.runs.store import Store
from bakeoff.runs.workspace import Workspace
record = Store(Path(sys.argv[1])).read(sys.argv[2])
plan = Store(Path(sys.argv[1])).plan(record)
assert plan.digest == record.plan_digest, (plan, record.plan)
assert Plan.model_validate_json(plan.model_dump_json()) == plan
assert cli.main(["runs", "show", sys.argv[2], "--store", sys.argv[1]]) == 0
print(api.evaluate(record.run_id, store=sys.argv[1], device="cpu").acc["acc1"])
try:
    digits = api.load_data("digits")
    run_plan("digits", plan, [], 1, digits, Workspace.open(store=sys.argv[1], device="cpu"))
except RequestError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), record.run_id], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *_, acc, error = done.stdout.splitlines()
    assert float(acc) == record.metrics["report"]["acc1"]
    assert error.startswith("unknown image operation 'grid_mask'; there are: pad_crop, ")
    assert error.endswith("from outside (here from gridmask, poly_loss) has to be named, as in --with ./mine.py:NAME")


@pytest.mark.slow
def test_another_process_loads_what_was_named_here(tmp_path: Path) -> None:
    plan = api.plan_job("digits", with_=[GRIDMASK], model=NET).plan
    named = [extension.as_json() for extension in extensions()]
    assert [(e["group"], e["name"]) for e in named] == [("technique", "gridmask"), ("model", "net:build")]
    code = """
import json, sys
from bakeoff import models, registry
from bakeoff.plan import Plan
from bakeoff.runs.runner import check_sources
asked = json.load(sys.stdin)
for each in asked["named"]:
    registry.load(registry.Extension.from_json(each))
plan = Plan.model_validate(asked["plan"])
check_sources(plan)
models.build(plan.model)
print(plan.digest, type(plan.op("grid_mask")).__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps({"named": named, "plan": plan.model_dump(mode="json")}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == [plan.digest, "GridMaskOp"], done.stderr


def test_a_file_that_was_edited_on_the_way_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text((EXAMPLES / "gridmask.py").read_text())
    plan = api.plan_job("digits", with_=[f"{file}:GridMask"]).plan
    (extension,) = extensions()
    file.write_text(file.read_text() + "\n# another\n")
    with pytest.raises(RequestError, match="was changed while work with it was going on"):
        registry.load(extension)
    techniques.get(f"{file}:GridMask")
    with pytest.raises(RequestError, match="'gridmask' .* was changed since the plan was made"):
        check_sources(plan)


class Here(Cutmix):
    """Of this module."""

    name: ClassVar = "here"


def build_here(spec: Model) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(spec.channels * spec.px**2, spec.classes))


def test_objects_stand_for_themselves_and_travel_when_they_can_be_imported() -> None:
    class Local(LabelSmoothing):
        name: ClassVar = "local"

    job = planned("digits", with_=[Here(alpha=0.5), Local], model=models.name_of(build_here))
    assert job.recipe.techniques == (Here(alpha=0.5), Local())
    net, here, local = extensions()  # the network was named first
    assert (here.module, here.attribute, here.portable) == ("tests.test_registry", "Here", True)
    assert not local.portable
    assert net.name == job.plan.model.name == "test_registry:build_here"
    assert set(job.plan.sources) == {"here", "local", "model.test_registry:build_here"}
    registry.load(here)
    with pytest.raises(RequestError, match="lives in one process only"):
        registry.load(local)
    assert Extension.from_json(json.loads(json.dumps(here.as_json()))) == here


def test_a_notebooks_class_follows_its_code() -> None:
    def define(value: str) -> type[Cutmix]:
        module: dict[str, Any] = {"__name__": "__main__", "Cutmix": Cutmix}
        exec(f"class Mine(Cutmix):\n    name = 'mine'\n    def edit(self, base, task):\n        return {value}", module)
        mine: type[Cutmix] = module["Mine"]
        return mine

    digests = [registry.source_of(define(value)) for value in ("{}", "{'batch_size': 3}", "{'batch_size': 4}", "{}")]
    assert digests[0] == digests[3]
    assert len(set(digests)) == 3


def test_a_module_from_a_file_can_be_pickled_and_is_loaded_once() -> None:
    technique = techniques.get(GRIDMASK)
    assert techniques.get(GRIDMASK) is technique
    rare = techniques.make(technique, p=0.1)
    assert pickle.loads(pickle.dumps(rare)) == rare


def test_tasks_and_recipes_come_from_files_too(tmp_path: Path) -> None:
    (tmp_path / "data.py").write_text(
        "from dataclasses import replace\nfrom bakeoff.tasks.digits import DIGITS\n"
        "def mine(data):\n    return replace(DIGITS, name='mine')\n"
    )
    (tmp_path / "tricks.py").write_text(
        "from bakeoff import techniques\nfrom bakeoff.recipe import Recipe\n"
        "two = Recipe('two', (techniques.make('mixup'), techniques.make('ema')))\n"
    )
    record = api.train(
        f"{tmp_path}/data.py:mine", f"{tmp_path}/tricks.py:two", without=["ema"], store=tmp_path / "s", **QUICK
    )
    assert (record.task, record.recipe) == ("mine", [{"mixup": {"alpha": 0.2}}])
    assert tasks.get("mine", Path()).name == "mine"
    assert api.evaluate(record.run_id, store=tmp_path / "s", device="cpu").n == 799


def test_a_recipe_file_may_use_what_was_named_and_names_no_file_itself(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("{name: mine, techniques: [{gridmask: {p: 0.8}}, mixup]}")
    with pytest.raises(RequestError, match="unknown technique 'gridmask'"):
        recipes.get(str(path))
    recipe, _ = recipes.build(str(path), [GRIDMASK], [], ["gridmask.keep=0.25"])
    assert [t.name for t in recipe.techniques] == ["gridmask", "mixup"]
    assert dict(recipe.techniques[0]) == {"p": 0.8, "keep": 0.25}
    path.write_text(f"{{name: mine, techniques: ['{GRIDMASK}']}}")
    with pytest.raises(RequestError, match="is a file, which only you can name"):
        recipes.get(str(path))


@pytest.mark.parametrize(
    ("text", "attribute", "message"),
    [
        (None, "Mine", "file '{file}': no such file or directory"),
        ("x = 1\ny = 1 / 0\n", "Mine", "file '{file}' can't be loaded: ZeroDivisionError: division by zero (line 2)"),
        ("x = (\n", "Mine", "file '{file}' can't be loaded: SyntaxError: '(' was never closed (line 1)"),
        ("import sys\nsys.exit(3)\n", "Mine", "file '{file}' can't be loaded: SystemExit: 3 (line 2)"),
        ("from bakeoff.techniques.mixup import Mixup as M\nclass Mine(M):\n    name = 'mine'\n", "Mime",
         "unknown technique in {file} 'Mime'; did you mean Mine?"),
        ("Mine = 3\n", "Mine", "{file}:Mine can't be a technique: it should be a subclass of"),
        ("from bakeoff.techniques.mixup import Mixup as M\nclass Mine(M):\n    pass\n", "Mine",
         "technique 'mixup' of mine.py:Mine is named like a built-in one; choose another name"),
        ("from bakeoff.techniques.mixup import Mixup as M\nclass Mine(M):\n    name = 'loss'\n", "Mine",
         "a technique can't be named 'loss'"),
        ("from typing import Literal\nfrom bakeoff.parts import ImageOp\n"
         "class Mine(ImageOp):\n    kind: Literal['pad_crop'] = 'pad_crop'\n", "Mine",
         "file '{file}': image operation 'pad_crop' is one of bakeoff's own; choose another kind"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_one_line(text: str | None, attribute: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(RequestError) as caught:
        techniques.get(f"{file}:{attribute}")
    assert str(caught.value).startswith(message.format(file=file))
    assert "\n" not in str(caught.value)


def test_two_files_with_one_name_are_not_mixed_up(tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text((EXAMPLES / "gridmask.py").read_text())
    with pytest.raises(RequestError, match="two techniques are named 'gridmask'"):
        recipes.build("baseline", [GRIDMASK, f"{other}:GridMask"], [], [])


def test_a_file_that_is_edited_back_is_what_it_was(tmp_path: Path) -> None:
    file, text = tmp_path / "mine.py", (EXAMPLES / "gridmask.py").read_text()
    plans = []
    for source in (text, text + "\n# another\n", text):
        file.write_text(source)
        plans.append(api.plan_job("digits", with_=[f"{file}:GridMask"]).plan)
        read = Plan.model_validate(plans[-1].model_dump(mode="json"))
        assert type(read.op("grid_mask")) is type(plans[-1].op("grid_mask"))
    assert plans[0].digest == plans[2].digest != plans[1].digest


def test_a_model_that_is_not_known_here_says_what_to_name() -> None:
    with pytest.raises(RequestError, match=r"model 'net:build' isn't known here; name the file that it comes from"):
        models.build(Model(name="net:build", classes=10, channels=1, px=8))


def test_a_card_from_a_file_is_shown_with_its_paper(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["techniques", "show", GRIDMASK]) == 0
    shown = capsys.readouterr().out
    assert "GridMask  (gridmask)" in shown
    assert "2001.04086" in shown
    assert any("2001.04086" in line for line in narrative("gridmask").published)


@pytest.mark.slow
def test_a_study_with_it_is_laid_out_and_reported_without_the_file(tmp_path: Path) -> None:
    store = Store(tmp_path)
    name = write_study(store, training=("mixup", "cutmix")).name
    (kept,) = (tmp_path / "studies").rglob("*.json")
    kept.write_text(kept.read_text().replace("cutmix", "gridmask"))
    results = analyse(gather(store, StudySpec.load(store, name)))
    (row,) = (row for row in rows(results) if row.technique == "gridmask")
    assert (row.title, row.claims) == ("gridmask", ())
    report.write(results, "md", tmp_path / "report.md")
    assert "gridmask" in (tmp_path / "report.md").read_text()
    techniques.get(GRIDMASK)
    (row,) = (row for row in rows(results) if row.technique == "gridmask")
    assert (row.title, row.claims[0].gain) == ("GridMask", 1.4)


def test_the_paper_and_claims_of_a_card_are_found() -> None:
    techniques.get(GRIDMASK)
    assert published.papers("gridmask")[0].title == "GridMask Data Augmentation"
    assert published.claims("gridmask")[0].gain == 1.4
    assert not published.claims("gridmask")[0].verified


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            "return images.masked_fill",
            "return image.masked_fill",
            "image operation 'grid_mask' failed: NameError: name ",
        ),
        ('return {"image_ops"', 'return {}[0] and {"image_ops"', "technique 'gridmask' failed: KeyError: 0"),
        ('return {"image_ops"', 'return {"loss.terms"', "technique 'gridmask' changes 'loss.terms' but doesn't"),
    ],
)
def test_what_its_code_raises_is_one_line(
    before: str, after: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text((EXAMPLES / "gridmask.py").read_text().replace(before, after))
    spec, store = f"{tmp_path}/mine.py:GridMask", str(tmp_path / "store")
    assert main(["train", "--with", spec, "--length", "0.05", "--device", "cpu", "--store", store]) in (1, 2)
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"bakeoff: {message}")


def test_an_operation_that_changes_the_shape_says_so(tmp_path: Path) -> None:
    source = (EXAMPLES / "gridmask.py").read_text()
    source = source.replace(
        "return images.masked_fill(holes[:, None]", "return images[:, :, 1:].masked_fill(holes[:, None, 1:]"
    )
    (tmp_path / "mine.py").write_text(source)
    with pytest.raises(
        RequestError, match=r"image operation 'grid_mask' made \(.*\) torch.float32 of \(.*it should keep"
    ):
        api.train("digits", with_=[f"{tmp_path}/mine.py:GridMask"], store=tmp_path / "store", device="cpu")


def test_a_run_of_a_task_from_a_file_is_evaluated_by_naming_it_again(tmp_path: Path) -> None:
    mine = f"{EXAMPLES}/data.py:mine"
    record = api.train(mine, model=NET, length=0.02, device="cpu", store=tmp_path)
    size: dict[str, Any] = {"ema": False, "resize_px": 9, "crop_px": 8, "store": tmp_path, "device": "cpu"}
    for room in (models, tasks):
        room.REGISTRY._named.clear()
    with pytest.raises(RequestError, match=r"task 'parity' of run .* isn't known here; name the file"):
        api.evaluate(record.run_id, **size)
    with pytest.raises(RequestError, match=r"model 'net:build' isn't known here"):
        api.evaluate(record.run_id, task=mine, **size)
    with pytest.raises(RequestError, match="is of another task: parity, not digits"):
        api.evaluate(record.run_id, task="digits", model=NET, **size)
    with pytest.raises(RequestError, match="has another network: net:build, not softmax"):
        api.evaluate(record.run_id, task=mine, model="softmax", **size)
    assert api.evaluate(record.run_id, task=mine, model=NET, **size).n == 269
