"""A Dask cluster of local processes for the benchmarks, and a relay that delays what it passes on."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import threading
import time
from typing import List, Tuple

import psutil

SCHEDULER_PORT = 18786
PRELOAD = "nbexec.dask_worker"


class Cluster:
    """A scheduler, and workers without nannies.

    Parameters
    ----------
    port : int
        The port of the scheduler.
    """

    def __init__(self, port: int = SCHEDULER_PORT) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._port = port
        self.address = f"tcp://127.0.0.1:{port}"
        self.workers: List[psutil.Process] = []
        self._processes: List[subprocess.Popen[bytes]] = []
        self.scheduler = self._start("dask_scheduler", "--host", "tcp://127.0.0.1", "--port", str(port),
                                     "--no-dashboard", "--no-show")

    def add_worker(self, threads: int, *options: str, preload: str = PRELOAD) -> psutil.Process:
        name = f"worker{len(self.workers)}"
        worker = self._start("dask_worker", self.address, "--name", name, "--nthreads", str(threads), "--no-nanny",
                             "--no-dashboard", "--memory-limit", "0", "--preload", preload, *options)
        self.workers.append(worker)
        return worker

    def _start(self, module: str, *arguments: str) -> psutil.Process:
        process = subprocess.Popen([sys.executable, "-m", f"distributed.cli.{module}", *arguments],
                                   cwd=self._folder.name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._processes.append(process)
        return psutil.Process(process.pid)

    def close(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._folder.cleanup()


class DelayingRelay:
    """Passes connections on to a port of this machine, each byte after a while.

    Parameters
    ----------
    port, target : int
        Where it listens, and where to.
    delay : float
        Seconds in each direction.
    """

    def __init__(self, port: int, target: int, delay: float) -> None:
        self._target = target
        self._delay = delay
        is_up = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(port, is_up)), daemon=True).start()
        is_up.wait()

    async def _serve(self, port: int, is_up: threading.Event) -> None:
        server = await asyncio.start_server(self._relay, "127.0.0.1", port)
        is_up.set()
        await server.serve_forever()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            return writer.close()
        await asyncio.gather(self._pass_on(reader, back), self._pass_on(there, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pieces: asyncio.Queue[Tuple[float, bytes]] = asyncio.Queue()
        sending = asyncio.ensure_future(self._send_late(pieces, writer))
        try:
            while True:
                piece = await reader.read(1 << 16)
                pieces.put_nowait((time.monotonic() + self._delay, piece))
                if not piece:
                    return await sending
        except OSError:
            pieces.put_nowait((0.0, b""))

    async def _send_late(self, pieces: asyncio.Queue[Tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            when, piece = await pieces.get()
            await asyncio.sleep(max(0.0, when - time.monotonic()))
            if not piece or writer.is_closing():
                return writer.close()
            writer.write(piece)
