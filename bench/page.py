"""Everything that was measured, as one page: `python -m bench.page` makes docs/speed.md of bench/results.

Of a row that was measured more than once the newest stands. tests/test_docs.py sees that the page is up to date.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.compare import ROOT

RESULTS = ROOT / "bench" / "results"
PAGE = ROOT / "docs" / "speed.md"

HEAD = """# Speed

What `make bench` measured: ratios of two sides in one run, the median with the least and the largest of the repeats.
Machines that others share are noisy; a target that was missed stands here as one that was met. The raw numbers are in
`bench/results`, what was tried on the way in the [log](log.md). The rows of a GPU are of the code before it was changed
for one; what was measured afterwards, by another script, is in the log too.
"""


def benchmarks(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """The files of ratios, oldest first; a row that a later file of that machine has too is left out."""
    files = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    ratios = [file for file in files if all("ratio" in row for row in file["results"])]
    seen = set[tuple[str, str]]()
    for file in reversed(ratios):
        where = file["machine"]["gpu"] or file["machine"]["processor"]
        file["results"] = [row for row in file["results"] if (where, row["name"]) not in seen]
        seen |= {(where, row["name"]) for row in file["results"]}
    return [file for file in ratios if file["results"]]


def page(files: Iterable[dict[str, Any]]) -> str:
    """Markdown."""
    parts = [HEAD]
    for file in files:
        machine = file["machine"]
        packages = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if name != "bakeoff")
        parts.append(
            f"## {', '.join(file['seconds'])}\n\n"
            f"{machine['gpu'] or machine['processor']}, {machine['cores']} cores, load {machine['load']:.1f} at the "
            f"start; Python {machine['python']}, {packages}; commit {machine['commit']}.\n"
        )
        lines = [
            "| benchmark | ratio of | median | least to largest | repeats | target |",
            "|---|---|---:|---:|---:|---|",
        ]
        for row in file["results"]:
            target = "-"
            if row["promise"] is not None:
                target = f"{row['bound']} {row['promise']:g}: {'met' if row['kept'] else 'missed'}"
            elif not row["reached"]:
                target = "job not done"
            spread = f"{min(row['ratios']):.3g} to {max(row['ratios']):.3g}"
            cells = (row["name"], row["over"], f"{row['ratio']:.3g}", spread, str(len(row["ratios"])), target)
            lines.append(f"| {' | '.join(cells)} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(benchmarks()), "utf-8")
    print(f"wrote {PAGE}")
