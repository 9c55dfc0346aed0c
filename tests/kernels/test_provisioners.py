"""Kernels that jupyter_client's provisioners start, by a provisioner that is installed for these tests."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest
from helpers import (
    ORDINARY,
    PIDS,
    STREAM,
    Server,
    add_kernel,
    alive,
    begin,
    names,
    spares_of,
    text_of,
    wait_for,
    write_notebook,
)

PROVISIONER = '''
import asyncio
import json
import os

from jupyter_client.provisioning import LocalProvisioner
from traitlets import Float, Unicode


class Recording(LocalProvisioner):
    """Starts a kernel with a mark in its environment, and records what it is asked for."""

    mark = Unicode(config=True)
    record = Unicode(os.environ.get("RECORD"))
    failure = Unicode()
    delay = Float()
    blindness = Unicode()

    def note(self, verb):
        with open(self.record, "a") as file:
            file.write(json.dumps([verb, self.pid if verb == "launch" else 0]) + "\\n")

    async def pre_launch(self, **kwargs):
        kwargs = await super().pre_launch(**kwargs)
        kwargs["env"] = dict(kwargs["env"], MARK=self.mark)
        return kwargs

    async def launch_kernel(self, cmd, **kwargs):
        self.note("asked")
        await asyncio.sleep(self.delay)
        if self.failure:
            raise RuntimeError(self.failure)
        connection = await super().launch_kernel(cmd, **kwargs)
        self.note("launch")
        return connection

    async def poll(self):
        if os.path.exists(self.blindness):
            raise ConnectionError("the cluster is gone")
        return await super().poll()

    async def kill(self, restart=False):
        await self.send_signal(9)

    async def send_signal(self, signum):
        self.note("signal %d" % signum)
        if os.path.exists(self.blindness):
            raise ConnectionError("the cluster is gone")
        await super().send_signal(signum)

    async def shutdown_requested(self, restart=False):
        self.note("shutdown_requested")

    async def cleanup(self, restart=False):
        self.note("cleanup")
        await super().cleanup(restart)
'''
ENTRY_POINTS = """[jupyter_client.kernel_provisioners]
recording-provisioner = recording_provisioner:Recording
broken-provisioner = no_such_module:Nothing
"""
MARKED = "import os; print(os.environ.get('MARK'), os.getpid())"


class Installed:
    """The package of the provisioner, and what that has recorded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "packages"
        self.record = folder / "record"
        information = self.folder / "recording_provisioner-1.0.dist-info"
        information.mkdir(parents=True)
        (self.folder / "recording_provisioner.py").write_text(PROVISIONER)
        (information / "entry_points.txt").write_text(ENTRY_POINTS)
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: recording-provisioner\nVersion: 1.0\n")

    @property
    def environment(self) -> Dict[str, str]:
        return {"PYTHONPATH": str(self.folder), "RECORD": str(self.record)}

    def recorded(self) -> List[Any]:
        return [json.loads(line) for line in self.record.read_text().splitlines()]

    def verbs(self) -> List[str]:
        return [verb for verb, _ in self.recorded()]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("provisioner"))


@pytest.fixture(scope="module")
def provisioned(package: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("provisioned"), environment=package.environment)
    yield server
    server.stop()


@pytest.fixture()
def installed(package: Installed, provisioned: Server) -> Installed:
    """The package, which has recorded nothing yet."""
    provisioned.wait_until_quiet()
    package.record.write_text("")
    return package


@pytest.fixture()
def folder(provisioned: Server, tmp_path: Path) -> Path:
    """An empty folder below the root of the server."""
    path = provisioned.root / tmp_path.name
    path.mkdir()
    return path


def add_provisioned(server: Server, provisioner: str = "recording-provisioner", argv: Any = None,
                    **config: Any) -> str:
    stanza = {"provisioner_name": provisioner, "config": config}
    return add_kernel(server, "marked", ORDINARY if argv is None else argv, metadata={"kernel_provisioner": stanza})


