"""Run nbexec and its peers side by side, and print how far nbexec is ahead.

    pip install ".[bench]" && python benchmarks/run.py [--rounds N] [--only ROW] [--json FILE] [--chart FILE.svg]

The peers take turns in each round, so that whatever else the machine does hits them alike. The ratios are what
counts; the medians are from this machine and this run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple

import peers
from peers import NbExecServer, write_notebook

PANDAS = ["import pandas as pd\nimport matplotlib.pyplot as plt\nimport numpy as np",
          "data = pd.DataFrame({'a': np.arange(1000), 'b': np.random.rand(1000)})\ndata.describe()",
          "data.plot(x='a', y='b')\nplt.show()"]
MODULES = ["numpy", "pandas", "matplotlib.pyplot", "matplotlib_inline.backend_inline"]


class Result(NamedTuple):
    """One row of the table."""

    work: str
    goal: str
    values: Dict[str, float]
    unit: str
    figure: float  # what the goal is about
    met: bool


def ratio_row(work: str, samples: Dict[str, List[float]], goals: Dict[str, float], unit: str = "s") -> Result:
    """Compare the medians with nbexec's; a goal is how many times nbexec has to be ahead of a peer."""
    medians = {name: statistics.median(values) for name, values in samples.items()}
    ratios = {name: medians[name] / medians["nbexec"] for name in goals}
    worst = min(goals, key=lambda name: ratios[name] / goals[name])
    return Result(work, ", ".join(f">= {goal:g} x {name}" for name, goal in goals.items()), medians, unit,
                  ratios[worst], all(ratios[name] >= goal for name, goal in goals.items()))


