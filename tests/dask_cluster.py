"""A real Dask cluster for the tests: scheduler, nannies and workers on the loopback interface."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, List, Sequence

import psutil
from helpers import Begun, Server, alive, free_port, wait_for


class DaskCluster:
    """A scheduler and its workers, each a process with a log.

    Parameters
    ----------
    folder : Path
        For logs and whatever workers keep.
    protocol : str
        ``tcp`` or ``tls``.
    tls : sequence of str
        Options with the certificates.
    host : str
        The address of the scheduler.
    before_workers : sequence of str
        What starts the commands of workers.
    """

    def __init__(self, folder: Path, protocol: str = "tcp", tls: Sequence[str] = (), host: str = "127.0.0.1",
                 before_workers: Sequence[str] = ()) -> None:
        self.folder = folder
        self.folder.mkdir(exist_ok=True)
        self._protocol = protocol
        self._tls = list(tls)
        self._port = free_port()
        self._host = host
        self._before_workers = list(before_workers)
        self.address = f"{protocol}://{host}:{self._port}"
        self.processes: Dict[str, subprocess.Popen[bytes]] = {}
        self._environment = {**os.environ, "DASK_NBEXEC__SPARES": "0"}
        self._environment.pop("PYTEST_CURRENT_TEST", None)  # ipykernel would not show the output of subprocesses

    def start_scheduler(self, environment: Dict[str, str] = {}) -> subprocess.Popen[bytes]:  # noqa: B006
        return self._start("scheduler", "dask_scheduler", "--host", f"{self._protocol}://{self._host}", "--port",
                           str(self._port), "--no-dashboard", "--no-show", environment=environment)

    def start_worker(self, name: str, threads: int = 2, *options: str, preload: bool = True,
                     nanny: bool = True, environment: Dict[str, str] = {}) -> subprocess.Popen[bytes]:  # noqa: B006
        more = ["--preload", "nbexec.dask_worker"] if preload else []
        return self._start(name, "dask_worker", self.address, "--name", name, "--nthreads", str(threads),
                           "--nanny" if nanny else "--no-nanny", "--no-dashboard", "--memory-limit", "0",
                           "--local-directory", str(self.folder), *more, *options, environment=environment)

    def _start(self, name: str, module: str, *arguments: str,
               environment: Dict[str, str] = {}) -> subprocess.Popen[bytes]:  # noqa: B006
        before = [] if name == "scheduler" else self._before_workers
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                [*before, sys.executable, "-m", f"distributed.cli.{module}", *self._tls, *arguments], cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**self._environment, **environment},
                start_new_session=True)
        return self.processes[name]

    def is_gone(self, name: str) -> bool:
        return name not in self.processes or self.processes[name].poll() is not None

    def workers(self) -> List[str]:
        return [name for name in self.processes if name != "scheduler" and not self.is_gone(name)]

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def worker_process(self, name: str) -> psutil.Process:
        """Return the worker below its nanny."""
        def found() -> List[psutil.Process]:
            return [child for child in psutil.Process(self.processes[name].pid).children(recursive=True)
                    if "spawn_main" in " ".join(child.cmdline())]

        return wait_for(found, 30, "the worker below its nanny")[0]  # type: ignore[no-any-return]

    def stop(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
                process.kill()
                process.wait()


class DaskServer(Server):
    """A notebook server whose notebooks run on a cluster."""

    def __init__(self, cluster: DaskCluster, folder: Path, *options: str, **more: Any) -> None:
        self.cluster = cluster
        super().__init__(folder, "--NbExec.engine=dask", f"--NbExec.dask_scheduler={cluster.address}", *options,
                         **more)

    def processes(self) -> List[psutil.Process]:
        """Return what runs below the fork servers of the workers."""
        found: List[psutil.Process] = []
        for name in self.cluster.workers():
            for process in psutil.Process(self.cluster.processes[name].pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):  # it is going
                    if "nbexec.runner.fork_server" in " ".join(process.cmdline()):
                        found += [child for child in process.children(recursive=True) if alive(child.pid)]
        return found

    def where(self, begun: Begun) -> str:
        """Return the name of the worker that an execution runs on."""
        ancestors = {process.pid for process in psutil.Process(begun.runner).parents()}
        return next(name for name in self.cluster.workers() if self.cluster.processes[name].pid in ancestors)
