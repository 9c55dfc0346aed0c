"""nbexec on one machine and on a Dask cluster, side by side, and what a round trip of 100 ms does.

    pip install ".[dask,bench]" && python benchmarks/on_dask.py [--rounds N] [--only ROW] [--json FILE]

All processes are on this machine. The engines take turns, so that whatever else it does hits them alike; the lines
show medians. Goals: the first event and each cell take at most twice as long as locally, and nothing is lost.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import nbformat
import psutil
from dask_processes import Cluster, DelayingRelay
from peers import NbExecServer, write_notebook

_ROUND_TRIP = 0.1  # seconds
_WORKER_PORT, _RELAY_PORT = 18800, 18801
_BUSY = "import time\nprint('so far', flush=True)\ntime.sleep(600)"
Row = Tuple[str, Dict[str, float], str]


class Bench:
    """The rows of the table, by the names of their methods.

    Parameters
    ----------
    folder : Path
        Where notebooks go.
    rounds : int
        How often each is measured.
    """

    def __init__(self, folder: Path, rounds: int) -> None:
        self.folder = folder
        self.rounds = rounds
        self.cluster = Cluster()
        for _ in range(2):
            self.cluster.add_worker(24)
        self.far_cluster = Cluster(18787)
        self.relay = DelayingRelay(_RELAY_PORT, _WORKER_PORT, _ROUND_TRIP / 2)
        self.far_cluster.add_worker(4, "--listen-address", f"tcp://127.0.0.1:{_WORKER_PORT}", "--contact-address",
                                    f"tcp://127.0.0.1:{_RELAY_PORT}")
        self.servers = {"local": NbExecServer(folder), "dask": self._server(self.cluster, 8865)}
        self.far = self._server(self.far_cluster, 8965)

    def _server(self, cluster: Cluster, port: int) -> NbExecServer:
        return NbExecServer(self.folder, "--NbExec.engine=dask", f"--NbExec.dask_scheduler={cluster.address}",
                            port=port)

    def close(self) -> None:
        for server in (*self.servers.values(), self.far):
            server.close()
        for cluster in (self.cluster, self.far_cluster):
            cluster.close()

    # -- rows -------------------------------------------------------------------------------------

    def one_cell(self) -> Iterator[Row]:
        times = self._times(write_notebook(self.folder, "one.ipynb", "1 + 1"), self.rounds)
        yield "first event", {name: each["notebook_start"] for name, each in times.items()}, "s"
        yield "one cell", {name: each["notebook_complete"] for name, each in times.items()}, "s"

    def cells(self) -> Iterator[Row]:
        times = self._times(write_notebook(self.folder, "cells.ipynb", *["x = 1"] * 200), max(3, self.rounds // 3))
        yield "per cell of 200", {name: (each["notebook_complete"] - each["start"]) / 200
                                  for name, each in times.items()}, "s"

    def at_once(self) -> Iterator[Row]:
        notebook = write_notebook(self.folder, "at_once.ipynb", "1 + 1")
        rates = {}
        for name, server in self.servers.items():
            begin = time.perf_counter()
            with ThreadPoolExecutor(40) as pool:
                list(pool.map(server.run, [notebook] * 40))
            rates[name] = 40 / (time.perf_counter() - begin)
        yield "40 at once", rates, "per s"

    def output(self) -> Iterator[Row]:
        for what, source, size in (
                ("20 000 flushed lines", "for i in range(20_000):\n    print('line', i, flush=True)", 208_890),
                ("30 MB flushed", "for i in range(300):\n    print('x' * 99_999, flush=True)", 30_000_000)):
            notebook = write_notebook(self.folder, "output.ipynb", source)
            seconds = {}
            for name, server in self.servers.items():
                begin = time.perf_counter()
                last = list(server.events(notebook))[-1]
                seconds[name] = time.perf_counter() - begin
                written = self._text(last)
                assert len(written) == size, f"{what}, {name}: {len(written)} characters of {size} are there"
            yield what + ", whole", seconds, "s"

    def shutdown(self) -> Iterator[Row]:
        def stop(server: NbExecServer, exec_id: str) -> None:
            server.session.post(f"{server.url}api/executions/{exec_id}", data={"action": "shutdown"})

        yield "shutdown in a cell", {name: statistics.median(self._until_told(server, stop)
                                                             for _ in range(max(3, self.rounds // 3)))
                                     for name, server in self.servers.items()}, "s"

    def losses(self) -> Iterator[Row]:
        """Yield how long it takes until each loss is told; the local engine has only the first."""
        yield "runner killed", {name: self._until_told(server, self._kill_runner)
                                for name, server in self.servers.items()}, "s"
        dask = self.servers["dask"]
        for what, number in (("worker stopped", signal.SIGTERM), ("worker killed", signal.SIGKILL)):
            def lose_worker(server: NbExecServer, exec_id: str, number: int = number) -> None:
                self._worker_of(server, exec_id).send_signal(number)

            yield what, {"dask": self._until_told(dask, lose_worker)}, "s"
            self.cluster.add_worker(24)
        yield "bridge killed", {"dask": self._until_told(dask, lambda server, _: self._bridge(server).kill())}, "s"
        yield "worker frozen", {"dask": self._until_told(dask, self._freeze_worker)}, "s"
        self.cluster.add_worker(24)
        yield "scheduler killed", {"dask": self._until_told(dask, lambda *_: self.cluster.scheduler.kill())}, "s"

    # -- parts ------------------------------------------------------------------------------------

    def _times(self, notebook: Path, rounds: int) -> Dict[str, Dict[str, float]]:
        """Return the median times of the events, by engine."""
        servers = {**self.servers, "dask, 100 ms": self.far}
        samples: Dict[str, List[Dict[str, float]]] = {name: [] for name in servers}
        for _ in range(rounds):
            for name, server in servers.items():
                samples[name].append(server.run(notebook))
        return {name: {event: statistics.median(each[event] for each in times) for event in times[0]
                       if all(event in each for each in times)}
                for name, times in samples.items()}

    def _text(self, last: Dict[str, Any]) -> str:
        written = nbformat.read(str(self.folder / last["execution"]["output_path"]), as_version=4)
        return "".join(output["text"] for output in written.cells[0].outputs)

    def _until_told(self, server: NbExecServer, act: Callable[[NbExecServer, str], Any]) -> float:
        """Return the seconds from an act upon a running notebook to its last event; its output has to be there."""
        events = server.events(write_notebook(self.folder, "busy.ipynb", "import os; print(os.getppid())", _BUSY))
        for event in events:
            if event["event"] == "end":
                self._runner = psutil.Process(int(event["cell"]["outputs"][0]["text"]))
            if event["event"] == "start" and event["progress"] == "2/2":
                break
        begin = time.perf_counter()
        act(server, event["exec_id"])
        last = list(events)[-1]
        seconds = time.perf_counter() - begin
        assert last["event"] == "notebook_error", last
        assert last["output_path"], last["error"]
        return seconds

    def _kill_runner(self, server: NbExecServer, exec_id: str) -> None:
        self._runner.kill()

    def _worker_of(self, server: NbExecServer, exec_id: str) -> psutil.Process:
        above = {process.pid for process in self._runner.parents()}
        return next(worker for worker in self.cluster.workers if worker.pid in above)

    def _freeze_worker(self, server: NbExecServer, exec_id: str) -> None:
        self._worker_of(server, exec_id).suspend()

    def _bridge(self, server: NbExecServer) -> psutil.Process:
        return next(child for child in server.process.children()
                    if "nbexec.cluster.bridge" in " ".join(child.cmdline()))


ROWS = ["one_cell", "cells", "at_once", "output", "shutdown", "losses"]


def print_row(row: Row) -> None:
    what, values, unit = row
    ratio = f"{values['dask'] / values['local']:6.2f} x" if "local" in values else ""
    columns = (f"{values[name]:10.4f}" if name in values else f"{'':10}" for name in ("local", "dask", "dask, 100 ms"))
    print(f"{what:28}", *columns, f"{unit:6}", ratio, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", choices=ROWS, action="append", help="this row only; may be repeated")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    arguments = parser.parse_args()
    rows: List[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), arguments.rounds)
        try:
            print(f"{'':28} {'local':>10} {'dask':>10} {'100 ms':>10}")
            for name in arguments.only or ROWS:
                for row in getattr(bench, name)():
                    print_row(row)
                    rows.append(row)
        finally:
            bench.close()
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
