"""Kernels of another interpreter, one in which nbexec is not installed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import psutil
import pytest
from helpers import PIDS, Server, alive, begin, in_time, names, text_of, wait_for, write_notebook

FORKED = "forked from its own interpreter"
SPAWNED = "started by its command line"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter of a virtual environment that has ipykernel."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    program = str(folder / "bin" / "python")
    subprocess.run([program, "-m", "pip", "install", "--quiet", "ipykernel<7"], check=True, timeout=300)
    return program


@pytest.fixture(scope="module")
def other(python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a kernel of that interpreter, whose fork server is there."""
    server = Server(tmp_path_factory.mktemp("other"))
    add_kernel(server, "other", python)
    await_fork_server(server)
    server.wait_until_quiet()
    yield server
    server.stop()


def add_kernel(server: Server, name: str, program: str, **more: Any) -> None:
    folder = server.folder / "data" / "kernels" / name
    folder.mkdir(parents=True)
    spec = {"argv": [program, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": name,
            "language": "python", **more}
    (folder / "kernel.json").write_text(json.dumps(spec))


def starts(server: Server) -> List[str]:
    """Return how the kernels were started so far, as the log says."""
    lines = [line for line in server.log.splitlines() if " runs on kernel " in line]
    return [line.rpartition(": ")[2].rstrip(".") for line in lines]


def await_fork_server(server: Server) -> None:
    source = write_notebook(server.root / "first.ipynb", "1")
    before = server.log.count("There is a fork server for")
    server.run(source, jupyter_kernel="other")
    wait_for(lambda: server.log.count("There is a fork server for") > before, 60, "the fork server")


def kernel_forkserver(server: Server) -> psutil.Process:
    children = [child for child in psutil.Process(server.process.pid).children() if alive(child.pid)]
    (found,) = [child for child in children if child.pid != server.fork_server().pid]
    return found


def keepers(server: Server) -> List[psutil.Process]:
    return [child for child in kernel_forkserver(server).children() if alive(child.pid)]


SEEN = """
import sys, os, json
print(json.dumps({
    "version": sys.version, "prefix": sys.prefix, "executable": sys.executable, "path": sys.path,
    "cwd": os.getcwd(), "nbexec": sorted(name for name in sys.modules if name.partition(".")[0] == "nbexec"),
    "environment": {name: len(value) if name == "NBEXEC_EXEC_ID" else value for name, value in os.environ.items()
                    if name not in ("JPY_PARENT_PID", "_")},
    "stopped": get_ipython().execution_count, "names": sorted(name for name in dir() if name[0] != "_"),
    "spec": os.environ.get("OF_THE_SPEC"), "main": __name__, "arguments": len(sys.argv) }))
"""


def test_the_first_kernel_is_spawned_and_the_next_ones_are_forked(
        new_server: Callable[..., Server], python: str) -> None:
    server = new_server()
    add_kernel(server, "other", python, env={"OF_THE_SPEC": "yes"})
    await_fork_server(server)
    folder = server.root / "somewhere"
    folder.mkdir()
    source = write_notebook(folder / "seen.ipynb", SEEN)
    forked = json.loads(text_of(server.run(source, jupyter_kernel="other")[2]["cell"]))
    kernel_forkserver(server).kill()
    server.wait_until_quiet()
    wait_for(lambda: len(psutil.Process(server.process.pid).children()) == 1, what="the fork server to go")
    spawned = json.loads(text_of(server.run(source, jupyter_kernel="other")[2]["cell"]))
    assert starts(server) == [SPAWNED, FORKED, SPAWNED]
    assert forked == spawned
    assert forked["prefix"] == str(Path(python).parent.parent)
    assert (forked["cwd"], forked["spec"], forked["nbexec"]) == (str(folder), "yes", [])


def test_a_forked_kernel_goes_with_all_it_has_started(other: Server) -> None:
    cell = ("import os, subprocess\nchild = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
            "print(os.getpid(), child.pid)")
    events = other.run(write_notebook(other.root / "family.ipynb", cell), jupyter_kernel="other")
    assert starts(other)[-1] == FORKED
    family = [int(pid) for pid in text_of(events[2]["cell"]).split()]
    wait_for(lambda: not any(alive(pid) for pid in family) and not keepers(other), 10, "the family to go")


@pytest.mark.parametrize("action", ["shutdown", "kill the kernel", "kill the keeper", "kill the runner"])
def test_a_forked_kernel_can_be_stopped_and_killed(other: Server, tmp_path: Path, action: str) -> None:
    folder = other.root / action.replace(" ", "_")
    folder.mkdir()
    begun = begin(other, folder, "import subprocess, time\nsubprocess.Popen(['sleep', '1000'])\ntime.sleep(1000)",
                  jupyter_kernel="other")
    assert starts(other)[-1] == FORKED
    (keeper,) = keepers(other)
    if action == "shutdown":
        assert other.post(f"/{begun.exec_id}", action="shutdown").status_code == 202
        reason = "the execution was shut down"
    else:
        os.kill({"kill the kernel": begun.kernel, "kill the keeper": keeper.pid,
                 "kill the runner": other_runner(other)}[action], signal.SIGKILL)
        reason = "died"
    began = time.monotonic()
    events = list(begun.events)
    assert in_time(other, time.monotonic() - began, 10)
    assert events[-1]["event"] == "notebook_error" and reason in events[-1]["error"]
    if action.startswith("kill the k"):
        assert "signal 9, SIGKILL" in events[-1]["error"]
    wait_for(lambda: not alive(begun.kernel) and not keepers(other), 30, "the kernel to go")
    other.wait_until_quiet()


def other_runner(server: Server) -> int:
    """Return the runner of the only execution; those of earlier ones may still be ending."""
    def runners() -> List[int]:
        found = [child.pid for child in server.fork_server().children() if alive(child.pid)]
        return found if len(found) == 1 else []

    return int(wait_for(runners, 30, "earlier runners to go")[0])


def test_packages_installed_there_are_seen_by_the_next_execution(other: Server, python: str) -> None:
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'], end='')"
    packages = Path(subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout)
    old = kernel_forkserver(other).pid
    (packages / "just_installed.py").write_text("value = 42")
    source = write_notebook(other.root / "installed.ipynb", "import just_installed; print(just_installed.value)")
    assert text_of(other.run(source, jupyter_kernel="other")[2]["cell"]) == "42\n"
    assert starts(other)[-1] == SPAWNED
    wait_for(lambda: not alive(old), 30, "the old fork server to go")
    await_fork_server_again(other, source)


def await_fork_server_again(server: Server, source: Path) -> None:
    def forked() -> bool:
        server.run(source, jupyter_kernel="other")
        return starts(server)[-1] == FORKED

    wait_for(forked, 60, "the next fork server")


def test_an_interpreter_without_ipykernel_is_told_by_the_error(
        new_server: Callable[..., Server], tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    server = new_server()
    add_kernel(server, "other", str(tmp_path / "bare" / "bin" / "python"))
    source = write_notebook(server.root / "a.ipynb", "1")
    for _ in range(2):
        events = server.run(source, jupyter_kernel="other")
        assert names(events) == ["notebook_start", "notebook_error"]
        assert "ipykernel" in events[-1]["error"]
    assert "Cannot start a fork server for" in server.log
    server.wait_until_quiet()


def test_the_fork_server_goes_with_the_server(new_server: Callable[..., Server], python: str) -> None:
    server = new_server()
    add_kernel(server, "other", python)
    await_fork_server(server)
    fork_server = kernel_forkserver(server).pid
    server.process.kill()
    server.process.wait()
    wait_for(lambda: not alive(fork_server), 10, "the fork server to go")
    server = new_server()
    add_kernel(server, "other", python)
    await_fork_server(server)
    begun = begin(server, server.root, "import time; time.sleep(1000)", jupyter_kernel="other")
    fork_server = kernel_forkserver(server).pid
    server.stop()
    wait_for(lambda: not alive(fork_server) and not alive(begun.kernel), 10, "fork server and kernel to go")


# -- nbexec doctor ---------------------------------------------------------------------------------


def diagnosis(server: Server) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "nbexec"), "doctor"], text=True, stdout=subprocess.PIPE, timeout=100,
        env={**os.environ, "JUPYTER_DATA_DIR": str(server.folder / "data"),
             "JUPYTER_RUNTIME_DIR": str(server.runtime_dir), "JUPYTER_CONFIG_DIR": str(server.config_dir)})


