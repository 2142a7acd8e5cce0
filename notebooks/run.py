"""Execute notebooks, each from a fresh kernel, and write them back with what came out.

`python notebooks/run.py [NOTEBOOK ...]`; without names, all in this folder. Stops at the first cell that fails, says
which and why, and leaves that notebook as it was. Data come from $BAKEOFF_DATA, else from ../shared/data where there
is such a folder beside the repository, else from the user's cache folder, downloaded on first use.
"""

import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

HERE = Path(__file__).resolve().parent
SECONDS_PER_CELL = 300


def execute(path: Path) -> None:
    """Run every cell of a notebook in its own folder and keep the outputs in it.

    Raises nbclient's CellExecutionError when a cell does, CellTimeoutError, DeadKernelError.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=SECONDS_PER_CELL,
        extra_arguments=["--log-level=ERROR"],  # a kernel warns of its own unencrypted connection to this process
        coalesce_streams=True,
        record_timing=False,  # so that a second execution leaves no difference
        resources={"metadata": {"path": str(path.resolve().parent)}},
    )
    client.execute(env=_environment())
    notebook.metadata = {  # what depends on the machine is left out
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(notebook, path)


def _environment() -> dict[str, str]:
    variables = {**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # ipykernel's debugger warns without it
    shared = HERE.parents[1] / "shared" / "data"
    if data := os.environ.get("BAKEOFF_DATA"):
        variables["BAKEOFF_DATA"] = str(Path(data).resolve())  # the kernel starts in another folder
    elif shared.is_dir():
        variables["BAKEOFF_DATA"] = str(shared)
    return variables


def main(paths: list[Path]) -> None:
    """Execute these notebooks; exit status 1 with the reason when one fails."""
    for path in paths:
        start = time.perf_counter()
        try:
            execute(path)
        except (CellExecutionError, CellTimeoutError, DeadKernelError, OSError) as error:
            sys.exit(f"{path}: {error}")
        print(f"{path}: {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or sorted(HERE.glob("*.ipynb")))