def limit_row(work: str, value: float, limit: float, unit: str) -> Result:
    return Result(work, f"<= {limit:g} {unit}", {"nbexec": value}, unit, value, value <= limit)


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
        self.server = NbExecServer(folder)

    def close(self) -> None:
        self.server.close()

    def one_cell(self) -> Iterator[Result]:
        notebook = write_notebook(self.folder, "one.ipynb", "1 + 1")
        names = ("nbexec", "nbclient", "papermill", "nbconvert")
        ends: Dict[str, List[float]] = {name: [] for name in names}
        starts: Dict[str, List[float]] = {"nbexec": [], "nbclient": []}
        cpu: Dict[str, List[float]] = {"papermill": [], "nbconvert": []}
        peers.nbclient(notebook)  # the first time is slower, and not what is compared
        for _ in range(self.rounds):
            times = self.server.run(notebook)
            ends["nbexec"].append(times["notebook_complete"])
            starts["nbexec"].append(times["start"])
            times = peers.nbclient(notebook)
            ends["nbclient"].append(times["end"])
            starts["nbclient"].append(times["start"])
            for name, peer in (("papermill", peers.papermill), ("nbconvert", peers.nbconvert)):
                times = peer(notebook)
                ends[name].append(times["end"])
                cpu[name].append(times["cpu"])
        yield ratio_row("one cell, request to result", ends, {"papermill": 35, "nbclient": 10})
        yield ratio_row("one cell, request to its start", starts, {"nbclient": 15})
        yield ratio_row("one cell, CPU seconds", {"nbexec": [self._cpu_per_run(notebook)], **cpu}, {"papermill": 18})

    def _cpu_per_run(self, notebook: Path) -> float:
        time.sleep(1)
        before = self.server.cpu_seconds()
        for _ in range(30):
            self.server.run(notebook)
        time.sleep(2)
        return (self.server.cpu_seconds() - before) / 30

    def serverless(self) -> Iterator[Result]:
        notebook = write_notebook(self.folder, "alone.ipynb", "1 + 1")
        ends: Dict[str, List[float]] = {"nbexec": [], "papermill": []}
        cpu: Dict[str, List[float]] = {"nbexec": [], "papermill": []}
        for _ in range(self.rounds):
            for name, peer in (("nbexec", peers.nbexec), ("papermill", peers.papermill)):
                times = peer(notebook)
                ends[name].append(times["end"])
                cpu[name].append(times["cpu"])
        yield ratio_row("one cell, without a server", ends, {"papermill": 1 / 0.6})
        yield ratio_row("one cell, without a server, CPU", cpu, {"papermill": 1 / 0.6})

    def serverless_many(self) -> Iterator[Result]:
        notebook = write_notebook(self.folder, "dozen.ipynb", "1 + 1")
        samples: Dict[str, List[float]] = {"nbexec": [], "papermill": []}
        for _ in range(max(3, self.rounds // 3)):
            samples["nbexec"].append(peers.nbexec_many(notebook, 12, 2)["end"])
            samples["papermill"].append(12 * self._seconds_per_run(peers.papermill, notebook, 12, 2))
        yield ratio_row("12 notebooks, 2 at a time, no server", samples, {"papermill": 1 / 0.3})

    def scheduler(self) -> Iterator[Result]:
        notebook = write_notebook(self.folder, "scheduled.ipynb", "1 + 1")
        samples: Dict[str, List[float]] = {"nbexec": [], "jupyter_scheduler": []}
        try:
            scheduler = peers.JupyterScheduler(self.folder, self.folder)
            for _ in range(max(3, self.rounds // 3)):
                samples["nbexec"].append(self.server.run(notebook)["notebook_complete"])
                samples["jupyter_scheduler"].append(scheduler.run(notebook)["end"])
            scheduler.close()
        except (subprocess.CalledProcessError, RuntimeError) as error:
            print(f"Jupyter Scheduler is left out: {error}")
            return
        yield ratio_row("one cell, as a job", samples, {"jupyter_scheduler": 1})

    def throughput(self) -> Iterator[Result]:
        notebook = write_notebook(self.folder, "many.ipynb", "1 + 1")
        samples = {"nbexec": [self._seconds_per_run(self.server.run, notebook, 80, 8)],
                   "papermill": [self._seconds_per_run(peers.papermill, notebook, 8, 2)]}
        yield ratio_row("80 one-cell notebooks, 8 at a time", samples, {"papermill": 20}, "s per notebook")

    def _seconds_per_run(self, peer: Callable[[Path], Any], notebook: Path, number: int, at_once: int) -> float:
        begin = time.perf_counter()
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(peer, [notebook] * number))
        return (time.perf_counter() - begin) / number

    def cells(self) -> Iterator[Result]:
        notebook = write_notebook(self.folder, "cells.ipynb", *["x = 1"] * 1000)
        raw = peers.RawKernel(self.folder)
        samples: Dict[str, List[float]] = {"nbexec": [], "raw loop": [], "nbclient": []}
        for _ in range(max(3, self.rounds // 3)):
            samples["nbexec"].append(self.server.run(notebook)["notebook_complete"])
            samples["raw loop"].append(raw.run(notebook)["end"])
            samples["nbclient"].append(peers.nbclient(notebook)["end"])
        raw.close()
        yield ratio_row("1000 one-line cells", samples, {"raw loop": 1 / 1.1, "nbclient": 1})

    def lines(self) -> Iterator[Result]:
        notebook = write_notebook(self.folder, "lines.ipynb", "for i in range(100_000):\n    print('line', i)")
        samples: Dict[str, List[float]] = {"nbexec": [], "nbclient": []}
        for _ in range(max(3, self.rounds // 3)):
            samples["nbexec"].append(self.server.run(notebook)["notebook_complete"])
            samples["nbclient"].append(peers.nbclient(notebook)["end"])
        yield ratio_row("100 000 printed lines", samples, {"nbclient": 1 / 0.65})

    def pandas(self) -> Iterator[Result]:
        notebook = write_notebook(self.folder, "pandas.ipynb", *PANDAS)
        server = NbExecServer(self.folder, *[f"--NbExec.preload_modules={module}" for module in MODULES])
        samples: Dict[str, List[float]] = {"nbexec": [], "nbclient": [], "papermill": []}
        for _ in range(max(3, self.rounds // 3)):
            samples["nbexec"].append(server.run(notebook)["notebook_complete"])
            samples["nbclient"].append(peers.nbclient(notebook)["end"])
            samples["papermill"].append(peers.papermill(notebook)["end"])
        server.close()
        yield ratio_row("pandas + matplotlib, preloaded", samples, {"nbclient": 6})

    def latency(self) -> Iterator[Result]:
        samples = [self._p99_under_floods() for _ in range(max(3, self.rounds // 3))]
        yield limit_row("GET /api/status, p99, 4 floods", statistics.median(samples), 20, "ms")

    def _p99_under_floods(self) -> float:
        flood = "import time\nend = time.time() + 12\nwhile time.time() < end:\n    print('x' * 80, flush=True)"
        notebook = write_notebook(self.folder, "flood.ipynb", flood)
        readers = [threading.Thread(target=self.server.run, args=[notebook]) for _ in range(4)]
        for reader in readers:
            reader.start()
        time.sleep(2)
        samples = []
        end = time.monotonic() + 8
        while time.monotonic() < end:
            begin = time.perf_counter()
            self.server.session.get(self.server.url + "api/status")
            samples.append((time.perf_counter() - begin) * 1000)
            time.sleep(0.005)
        for reader in readers:
            reader.join()
        return statistics.quantiles(samples, n=100)[98]

    def memory(self) -> Iterator[Result]:
        notebook = write_notebook(self.folder, "sleep.ipynb", "import time; time.sleep(4)")
        server = NbExecServer(self.folder, "--NbExec.spares=0")  # so that there is nothing else
        assert server.runs() == []
        idle = server.pss()
        server.start(notebook)
        time.sleep(2)
        used = server.pss() - idle
        server.close()
        yield limit_row("a running execution, PSS", used / (1 << 20), 45, "MiB")

    def records(self) -> Iterator[Result]:
        notebook = write_notebook(self.folder, "record.ipynb", "1 + 1")
        self.server.session.delete(self.server.url + "api/executions")
        self._seconds_per_run(self.server.run, notebook, 200, 8)
        self.server.session.delete(self.server.url + "api/executions")
        before = self.server.process.memory_info().rss
        self._seconds_per_run(self.server.run, notebook, 3000, 8)
        each = (self.server.process.memory_info().rss - before) / 3000
        begin = time.perf_counter()
        listed = self.server.session.get(self.server.url + "api/executions").json()["executions"]
        seconds = time.perf_counter() - begin
        assert len(listed) == 3000
        yield limit_row("one of 3000 finished executions", each / 1024, 4, "KiB")
        yield limit_row("GET /api/executions, 3000 of them", seconds, 0.3, "s")


ROWS = ["one_cell", "serverless", "serverless_many", "throughput", "cells", "lines", "pandas", "latency", "memory",
        "records", "scheduler"]


def print_row(result: Result) -> None:
    values = "  ".join(f"{name} {value:.3g}" for name, value in result.values.items())
    print(f"{result.work:36} {values:64} {result.unit:14} {result.figure:8.3g}  {result.goal:32} "
          f"{'met' if result.met else 'MISSED'}", flush=True)


def draw(results: List[Result], file: Path) -> None:
    """Draw how many times longer the peers take."""
    from matplotlib.figure import Figure

    bars = [(f"{result.work}: {name}", value / result.values["nbexec"])
            for result in results for name, value in result.values.items() if name != "nbexec"]
    figure = Figure(figsize=(9, 0.6 + 0.34 * len(bars)), layout="constrained")
    axes = figure.subplots()
    axes.barh([label for label, _ in bars][::-1], [ratio for _, ratio in bars][::-1], color="#4c78a8")
    axes.axvline(1, color="#333333", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlabel("times nbexec (log scale)")
    figure.savefig(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", choices=ROWS, action="append", help="this row only; may be repeated")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--chart", type=Path, help="draw the ratios into this SVG file")
    arguments = parser.parse_args()
    results: List[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), arguments.rounds)
        try:
            for name in arguments.only or ROWS:
                for result in getattr(bench, name)():
                    print_row(result)
                    results.append(result)
        finally:
            bench.close()
    if arguments.json:
        arguments.json.write_text(json.dumps([result._asdict() for result in results], indent=1))
    if arguments.chart:
        draw(results, arguments.chart)


if __name__ == "__main__":
    main()
