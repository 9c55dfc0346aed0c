"""The command line in an environment of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List

import psutil
import pytest
from helpers import wait_for

IMPATIENT = "from nbexec.client import patience; patience._DELAYS = (0.0, 0.1, 0.2)"


class Cli:
    """The command in an environment of its own, in which no server runs unless a test says so."""

    def __init__(self, home: Path) -> None:
        self.temporary = home / "tmp"
        self.work = home / "work"
        ours = ("JUPYTER_", "NBEXEC_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_")
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self.environ.update(TMPDIR=str(self.temporary), JUPYTER_CONFIG_DIR=str(home / "config"),
                            JUPYTER_RUNTIME_DIR=str(home / "runtime"), COLUMNS="120")
        for directory in (self.temporary, self.work, home / "config"):
            directory.mkdir()
        self.config = home / "config"

    def __call__(self, *arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(arguments), cwd=self.work, env={**self.environ, **environ}, timeout=100,
                              capture_output=True, stdin=subprocess.DEVNULL, text=True)

    def start(self, *arguments: object, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(self.command(arguments), cwd=self.work, env={**self.environ, **environ},
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))

    def with_modules_of_config(self) -> str:
        """Return a PYTHONPATH on which the modules in `config` come first."""
        return os.pathsep.join([str(self.config), *filter(None, [os.environ.get("PYTHONPATH")])])

    def with_code(self, code: str) -> Dict[str, str]:
        """Return variables with which the command runs some code before all else."""
        (self.config / "sitecustomize.py").write_text(code)
        return {"PYTHONPATH": self.with_modules_of_config()}

    @staticmethod
    def command(arguments: Any) -> List[str]:
        return [sys.executable, "-m", "nbexec.cli", *map(str, arguments)]

    def processes(self) -> List[psutil.Process]:
        """Return what the command has started and is still there."""
        return [process for process in psutil.process_iter() if self._is_mine(process)]

    def processes_of_runs(self) -> List[psutil.Process]:
        """Return the fork servers, runners and kernels that the command has started."""
        return [process for process in self.processes() if "nbexec.runner" in " ".join(process.cmdline())]

    def _is_mine(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("TMPDIR") == str(self.temporary)
        except psutil.Error:
            return False

    def check_nothing_is_left(self) -> None:
        wait_for(lambda: not self.processes(), 10, "what the command started to go")
        assert list(self.temporary.glob("nbexec-*")) == []


@pytest.fixture
def cli() -> Iterator[Cli]:
    home = Path(tempfile.mkdtemp(prefix="cli")).resolve()  # short, because paths of sockets have to be
    command = Cli(home)
    yield command
    for process in command.processes():
        process.kill()
    shutil.rmtree(home, ignore_errors=True)