def written(folder: Path, *cells: str) -> Path:
    return write_notebook(folder / "a.ipynb", *cells,
                          metadata={"kernelspec": {"name": "marked", "display_name": "marked", "language": "python"}})


@pytest.mark.parametrize("data", [{}, {"jupyter_kernel": "marked"}])
def test_a_kernel_is_started_by_its_provisioner(provisioned: Server, folder: Path, installed: Installed,
                                                data: Dict[str, str]) -> None:
    add_provisioned(provisioned, mark="here")
    cells = (MARKED, "import atexit; atexit.register(lambda: open('ended', 'w').close())",
             "!echo from a subprocess", "import sys; print(sys.argv)")
    events = provisioned.run(written(folder, *cells), **data)
    assert names(events)[-1] == "notebook_complete", events[-1]
    cell, _, subprocess, command = [event["cell"] for event in events if event["event"] == "end"]
    mark, pid = text_of(cell).split()
    assert mark == "here" and text_of(subprocess).strip() == "from a subprocess"
    assert "hist_file=:memory:" in text_of(command)
    provisioned.wait_until_quiet()
    assert installed.recorded()[1] == ["launch", int(pid)]
    assert installed.verbs() == ["asked", "launch", "shutdown_requested", "cleanup"]
    assert (folder / "ended").exists() and not alive(int(pid))
    assert "started by the provisioner recording-provisioner" in provisioned.log
    metadata = provisioned.output(events[-1]["execution"]["output_path"]).metadata
    assert metadata["kernelspec"]["name"] == "marked"


def test_the_provisioner_that_the_configuration_names_is_the_default(
        new_server: Callable[..., Server], installed: Installed) -> None:
    name = "--KernelProvisionerFactory.default_provisioner_name"
    server = new_server(f"{name}=recording-provisioner", environment=installed.environment)
    events = server.run(write_notebook(server.root / "a.ipynb", PIDS))
    assert names(events)[-1] == "notebook_complete", events[-1]
    assert installed.verbs()[:2] == ["asked", "launch"]
    refusing = new_server(f"{name}=nowhere-provisioner")
    write_notebook(refusing.root / "a.ipynb", "open('ran', 'w')")
    response = refusing.post(notebook="a.ipynb")
    assert response.status_code == 400 and "nowhere-provisioner" in response.json()["message"]
    assert refusing.get().json()["executions"] == [] and not (refusing.root / "ran").exists()


@pytest.mark.parametrize("provisioner, config, reason", [
    ("recording-provisioner", {"failure": "no room in the cluster"},
     "in 3 attempts: the provisioner 'recording-provisioner' failed: RuntimeError: no room in the cluster"),
    ("recording-provisioner", {"no_such_trait": 1, "delay": "x"}, "the provisioner 'recording-provisioner' failed"),
    ("broken-provisioner", {}, "the provisioner 'broken-provisioner' cannot be loaded: No module named")])
def test_a_kernel_that_its_provisioner_cannot_start_runs_nowhere_else(
        provisioned: Server, folder: Path, installed: Installed, provisioner: str, config: Dict[str, Any],
        reason: str) -> None:
    add_provisioned(provisioned, provisioner, **config)
    last = provisioned.run(written(folder, "open('ran', 'w')"))[-1]
    assert last["event"] == "notebook_error" and reason in last["error"], last
    assert not (folder / "ran").exists() and "launch" not in installed.verbs()
    provisioned.wait_until_quiet()


def test_a_provisioner_that_takes_long_can_be_stopped(provisioned: Server, folder: Path, installed: Installed) -> None:
    add_provisioned(provisioned, delay=600)
    exec_id = provisioned.start_run(written(folder, "1"))
    wait_for(lambda: "asked" in installed.verbs())
    provisioned.post(f"/{exec_id}", action="shutdown")
    assert "shut down" in provisioned.wait_until_final(exec_id)["status"]
    wait_for(lambda: "cleanup" in installed.verbs())
    provisioned.wait_until_quiet()
    assert "launch" not in installed.verbs()


