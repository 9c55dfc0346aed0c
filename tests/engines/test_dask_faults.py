"""What goes wrong on a Dask cluster: each fault is told in words, and no notebook runs twice."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Dict, Iterator

import distributed
import psutil
import pytest
import requests
from command import Cli
from dask_cluster import DaskCluster, DaskServer
from helpers import TOKEN, Begun, alive, begin, text_of, wait_for, write_notebook

from nbexec._version import __version__
from nbexec.cluster.descriptors import missing

MARK = "open('marks', 'a').write('ran\\n')\n"
SLEEP = "import time; time.sleep(600)"
SO_FAR = MARK + "print('so far', flush=True)\nopen('ready', 'w').close()\n" + SLEEP


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A cluster for most tests, which end its processes; `server` starts those that are missing."""
    cluster = DaskCluster(tmp_path_factory.mktemp("dask"))
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def shared_server(cluster: DaskCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskServer]:
    server = DaskServer(cluster, tmp_path_factory.mktemp("server"))
    yield server
    server.stop()


@pytest.fixture()
def server(shared_server: DaskServer, cluster: DaskCluster) -> DaskServer:
    """A server whose cluster has one worker at least, and a root directory without files."""
    complete(cluster)
    for file in shared_server.root.iterdir():
        if not file.name.startswith("."):
            file.unlink()
    return shared_server


def complete(cluster: DaskCluster) -> None:
    if cluster.is_gone("scheduler"):
        cluster.start_scheduler()
    if not cluster.workers():
        cluster.start_worker(f"worker{len(cluster.processes)}")


def started(server: DaskServer) -> Begun:
    """Return an execution whose second cell is running on the cluster."""
    begun = begin(server, server.root, SO_FAR)
    wait_for((server.root / "ready").exists)
    return begun


def assert_ran_once(server: DaskServer) -> None:
    assert (server.root / "marks").read_text() == "ran\n"


def output(server: DaskServer, begun: Begun) -> str:
    wait_for((server.root / begun.output).exists, 15, "the output so far")
    return text_of(server.output(begun.output).cells[1])


def bridge(server: DaskServer) -> psutil.Process:
    children = psutil.Process(server.process.pid).children()
    return next(child for child in children
                if alive(child.pid) and "nbexec.cluster.bridge" in " ".join(child.cmdline()))


# -- workers --------------------------------------------------------------------------------------


def test_a_worker_that_is_stopped_lets_notebooks_save(server: DaskServer, cluster: DaskCluster) -> None:
    cluster.start_worker(f"worker{len(cluster.processes)}")  # where Dask starts the task anew
    begun = started(server)
    name = server.where(begun)
    assert server.model(begun.exec_id)["where"] == name
    cluster.processes[name].terminate()
    error = list(begun.events)[-1]
    assert error["execution"]["where"] == name
    assert error["error"] == f"the Dask worker {name} was stopped"
    assert error["output_path"] == begun.output
    assert output(server, begun) == "so far\n"
    assert_ran_once(server)


def test_a_worker_that_is_killed_lets_notebooks_save(server: DaskServer, cluster: DaskCluster) -> None:
    begun = started(server)
    name = server.where(begun)
    cluster.worker_process(name).kill()  # its nanny starts another one
    last = list(begun.events)[-1]
    assert last["error"] == f"the runner process died: the Dask worker {name} was lost: the connection was closed"
    assert last["output_path"] == server.model(begun.exec_id)["output_path"] == begun.output
    assert output(server, begun) == "so far\n"
    wait_for(lambda: not alive(begun.kernel))
    assert server.run(write_notebook(server.root / "b.ipynb", "1"))[-1]["event"] == "notebook_complete"
    assert_ran_once(server)


def test_a_worker_that_is_retired_lets_notebooks_save(server: DaskServer, cluster: DaskCluster) -> None:
    cluster.start_worker(f"worker{len(cluster.processes)}")
    begun = started(server)
    name = server.where(begun)
    with distributed.Client(cluster.address) as client:
        client.retire_workers(names=[name])
    last = list(begun.events)[-1]
    assert last["error"] == f"the Dask worker {name} was stopped"
    assert last["output_path"] == begun.output and output(server, begun) == "so far\n"
    wait_for(lambda: not alive(begun.kernel))
    assert_ran_once(server)


