"""How the costs of the Dask engine grow with executions at once, held by fake runners or by real kernels.

    pip install ".[dask,bench]" && python benchmarks/dask_growth.py [--fake 500 4000] [--real 200] [--json FILE]

Fake runners cost their worker nothing but their connections, which are real; so are the notebook server, its bridge,
the scheduler and the workers. Goals at 4000: 150 MiB each for server and bridge, and 50 ms for the p99 of
GET /api/executions/<id>.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, List

import psutil
from dask_processes import PRELOAD, Cluster
from peers import NbExecServer, write_notebook

_MIB = 1 << 20
_WATCHED = 20.0  # seconds of CPU time to look at
_REQUESTS = 500
_STARTING = 1800.0  # seconds that all executions may take to start
_FAKES = str(Path(__file__).with_name("fake_runners.py"))


def bridge_of(server: NbExecServer) -> psutil.Process:
    """Return the bridge beside a notebook server."""
    return next(child for child in server.process.children() if "nbexec.cluster.bridge" in " ".join(child.cmdline()))


def start_all(server: NbExecServer, notebook: Path, number: int) -> List[str]:
    """Start executions and wait until all of them run; return their ids."""
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: server.start(notebook), range(number)))
    deadline = time.monotonic() + _STARTING
    while running(server) < number:
        if time.monotonic() > deadline:
            raise SystemExit(f"only {running(server)} of {number} are running")
        time.sleep(0.5)
    return ids


def running(server: NbExecServer) -> int:
    listed = server.session.get(server.url + "api/executions").json()["executions"]
    return sum(model["status"] == "executing" for model in listed)


def p99(server: NbExecServer, ids: List[str]) -> float:
    """Return the p99 of GET /api/executions/<id>, in milliseconds."""
    samples = []
    for number in range(_REQUESTS):
        begin = time.perf_counter()
        server.session.get(f"{server.url}api/executions/{ids[number * 7 % len(ids)]}").raise_for_status()
        samples.append((time.perf_counter() - begin) * 1000)
        time.sleep(0.01)
    return statistics.quantiles(samples, n=100)[98]


def cpu(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


def measure(number: int, preload: str, *options: str) -> Dict[str, Any]:
    """Have this many executions run at once; return the figures."""
    cluster = Cluster()
    for _ in range(2):
        cluster.add_worker((number + 1) // 2 + 1, preload=preload)
    with tempfile.TemporaryDirectory() as folder:
        notebook = write_notebook(Path(folder), "long.ipynb", "import time; time.sleep(3600)")
        server = NbExecServer(Path(folder), "--NbExec.engine=dask", f"--NbExec.dask_scheduler={cluster.address}",
                              *options, warm_up=preload == PRELOAD)
        try:
            begin = time.monotonic()
            ids = start_all(server, notebook, number)
            seconds = time.monotonic() - begin
            watched = {"server": server.process, "bridge": bridge_of(server), "scheduler": cluster.scheduler,
                       "worker": cluster.workers[0]}
            before = {name: cpu(process) for name, process in watched.items()}
            time.sleep(_WATCHED)
            return {"running": running(server), "start_s": seconds,
                    **{f"{name}_cpu": (cpu(process) - before[name]) / _WATCHED for name, process in watched.items()},
                    "p99_ms": p99(server, ids),
                    **{f"{name}_mib": process.memory_info().rss / _MIB for name, process in watched.items()},
                    "descriptors": {name: process.num_fds() for name, process in watched.items()}}
        finally:
            server.close()
            cluster.close()


def show(what: str, figures: Dict[str, Any]) -> Dict[str, Any]:
    cells = (f"{name} {value:.3g}" for name, value in figures.items() if isinstance(value, (int, float)))
    print(f"{what:24}", *cells, figures["descriptors"], flush=True)
    return {"what": what, **figures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fake", type=int, nargs="*", default=[500, 4000], help="how many fake runners at once")
    parser.add_argument("--real", type=int, nargs="*", default=[200], help="how many real kernels at once")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    results = []
    for number in arguments.fake:
        results.append(show(f"{number} fakes", measure(number, _FAKES)))
        with tempfile.TemporaryDirectory() as folder:
            database = f"--NbExec.database_filepath={folder}/executions.sqlite"
            results.append(show(f"{number} fakes, database", measure(number, _FAKES, database)))
    for number in arguments.real:
        results.append(show(f"{number} kernels", measure(number, PRELOAD)))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
