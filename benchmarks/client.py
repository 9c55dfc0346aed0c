"""Measures the client: many executions by `map`, many open streams in an event loop, and its import.

    python benchmarks/client.py [RUNS]

starts a notebook server of its own. With RUNS executions (200), one fails, one is timed out, one is killed.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import nbformat
import psutil
from nbformat import v4

from nbexec.cli.servers import PrivateServer
from nbexec.client import AsyncClient, Client

CODE = """
import os, signal, time
if x == 7: raise ValueError(x)
if x == 23: time.sleep(60)
if x == 41: os.kill(os.getpid(), signal.SIGKILL)
"""
STREAMS = 100


def write(path: Path, *sources: str) -> None:
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(source) for source in sources]), str(path))


def measure_map(client: Client, runs: int) -> None:
    begin = time.perf_counter()
    ends = Counter(type(result.error).__name__ for result in client.map(
        "many.ipynb", ({"x": x} for x in range(runs)), jobs=4, cell_timeout=10))
    seconds = time.perf_counter() - begin
    print(f"map: {runs} executions, 4 at once: {seconds:.1f} s, {runs / seconds:.1f} per second; {dict(ends)}")


async def measure_streams(url: str, token: str) -> None:
    async with AsyncClient(url, token) as client:
        execution = await client.submit("slow.ipynb")
        process = psutil.Process()
        before = process.memory_info().rss
        tasks = [asyncio.ensure_future(execution.wait()) for _ in range(STREAMS)]
        await asyncio.sleep(3)
        memory = (process.memory_info().rss - before) / STREAMS / 1024
        begin = time.perf_counter()
        await execution.shutdown()
        await asyncio.gather(*tasks)
        print(f"{STREAMS} streams: {threading.active_count()} threads left, {memory:.0f} KiB each, "
              f"{time.perf_counter() - begin:.2f} s from the shutdown to the last end")
        begin = time.perf_counter()
        events = [event async for event in client.stream("cells.ipynb")]
        print(f"async events: {len(events) / (time.perf_counter() - begin):.0f} per second")


def measure_import(code: str) -> None:
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - begin)
    print(f"{code}: {min(times):.2f} s")


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    for code in ("pass", "import nbexec", "import nbexec.cli.main", "from nbexec.client import Client"):
        measure_import(code)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root / "many.ipynb", "# nbexec: params\nx = 0", CODE, "x")
        write(root / "slow.ipynb", "import time; time.sleep(600)")
        write(root / "cells.ipynb", *["1"] * 300)
        with PrivateServer(root) as server, Client.on(server) as client:
            client.run("cells.ipynb")
            measure_map(client, runs)
            asyncio.run(measure_streams(server.url, server.token))


if __name__ == "__main__":
    main()
