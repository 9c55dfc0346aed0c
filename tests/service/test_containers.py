"""A server in a container: its user may have no home, and it may be process 1, with which all others end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict, List

import psutil
import pytest
from helpers import Server, names, text_of, wait_for, write_notebook
from nbformat.sign import NotebookNotary

STRANGER = 123456  # a user that the system does not know
PLACES: Dict[str, Callable[[Path], Dict[str, str]]] = {
    "no home": lambda folder: {"HOME": "/nonexistent", "JUPYTER_DATA_DIR": ""},
    "home is the root directory": lambda folder: {"HOME": "/", "JUPYTER_DATA_DIR": ""},
    "data directory that cannot be made": lambda folder: {"HOME": "/"},
    "data directory that is read-only": lambda folder: {"HOME": "/", "JUPYTER_DATA_DIR": str(read_only(folder))},
    "secret that cannot be made": lambda folder: {
        "HOME": "/", "JUPYTER_DATA_DIR": str(read_only(folder, "nbsignatures.db"))}}


def read_only(folder: Path, *but: str) -> Path:
    """Make a data directory with what a server leaves there, which others can only read."""
    data = folder / "read-only"
    data.mkdir(parents=True)
    notary = NotebookNotary(data_dir=str(data))
    assert notary.secret
    notary.store.close()
    for name in but:
        (data / "notebook_secret").unlink()
        (data / name).chmod(0o666)
    return data


@pytest.mark.parametrize("place", PLACES)
def test_a_server_without_a_place_for_signatures_works_without_trust(new_server: Callable[..., Server],
                                                                     tmp_path: Path, place: str) -> None:
    server = new_server(environment=PLACES[place](tmp_path / "data"), user=STRANGER, spares=True)
    source = write_notebook(server.root / "a.ipynb", "import os; print(os.getuid())")
    for number in (1, 2):
        events = server.run(source)
        assert names(events) == ["notebook_start", "start", "end", "notebook_complete"]
        output = server.output(f"a-Executed{number}.ipynb")
        assert text_of(output.cells[0]) == f"{STRANGER}\n"
    assert server.log.count("Output notebooks will not be trusted, because signatures cannot be stored") == 1
    assert "JUPYTER_DATA_DIR" in server.log
    assert "Error loading server extension" not in server.log


def test_a_server_with_a_place_for_signatures_says_nothing(server: Server) -> None:
    assert "will not be trusted" not in server.log


# -- process 1 ------------------------------------------------------------------------------------

CONTAINER = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
INIT = ["sh", "-c", '"$@" & wait; sleep 20', "init"]  # a process 1 that goes later than the server


@pytest.fixture()
def contained(new_server: Callable[..., Server]) -> Callable[[List[str]], Server]:
    """Start a server in a process namespace of its own."""
    if sys.platform != "linux" or os.geteuid() != 0 or subprocess.run([*CONTAINER, "true"]).returncode:
        pytest.skip("process namespaces are for root alone, on Linux")
    return lambda init: new_server(command=[*CONTAINER, *init])


def server_in(server: Server) -> psutil.Process:
    """Return the notebook server itself."""
    below = psutil.Process(server.process.pid).children(recursive=True)
    return next(process for process in below if process.cmdline()[1:3] == ["-m", "nbexec.notebook_server"])


@pytest.mark.parametrize("init, number", [([], signal.SIGTERM), (INIT, signal.SIGTERM), (INIT, signal.SIGKILL)],
                         ids=["process 1 stopped", "stopped", "killed"])
def test_output_so_far_is_written_unless_process_1_is_killed(contained: Callable[[List[str]], Server],
                                                             init: List[str], number: int) -> None:
    server = contained(init)
    server.start_run(write_notebook(server.root / "a.ipynb", "print('so far')",
                                    "open('here', 'w').close(); import time; time.sleep(600)"))
    wait_for((server.root / "here").exists)
    server_in(server).send_signal(number)
    wait_for((server.root / "a-Executed1.ipynb").exists)
    assert text_of(server.output("a-Executed1.ipynb").cells[0]) == "so far\n"
    wait_for(lambda: not list(server.temporary.glob("nbexec-*")), 20, "the folder of the server to go")
    server.process.kill()
    server.process.wait()
