"""Run nbexec and its peers side by side and print how many times faster it is.

    pip install ".[bench]" && python benchmarks/run.py [--rounds N] [--json FILE]

The peers take turns within each round, so that what else the machine does hits them alike; only the ratios mean
something.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Dict, List

import nbformat
import peers

Samples = Dict[str, List[float]]


def write_notebook(folder: Path, name: str, *sources: str) -> Path:
    path = folder / name
    kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}  # papermill insists on one
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources],
                                  metadata={"kernelspec": kernelspec})
    nbformat.write(nb, str(path))
    return path


def one_cell(server: peers.NbExecServer, rounds: int) -> Samples:
    """A notebook with one trivial cell, from the request to the result; and to the start of that cell."""
    notebook = write_notebook(server.root, "one.ipynb", "1 + 1")
    samples: Samples = {name: [] for name in
                        ("nbexec", "nbclient", "papermill", "nbexec first cell", "nbclient first cell")}
    peers.nbclient(notebook)  # the first time is slower, and not what is compared
    for _ in range(rounds):
        times = server.run(notebook)
        samples["nbexec"].append(times["notebook_complete"])
        samples["nbexec first cell"].append(times["start"])
        times = peers.nbclient(notebook)
        samples["nbclient"].append(times["end"])
        samples["nbclient first cell"].append(times["start"])
        samples["papermill"].append(peers.papermill(notebook))
    return samples


def print_table(medians: Dict[str, float]) -> None:
    print(f"{'':34}{'median':>10}{'nbexec is':>16}")
    for name, seconds in medians.items():
        reference = medians["nbexec first cell" if name.endswith("first cell") else "nbexec"]
        ratio = "" if name.startswith("nbexec") else f"{seconds / reference:.1f} x faster"
        print(f"{name:34}{seconds:>9.3f}s{ratio:>16}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="write all samples, in seconds, to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = peers.NbExecServer(Path(folder))
        try:
            samples = one_cell(server, arguments.rounds)
        finally:
            server.close()
    print_table({name: statistics.median(values) for name, values in samples.items()})
    if arguments.json:
        arguments.json.write_text(json.dumps(samples, indent=1))


if __name__ == "__main__":
    main()
