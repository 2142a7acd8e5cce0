"""`python -m bench [NAME ...]`: run the benchmarks, print one table of ratios, keep it in bench/results and docs."""

import argparse
import datetime
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from bakeoff.files import write_text
from bench import analysis, augment, files, gpu, libraries, loop_overhead, mnist_to_99, page, throughput
from bench.compare import ROOT, Ratio, machine

BENCHMARKS: dict[str, Callable[[Path], Iterable[Ratio]]] = {
    "loop_overhead": loop_overhead.measure,
    "augment": augment.measure,
    "files": files.measure,
    "mnist_to_99": mnist_to_99.measure,
    "throughput": throughput.measure,
    "analysis": analysis.measure,
    "libraries": libraries.measure,
    "gpu": gpu.measure,
}


def table(ratios: Sequence[Ratio], about: dict[str, Any]) -> Table:
    """The ratios with their spread and promises, under what they were measured on."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    where = f"{about['gpu'] or about['processor']}, {about['cores']} cores, {about['system']}, load {about['load']:.1f}"
    view = Table(
        title=f"{where}\nPython {about['python']}, {versions}\ncommit {about['commit']}",
        title_justify="left",
        title_style="",
        box=box.SIMPLE,
    )
    for heading in ("benchmark", "median\nleast - largest", "repeats", "promise"):
        view.add_column(heading)
    for r in ratios:
        verdict = "kept" if r.kept else "missed" if r.reached else "target not reached"
        spread = f"{min(r.ratios):.3g} - {max(r.ratios):.3g}"
        told = f"{r.bound} {r.promise:g}\n{verdict}" if r.promise is not None else "none"
        view.add_row(f"{r.name}\n{r.over}", f"{r.ratio:.3g}\n{spread}", str(len(r.ratios)), told)
    return view


def keep(path: Path, about: dict[str, Any], seconds: dict[str, float], ratios: Sequence[Ratio]) -> None:
    """Write what there is so far, in one piece: what is stopped later keeps it."""
    results = [{**asdict(r), "ratio": r.ratio, "kept": r.kept} for r in ratios]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps({"machine": about, "seconds": seconds, "results": results}, indent=2) + "\n")


def main(arguments: Sequence[str]) -> int:
    """Run what is named, everything by default. Status 1 if a promise is not kept."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(BENCHMARKS)}")
    default = os.environ.get("BAKEOFF_DATA") or ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="folder that holds mnist/MNIST/raw")
    parser.add_argument("--out", type=Path, default=page.RESULTS, help="where the numbers are kept")
    parser.add_argument("--minutes", type=float, default=gpu.MINUTES, help="what `gpu` may take (%(default)g)")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"unknown benchmark: {', '.join(sorted(unknown))}; there are: {', '.join(BENCHMARKS)}")
    names = options.names or list(BENCHMARKS)
    if names != ["gpu"] and not (options.data / "mnist" / "MNIST" / "raw").is_dir():
        parser.error(f"no MNIST in {options.data}: expected mnist/MNIST/raw there; say where with --data")

    about, ratios, seconds = machine(), list[Ratio](), dict[str, float]()
    benchmarks = BENCHMARKS | {"gpu": partial(gpu.measure, minutes=options.minutes)}
    today = datetime.datetime.now(datetime.UTC).date()
    kind = re.sub(r"[^a-z0-9]+", "-", f"{about['gpu'] or about['processor']} {about['cores']} cores".lower()).strip("-")
    path = options.out / f"{'-'.join([str(today), kind, *options.names])}.json"
    for name in names:
        print(f"bench: {name} ...", file=sys.stderr, flush=True)
        start = time.perf_counter()
        for ratio in benchmarks[name](options.data):
            print(f"bench: {ratio.name}: {ratio.ratio:.3g}", file=sys.stderr, flush=True)
            ratios.append(ratio)
            keep(path, about, seconds, ratios)
        seconds[name] = round(time.perf_counter() - start, 1)
    keep(path, about, seconds, ratios)

    Console().print(table(ratios, about))
    print(f"kept in {path}")
    if path.parent.resolve() == page.RESULTS:
        page.PAGE.write_text(page.page(page.benchmarks()), "utf-8")
        print(f"and all that is kept there in {page.PAGE}")
    return 0 if all(r.kept for r in ratios) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
