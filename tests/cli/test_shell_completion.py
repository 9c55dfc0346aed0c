"""Completion as a user of each shell sees it, on a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import sys
import time
from pathlib import Path
from typing import Dict, Iterator, List

import pytest
from command import Cli
from helpers import write_notebook

SHELLS: Dict[str, List[str]] = {
    "bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"], "fish": ["fish", "--no-config", "-i"]}
SETUP = {"bash": 'eval "$(nbexec completion bash)"',
         "zsh": 'autoload -Uz compinit; compinit -u; eval "$(nbexec completion zsh)"',
         "fish": "nbexec completion fish | source"}
ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()].|\x1b[=>]|\x1b\][^\x07]*\x07|\x08|\r")
PARAMS = "# nbexec: params\nregion = 'North'\nlimit_of_rows = 1"


class Shell:
    """A shell on a terminal of its own."""

    def __init__(self, name: str, cli: Cli) -> None:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environ = {**cli.environ, "PATH": path, "HOME": str(cli.work), "TERM": "xterm", "PS1": "$ "}
        pid, self._terminal = pty.fork()
        if pid == 0:
            os.chdir(cli.work)
            os.execvpe(name, SHELLS[name], environ)
        self._pid = pid

    def type(self, text: str, expected: str, keys: str = "") -> str:
        """Type a text, and then keys again and again, until the shell shows what is expected; return all it shows."""
        shown = b""
        os.write(self._terminal, text.encode())
        deadline, again = time.monotonic() + 60, time.monotonic() + 5
        while expected.encode() not in ESCAPES.sub(b"", shown):
            assert time.monotonic() < deadline, f"{expected!r} is not in {shown!r}"
            if select.select([self._terminal], [], [], 0.2)[0]:
                shown += os.read(self._terminal, 65536)
            elif keys and time.monotonic() > again:
                os.write(self._terminal, keys.encode())
                again += 5
        return ESCAPES.sub(b"", shown).decode("utf-8", "replace")

    def close(self) -> None:
        os.kill(self._pid, 9)
        os.waitpid(self._pid, 0)
        os.close(self._terminal)


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, cli: Cli) -> Iterator[Shell]:
    if shutil.which(request.param) is None:
        pytest.skip(f"no {request.param}: apt-get install {request.param}")
    write_notebook(cli.work / "alone.ipynb", PARAMS)
    (cli.work / "alone.txt").touch()
    shell = Shell(request.param, cli)
    shell.type(f"{SETUP[request.param]}; echo re''ady\n", "ready\n")
    yield shell
    shell.close()


def test_a_shell_completes_commands_notebooks_and_parameters(shell: Shell) -> None:
    shell.type("nbexec ru\t", "nbexec run ", "\t")
    shell.type("al\t", "alone.ipynb", "\t")
    shell.type(" -p lim\t", "limit_of_rows", "\t")
    shown = shell.type(" --overw\t", "--overwrite", "\t")
    assert "Traceback" not in shown


def test_ctrl_c_while_a_shell_completes_shows_no_traceback(shell: Shell) -> None:
    shown = shell.type("nbexec run alone.ipynb -p \t\x03\necho aft''er\n", "after\n")
    assert "Traceback" not in shown
