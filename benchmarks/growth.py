"""How the costs of nbexec grow: with cells, with output, with executions kept, with executions at once.

    pip install ".[bench]" && python benchmarks/growth.py [--json FILE] [--chart FILE.svg]

A cost that grows in proportion shows the same time per piece in each line.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple

from peers import NbExecServer, write_notebook

MIB = 1 << 20


class Point(NamedTuple):
    """One measurement.

    Parameters
    ----------
    what : str
        What grows.
    number : int
        How far.
    seconds : float
        How long it took.
    mebibytes : float
        Memory: of the runner and kernel at their largest, or of the server, as the lines say.
    """

    what: str
    number: int
    seconds: float
    mebibytes: float


class Growth:
    """The measurements, by the names of their methods.

    Parameters
    ----------
    folder : Path
        Where notebooks go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = NbExecServer(folder, "--NbExec.spares=0")  # so that there is nothing besides

    def cells(self) -> Iterator[Point]:
        for number in (10, 100, 1000, 5000):
            yield self._run("cells, memory of the run", number, *["x = 1"] * number)

    def output(self) -> Iterator[Point]:
        for number in (1, 10, 100):
            source = f"for _ in range({number} * 1024):\n    print('x' * 1023)"
            yield self._run("MiB of output in a cell, memory of the run", number, source)

    def _run(self, what: str, number: int, *sources: str) -> Point:
        """Run a notebook whose last cell tells how much memory its runner and its kernel have needed."""
        peak = ("import os\ndef peak(pid):\n    lines = open(f'/proc/{pid}/status').read().splitlines()\n"
                "    return next(int(line.split()[1]) for line in lines if line.startswith('VmHWM'))\n"
                "print(peak(os.getpid()) + peak(os.getppid()))")
        notebook = write_notebook(self.folder, "growth.ipynb", *sources, peak)
        begin = time.perf_counter()
        events = list(self.server.events(notebook))
        seconds = time.perf_counter() - begin
        assert events[-1]["event"] == "notebook_complete", events[-1]
        kibibytes = int(events[-2]["cell"]["outputs"][0]["text"])
        return Point(what, number, seconds, kibibytes / 1024)

    def kept(self) -> Iterator[Point]:
        notebook = write_notebook(self.folder, "kept.ipynb", "1")
        done = 0
        for number in (100, 1000, 3000):
            self._run_all(notebook, number - done, 8)
            done = number
            begin = time.perf_counter()
            listed = self.server.session.get(self.server.url + "api/executions").json()["executions"]
            seconds = time.perf_counter() - begin
            assert len(listed) >= number
            yield Point("executions kept: time of the list, memory of the server", number, seconds,
                        self.server.process.memory_info().rss / MIB)

    def at_once(self) -> Iterator[Point]:
        notebook = write_notebook(self.folder, "at_once.ipynb", "import time; time.sleep(3)")
        for number in (1, 4, 16, 64):
            idle = self.server.pss()
            begin = time.perf_counter()
            with ThreadPoolExecutor(number) as pool:
                runs = [pool.submit(self.server.run, notebook) for _ in range(number)]
                time.sleep(2)
                used = self.server.pss() - idle
                for run in runs:
                    run.result()
            seconds = time.perf_counter() - begin - 3
            time.sleep(3)
            yield Point("at once: time beyond their own 3 s, memory of all", number, seconds, used / MIB)

    def _run_all(self, notebook: Path, number: int, at_once: int) -> None:
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(self.server.run, [notebook] * number))


def draw(points: List[Point], file: Path) -> None:
    """Draw time and memory against each number."""
    from matplotlib.figure import Figure

    series: Dict[str, List[Point]] = {}
    for point in points:
        series.setdefault(point.what, []).append(point)
    figure = Figure(figsize=(9, 2.4 * len(series)), layout="constrained")
    for row, (what, line) in zip(figure.subplots(len(series), 2), series.items()):
        numbers = [point.number for point in line]
        for axes, values, unit in ((row[0], [point.seconds for point in line], "seconds"),
                                   (row[1], [point.mebibytes for point in line], "MiB")):
            axes.plot(numbers, values, marker="o", color="#4c78a8")
            axes.set(xscale="log", ylabel=unit, xlabel=what, ylim=(0, None))
    figure.savefig(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the points to this file")
    parser.add_argument("--chart", type=Path, help="draw them into this SVG file")
    arguments = parser.parse_args()
    points: List[Point] = []
    with tempfile.TemporaryDirectory() as folder:
        growth = Growth(Path(folder))
        try:
            for measure in (growth.cells, growth.output, growth.at_once, growth.kept):
                for point in measure():
                    print(f"{point.what:56} {point.number:6} {point.seconds:9.3f} s {point.mebibytes:9.1f} MiB "
                          f"{point.seconds / point.number * 1000:9.3f} ms each", flush=True)
                    points.append(point)
        finally:
            growth.server.close()
    if arguments.json:
        arguments.json.write_text(json.dumps([point._asdict() for point in points], indent=1))
    if arguments.chart:
        draw(points, arguments.chart)


if __name__ == "__main__":
    main()
