"""Programs that run notebooks without a server, and how they end: nothing of theirs is left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command import Cli
from helpers import wait_for, write_notebook

SLEEP = "open('begun', 'w').close(); import time; time.sleep(600)"
PROGRAM = "import nbexec; print(nbexec.run_notebook('a.ipynb').status)"
MANY_OPEN_FILES = """
import os, resource
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (2048, hard))
held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
"""
IN_A_THREAD = """
import nbexec, os, threading, time
threading.Thread(target=nbexec.run_notebook, args=('a.ipynb',), daemon=True).start()
while not os.path.exists('begun'):
    time.sleep(0.01)
"""
KERNEL_AND_CHILD = "import subprocess; subprocess.Popen(['sleep', '600'])"


def start(cli: Cli, program: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program], cwd=cli.work, env=cli.environ, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))


def partial_output(cli: Cli) -> Path:
    return cli.work / "a-Executed1.ipynb"


@pytest.mark.parametrize("number, code", [
    (signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_program_that_is_stopped_leaves_its_output_and_nothing_else(cli: Cli, number: int, code: int) -> None:
    write_notebook(cli.work / "a.ipynb", "print('so far')", KERNEL_AND_CHILD, SLEEP)
    with start(cli, PROGRAM) as process:
        wait_for((cli.work / "begun").exists, 60, "the last cell to run")
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr
    assert ("KeyboardInterrupt" in stderr) == (number == signal.SIGINT)
    wait_for(partial_output(cli).exists, 10, "the output")
    assert "so far" in partial_output(cli).read_text()
    cli.check_nothing_is_left()


def test_a_program_with_many_open_files_runs_notebooks(cli: Cli) -> None:
    """Descriptors above 1023 are passed on to the fork server, and nothing there may depend on ``select``."""
    write_notebook(cli.work / "a.ipynb", "1")
    with start(cli, f"{MANY_OPEN_FILES}\n{PROGRAM}") as process:
        stdout, stderr = process.communicate(timeout=90)
    assert (process.returncode, stdout) == (0, "completed\n"), stderr
    cli.check_nothing_is_left()


def test_a_program_that_ends_ends_its_runs(cli: Cli) -> None:
    write_notebook(cli.work / "a.ipynb", "print('so far')", SLEEP)
    with start(cli, IN_A_THREAD) as process:
        _, stderr = process.communicate(timeout=90)
    assert process.returncode == 0, stderr
    assert "so far" in partial_output(cli).read_text()
    cli.check_nothing_is_left()


def test_a_program_leaves_nothing(cli: Cli) -> None:
    atexit = "import atexit; atexit.register(lambda: (__import__('time').sleep(1), open('done', 'w').close()))"
    write_notebook(cli.work / "a.ipynb", atexit)
    with start(cli, PROGRAM) as process:
        stdout, stderr = process.communicate(timeout=90)
    assert (process.returncode, stdout, stderr) == (0, "completed\n", "")
    assert (cli.work / "done").exists(), "the kernel had no time to end well"
    cli.check_nothing_is_left()


def test_an_orphan_of_the_command_leaves_nothing(cli: Cli) -> None:
    write_notebook(cli.work / "a.ipynb", "print('so far')", SLEEP)
    with cli.start("run", "a.ipynb") as process:
        wait_for((cli.work / "begun").exists, 60, "the last cell to run")
        process.kill()
        process.communicate(timeout=60)
    wait_for(partial_output(cli).exists, 10, "the output")
    cli.check_nothing_is_left()


def test_the_command_says_where_it_runs_and_starts_no_server(cli: Cli) -> None:
    write_notebook(cli.work / "a.ipynb", "1")
    done = cli("run", "a.ipynb")
    assert (done.returncode, done.stdout) == (0, "a-Executed1.ipynb\n"), done.stderr
    assert done.stderr.splitlines()[0] == f"Running without a server ({sys.executable})"
    assert not list(cli.work.parent.glob("runtime/*.json"))


def test_the_calling_process_imports_neither_the_server_nor_nbconvert(cli: Cli) -> None:
    write_notebook(cli.work / "a.ipynb", "1")
    heavy = {"notebook", "nbconvert", "nbformat", "nbclient", "requests", "jupyter_client", "IPython", "zmq",
             "traitlets"}
    program = f"{PROGRAM}\nimport sys\nprint(sorted(set(sys.modules) & {heavy!r}))"
    with start(cli, program) as process:
        stdout, stderr = process.communicate(timeout=90)
    assert (stdout, stderr) == ("completed\n[]\n", "")
