"""What a number of executions at once needs: notebook servers, schedulers and workers.

    python benchmarks/dask_capacity.py [--figures FILE] [50000]

A straight line through two points of benchmarks/dask_growth.py (its --json) gives the costs of one execution. A
notebook server and its bridge are one thread each, so what limits them is the CPU time of one core, memory, and the
p99 of answers that was measured.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any, Dict, List, Tuple

_CORE = 0.5  # of one core, which a server or scheduler may use at most, so that it answers soon
_KERNEL_MIB = 45.0  # memory of an execution on its worker, the largest that benchmarks/run.py allows
_WORKER_MIB, _WORKER_CORES = 64 * 1024, 16
_PER_SERVER = 4000  # the largest number that was measured


def line(points: List[Tuple[float, float]]) -> Tuple[float, float]:
    """Return offset and slope of the line through the first and the last point."""
    (x1, y1), (x2, y2) = points[0], points[-1]
    slope = (y2 - y1) / (x2 - x1)
    return y1 - slope * x1, slope


def fitted(figures: List[Dict[str, Any]], name: str) -> Tuple[float, float]:
    """Return offset and slope of a figure, for each execution at once."""
    return line([(each["running"], each[name]) for each in figures
                 if each["what"].endswith("fakes")])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("number", type=int, nargs="?", default=50_000, help="executions at once")
    parser.add_argument("--figures", type=Path, required=True, help="what dask_growth.py has written")
    arguments = parser.parse_args()
    figures = json.loads(arguments.figures.read_text())
    costs = {name: fitted(figures, name) for name in (
        "server_mib", "bridge_mib", "scheduler_mib", "server_cpu", "bridge_cpu", "scheduler_cpu")}
    for name, (offset, slope) in costs.items():
        print(f"{name:14} {offset:8.3f} + {slope * 1000:8.3f} per 1000")

    def at(name: str, number: float) -> float:
        return costs[name][0] + costs[name][1] * number

    by_cpu = min((_CORE - costs[name][0]) / costs[name][1] if costs[name][1] > 0 else math.inf
                 for name in ("server_cpu", "bridge_cpu"))
    each = min(_PER_SERVER, by_cpu)
    servers = math.ceil(arguments.number / each)
    share = arguments.number / servers
    workers = math.ceil(arguments.number * _KERNEL_MIB / _WORKER_MIB)
    print(f"{arguments.number} at once: {servers} notebook servers, each with {share:.0f}, "
          f"{at('server_mib', share):.0f} MiB and a bridge of {at('bridge_mib', share):.0f} MiB")
    print(f"each with a scheduler of its own, {at('scheduler_mib', share):.0f} MiB, {at('scheduler_cpu', share):.2f} "
          f"of a core; one scheduler for all: {at('scheduler_mib', arguments.number):.0f} MiB, "
          f"{at('scheduler_cpu', arguments.number):.2f}")
    print(f"{workers} workers of {_WORKER_MIB // 1024} GiB for kernels that wait, {_KERNEL_MIB:.0f} MiB each; for "
          f"kernels that compute, {math.ceil(arguments.number / _WORKER_CORES)} of {_WORKER_CORES} cores")


if __name__ == "__main__":
    main()