@pytest.mark.cluster
def test_notebooks_save_when_workers_are_restarted(server: DaskServer, cluster: DaskCluster) -> None:
    begun = started(server)
    name = server.where(begun)
    with distributed.Client(cluster.address) as client:
        client.restart(wait_for_workers=False)
    last = list(begun.events)[-1]
    assert last["error"] == f"the Dask worker {name} was stopped"
    assert last["output_path"] == begun.output and output(server, begun) == "so far\n"
    assert server.run(write_notebook(server.root / "b.ipynb", "1"))[-1]["event"] == "notebook_complete"
    assert_ran_once(server)


@pytest.mark.cluster
def test_a_worker_that_is_frozen_is_given_up(server: DaskServer, cluster: DaskCluster) -> None:
    begun = started(server)
    name = server.where(begun)
    worker = cluster.worker_process(name)
    worker.suspend()
    try:
        last = list(begun.events)[-1]
        why = "it gave no sign of life for 28 seconds"
        assert last["error"] == f"the runner process died: the Dask worker {name} was lost: {why}"
        assert text_of(server.output(last["output_path"]).cells[0]).split()[0] == str(begun.kernel)
    finally:
        worker.resume()
    wait_for(lambda: not alive(begun.kernel))
    assert_ran_once(server)


def test_a_runner_that_is_killed_is_told_with_its_signal(server: DaskServer) -> None:
    begun = started(server)
    os.kill(begun.runner, signal.SIGKILL)
    last = list(begun.events)[-1]
    assert last["error"] == "the runner process died: killed by signal 9, SIGKILL"
    assert last["output_path"] == begun.output and text_of(server.output(begun.output).cells[0])
    assert_ran_once(server)


# -- the scheduler and the bridge -----------------------------------------------------------------


def test_a_lost_scheduler_ends_notebooks_with_their_output(server: DaskServer, cluster: DaskCluster) -> None:
    begun = started(server)
    cluster.processes["scheduler"].kill()
    error = list(begun.events)[-1]["error"]
    assert re.fullmatch(r"the Dask scheduler was lost, so its worker worker\d+ stopped", error)
    assert output(server, begun) == "so far\n"
    wait_for(lambda: "was lost" in server.log)
    waiting = server.start_run(write_notebook(server.root / "b.ipynb", "1"))
    wait_for(lambda: not cluster.workers())
    complete(cluster)
    assert server.wait_until_final(waiting)["status"] == "completed"
    assert_ran_once(server)


def test_a_killed_bridge_is_replaced(server: DaskServer) -> None:
    begun = started(server)
    bridge(server).kill()
    last = list(begun.events)[-1]
    assert last["error"] == "the runner process died: the bridge to the Dask cluster was lost"
    assert last["output_path"] == begun.output
    assert output(server, begun) == "so far\n"
    wait_for(lambda: not alive(begun.kernel))
    assert server.run(write_notebook(server.root / "b.ipynb", "1"))[-1]["event"] == "notebook_complete"
    assert_ran_once(server)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_the_server_ends_its_notebooks(
        cluster: DaskCluster, tmp_path: Path, number: signal.Signals) -> None:
    complete(cluster)
    server = DaskServer(cluster, tmp_path)
    begun = started(server)
    its_bridge = bridge(server)
    server.stop(number)
    assert output(server, begun) == "so far\n"
    wait_for(lambda: not alive(begun.kernel) and not alive(its_bridge.pid), 10)
    assert not list(server.root.glob(".nbexec*"))
    assert_ran_once(server)


def with_old(package: str, module: str, folder: Path) -> Dict[str, str]:
    """Return the environment of a process in which a package says that it is of an old version."""
    metadata = folder / f"{package}-0.0.1.dist-info"
    metadata.mkdir(parents=True)
    (folder / "sitecustomize.py").write_text(f"import {module} as module\nmodule.__version__ = '0.0.1'\n")
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.0.1\n")
    return {"PYTHONPATH": str(folder)}


# -- nothing free ---------------------------------------------------------------------------------


def test_executions_wait_for_a_slot(server: DaskServer) -> None:
    waiting = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.02)"
    source = write_notebook(server.root / "a.ipynb", waiting)
    slots = 2 * len(server.cluster.workers())
    streams = [server.stream(notebook=source.name) for _ in range(slots + 1)]
    for stream in streams[:-1]:
        assert "notebook_start" in (event["event"] for event in stream)
    assert next(streams[-1])["event"] == "notebook_queue"
    (server.root / "go").touch()
    assert [list(stream)[-1]["event"] for stream in streams] == ["notebook_complete"] * (slots + 1)