def test_doctor_says_how_each_kernel_is_started(new_server: Callable[..., Server], python: str) -> None:
    server = new_server()
    config = {"NotebookApp": {"nbserver_extensions": {"nbexec": True}}}
    (server.config_dir / "jupyter_notebook_config.json").write_text(json.dumps(config))
    add_kernel(server, "other", python)
    add_kernel(server, "early", sys.executable, env={"PYTHONHASHSEED": "1"})
    add_kernel(server, "zone", sys.executable, env={"TZ": "Asia/Tokyo", "TMPDIR": "/tmp"})
    add_kernel(server, "rust", "rust", language="rust")
    found = diagnosis(server)
    lines: Dict[str, str] = dict(line[9:].split(": ", 1) for line in found.stdout.splitlines())
    assert lines["kernel python3"] == "forked"
    assert lines["kernel other"] == f"forked by a fork server of {python}, from its second execution on"
    assert lines["kernel zone"] == "forked by a fork server with TZ, from its second execution on"
    assert lines["kernel early"].endswith("because the variable PYTHONHASHSEED has to be there when a process starts")
    assert lines["kernel rust"].startswith("cannot be used")
    assert lines["server extension"] == "enabled"
    assert lines[server.url].startswith("is running with nbexec")
    assert found.returncode == 0


def test_doctor_finds_what_is_wrong(new_server: Callable[..., Server], tmp_path: Path) -> None:
    server = new_server()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    add_kernel(server, "bare", str(tmp_path / "bare" / "bin" / "python"))
    found = diagnosis(server)
    assert any(line.startswith("problem") and "cannot import ipykernel" in line for line in found.stdout.splitlines())
    assert found.returncode == 1


def test_doctor_takes_no_killed_server_for_a_running_one(new_server: Callable[..., Server]) -> None:
    server = new_server()
    server.stop(signal.SIGKILL)
    assert list(server.runtime_dir.glob("nbserver-*.json"))
    found = diagnosis(server).stdout
    assert server.url not in found
    assert "notebook servers: none is running" in found


def test_pids_are_those_of_kernel_and_keeper(other: Server) -> None:
    source = write_notebook(other.root / "pids.ipynb", PIDS)
    kernel, keeper = map(int, text_of(other.run(source, jupyter_kernel="other")[2]["cell"]).split())
    assert kernel != keeper
    wait_for(lambda: not alive(kernel) and not alive(keeper), 10, "both to go")
