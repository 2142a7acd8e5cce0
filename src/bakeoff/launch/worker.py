"""A process that trains what it is told: requests come as JSON lines on standard input, answers go to standard output.

A request that names `threads` and `seconds` times its plans for that long each and keeps nothing.

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

    import torch  # after the thread has started: a parent that dies meanwhile is noticed

    from bakeoff import tasks
    from bakeoff.data.dataset import Dataset
    from bakeoff.engine import device
    from bakeoff.engine.timing import seconds_per_image
    from bakeoff.errors import BakeoffError
    from bakeoff.plan import Plan
    from bakeoff.runs.runner import decoders, run_plan
    from bakeoff.runs.store import Store

    torch.set_num_threads(threads)
    datasets: dict[str, Dataset] = {}
    while True:
        request = requests.get()
        answer: dict[str, Any]
        try:
            task, data = request["task"], Path(request["data"])
            if task not in datasets:
                datasets[task] = tasks.get(task, data, skip_bad=True).load(data)
            dataset, chosen = datasets[task], device.resolve(request["device"])
            plan, *also = map(Plan.model_validate, request["plans"])
            if "threads" in request:
                torch.set_num_threads(request["threads"])
                each = [
                    seconds_per_image(p, dataset, chosen, seconds=request["seconds"], workers=decoders(dataset, None))
                    for p in (plan, *also)
                ]
                answer = {"status": "done", "reason": "", "seconds": sum(each) / len(each)}
            else:
                record = run_plan(
                    task, plan, request["recipe"], request["seed"], dataset, Store(Path(request["store"])), chosen,
                    also=also,
                )  # fmt: skip
                answer = {"status": record.status, "reason": record.reason, "seconds": record.seconds}
        except BakeoffError as error:
            answer = {"status": "crashed", "reason": str(error), "seconds": 0.0}
        except Exception as error:  # one broken run must not end the study; the reason is kept
            answer = {"status": "crashed", "reason": f"{type(error).__name__}: {error}", "seconds": 0.0}
        print(json.dumps(answer), flush=True)


def _listen(requests: "queue.SimpleQueue[dict[str, Any]]") -> None:
    for line in sys.stdin:
        requests.put(json.loads(line))
    os._exit(0)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
