"""A process that trains what it is told: requests come as JSON lines on standard input, answers go to standard output.

It ends when its standard input does, so that no worker outlives the study that started it, however that died.
"""

import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any


def serve(threads: int) -> None:
    """Answer requests until standard input ends. threads: for each run."""
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()

    import torch

    from bakeoff import api
    from bakeoff.data.dataset import Dataset
    from bakeoff.errors import BakeoffError

    torch.set_num_threads(threads)
    datasets: dict[str, Dataset] = {}
    while True:
        request = requests.get()
        data, store = Path(request["data"]), Path(request["store"])
        try:
            job, also = api.read_cell(request["cell"], data)
            if job.task.name not in datasets:
                datasets[job.task.name] = job.task.load(data)
            record = api.train_job(
                job, seed=request["cell"]["seed"], device=request["device"], data=data, store=store,
                dataset=datasets[job.task.name], also=also,
            )  # fmt: skip
            answer = {
                "run_id": record.run_id,
                "status": record.status,
                "reason": record.reason,
                "seconds": record.seconds,
            }
        except BakeoffError as error:
            answer = {"run_id": None, "status": "crashed", "reason": str(error), "seconds": 0.0}
        except Exception as error:  # one broken run must not end the study; the reason is kept
            answer = {"run_id": None, "status": "crashed", "reason": f"{type(error).__name__}: {error}", "seconds": 0.0}
        print(json.dumps(answer), flush=True)


def _listen(requests: "queue.SimpleQueue[dict[str, Any]]") -> None:
    for line in sys.stdin:
        requests.put(json.loads(line))
    os._exit(0)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