def test_a_cell_of_a_provisioned_kernel_is_interrupted(provisioned: Server, folder: Path,
                                                       installed: Installed) -> None:
    add_provisioned(provisioned)
    cell = "import time\ntry:\n    time.sleep(600)\nfinally:\n    print('interrupted')"
    events = provisioned.run(written(folder, cell), cell_timeout="2")
    assert events[-1]["event"] == "notebook_error" and "2 seconds" in events[-1]["error"]
    assert text_of(provisioned.output(events[-1]["execution"]["output_path"]).cells[0]) == "interrupted\n"
    assert f"signal {int(signal.SIGINT)}" in installed.verbs()
    provisioned.wait_until_quiet()
    assert installed.verbs()[-1] == "cleanup"


@pytest.mark.parametrize("cell, how", [
    ("import os; os._exit(3)", "exit code 3"), ("import os; os.kill(os.getpid(), 9)", "SIGKILL")])
def test_the_end_of_a_provisioned_kernel_is_noticed(provisioned: Server, folder: Path, cell: str, how: str) -> None:
    add_provisioned(provisioned)
    last = provisioned.run(written(folder, "print(1)", cell))[-1]
    assert last["event"] == "notebook_error" and "died" in last["error"] and how in last["error"]
    assert "cell 2/2" in last["error"]
    provisioned.wait_until_quiet()


def test_a_provisioner_that_loses_its_kernel_ends_the_execution_and_leaves_nothing(provisioned: Server, folder: Path,
                                                                                   tmp_path: Path) -> None:
    add_provisioned(provisioned, blindness=str(tmp_path / "blind"))
    last = provisioned.run(written(folder, f"open({str(tmp_path / 'blind')!r}, 'w').close()\n"
                                                "import time; time.sleep(600)"))[-1]
    assert last["event"] == "notebook_error" and "the cluster is gone" in last["error"], last
    provisioned.wait_until_quiet()


def test_nothing_is_left_of_a_provisioned_kernel_when_the_server_is_killed(
        new_server: Callable[..., Server], installed: Installed) -> None:
    server = new_server(environment=installed.environment)
    add_provisioned(server)
    begun = begin(server, server.root, "import time; time.sleep(600)", jupyter_kernel="marked")
    server.process.kill()
    server.process.wait()
    wait_for(lambda: not alive(begun.kernel) and not alive(begun.runner), 10, "kernel and runner to go")
    assert installed.verbs()[-1] == "cleanup"
    assert text_of(server.output(begun.output).cells[0])


def test_a_provisioned_kernel_needs_no_command_line(provisioned: Server, folder: Path, installed: Installed) -> None:
    """What is started is up to the provisioner; this one needs something, and its failure is told."""
    add_provisioned(provisioned, argv=[])
    last = provisioned.run(written(folder, "1"))[-1]
    assert last["event"] == "notebook_error" and "'recording-provisioner' failed" in last["error"]
    assert "asked" in installed.verbs()


def test_a_kernel_that_was_kept_ready_does_not_take_the_place_of_a_provisioned_one(
        new_server: Callable[..., Server], installed: Installed) -> None:
    server = new_server("--NbExec.spares=1", spares=True, environment=installed.environment)
    spares_of(server, 1)
    add_provisioned(server, mark="here")
    events = server.run(written(server.root, MARKED))
    assert text_of(next(event["cell"] for event in events if event["event"] == "end")).startswith("here ")
    assert names(events)[-1] == "notebook_complete"
    assert installed.verbs()[:2] == ["asked", "launch"]


def test_a_stream_ends_when_an_execution_with_a_provisioned_kernel_is_deleted(
        provisioned: Server, folder: Path, installed: Installed) -> None:
    add_provisioned(provisioned)
    begun = begin(provisioned, folder, "import time; time.sleep(600)", jupyter_kernel="marked")
    assert provisioned.delete(f"/{begun.exec_id}", headers=STREAM).status_code == 202
    assert not alive(begun.kernel)