def test_executions_that_are_stopped_at_once_free_slots_and_sockets(server: DaskServer) -> None:
    source = write_notebook(server.root / "a.ipynb", "1")
    begin = time.monotonic()
    for _ in range(15):
        exec_id = server.start_run(source)
        server.run(source)
        assert server.post(f"/{exec_id}", action="shutdown").status_code == 202
    assert time.monotonic() - begin < 25  # a runner that nobody attaches to would keep its slot for half a minute


def test_executions_wait_for_a_scheduler_and_for_workers_that_fit(tmp_path: Path, cli: Cli) -> None:
    """With a limit of its own, the server asks an adaptive cluster for workers."""
    cluster = DaskCluster(tmp_path / "dask")
    server = DaskServer(cluster, tmp_path / "server", "--NbExec.max_running=4")
    try:
        source = write_notebook(server.root / "a.ipynb", MARK)
        assert server.post(notebook="b.ipynb").status_code == 404
        assert server.post(notebook="a.ipynb", x="1").status_code == 400
        first, second = (server.stream(notebook=source.name) for _ in range(2))
        waiting = [next(first), next(second)]
        assert [event["event"] for event in waiting] == ["notebook_queue", "notebook_queue"]
        assert cluster.address in waiting[0]["problems"][0]
        doctor = json.loads(cli("doctor", "--json", JUPYTER_RUNTIME_DIR=str(server.runtime_dir)).stdout)["findings"]
        problems = [finding["text"] for finding in doctor if server.url in finding["subject"]]
        assert any(cluster.address in text for text in problems) and any("not encrypted" in text for text in problems)
        stopped = server.get().json()["executions"][0]["exec_id"]
        assert server.post(f"/{stopped}", action="shutdown").status_code == 202
        assert "shut down" in server.wait_until_final(stopped)["status"]
        old = cluster.start_scheduler(environment=with_old("distributed", "distributed", tmp_path / "1"))
        own = distributed.__version__
        wait_for(lambda: f"it has distributed 0.0.1, and the notebook server has {own}." in server.log, 30)
        old.kill()
        old.wait()
        cluster.start_scheduler()
        cluster.start_worker("alice", preload=False, environment=with_old("nbexec", "nbexec._version", tmp_path / "2"))
        wait_for(lambda: "it was started without --preload nbexec.dask_worker" in server.log)
        assert f"it has nbexec 0.0.1, and the notebook server has {__version__}, it was started" in server.log
        cluster.start_worker("bob")
        ends = {list(events)[-1]["event"] for events in (first, second)}
        engine = server.get("/engine").json()
        assert {worker["name"]: worker["slots"] for worker in engine["workers"]} == {"alice": 2, "bob": 2}
        assert engine["slots"] == 2 and "alice" in engine["problems"][0]
        assert 'nbexec_worker_slots{engine="dask",worker="bob"} 2.0' in requests.get(
            f"{server.url}metrics", headers={"Authorization": f"token {TOKEN}"}, timeout=30).text
        assert ends == {"notebook_complete", "notebook_error"}
        assert_ran_once(server)
    finally:
        server.stop()
        cluster.stop()


def test_a_worker_needs_files_for_its_slots() -> None:
    assert missing(2) == ""
    assert "ulimit -n" in missing(10 ** 9)


# -- files ----------------------------------------------------------------------------------------


def test_without_shared_files_the_notebook_is_sent_and_the_output_comes_back(
        cluster: DaskCluster, tmp_path: Path) -> None:
    complete(cluster)
    server = DaskServer(cluster, tmp_path, "--NbExec.dask_shared=False")
    try:
        events = server.run(write_notebook(server.root / "a.ipynb", "import os; print(os.getcwd())"))
        assert events[-1]["event"] == "notebook_complete"
        assert text_of(server.output("a-Executed1.ipynb").cells[0]).startswith(str(cluster.folder))
        begun = begin(server, server.root, SLEEP)
        os.kill(begun.runner, signal.SIGKILL)
        last = list(begun.events)[-1]
        assert text_of(server.output(last["output_path"]).cells[0]).split()[0] == str(begun.kernel)
    finally:
        server.stop()


def test_workers_with_files_of_their_own_are_not_used(cluster: DaskCluster, tmp_path: Path) -> None:
    complete(cluster)
    server = DaskServer(cluster, tmp_path, f"--NbExec.dask_shared={tmp_path}=/nowhere")
    try:
        wait_for(lambda: "it does not have the files of the notebook server (/nowhere" in server.log)
    finally:
        server.stop()
