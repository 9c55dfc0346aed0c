"""The link between the notebook server and a worker is cut: both are in network namespaces of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Iterator

import pytest
from dask_cluster import DaskCluster, DaskServer
from helpers import alive, begin, text_of, wait_for, write_notebook

pytestmark = pytest.mark.cluster
COUNT = 60
COUNTING = f"""
import time
open("marks", "a").write("ran\\n")
for number in range({COUNT}):
    print(number, flush=True)
    time.sleep(0.1)
"""


class Link:
    """A pair of interfaces, one of which is in a namespace of its own."""

    def __init__(self) -> None:
        self.namespace = f"nbexec-{os.getpid()}"
        self._here, there = f"nbx{os.getpid()}a"[:15], f"nbx{os.getpid()}b"[:15]
        network = f"10.{os.getpid() // 250 % 250}.{os.getpid() % 250}"
        self.near, self._far = f"{network}.1", f"{network}.2"
        inside = f"netns exec {self.namespace} ip"
        for command in (f"netns add {self.namespace}", f"link add {self._here} type veth peer name {there}",
                        f"link set {there} netns {self.namespace}", f"addr add {self.near}/24 dev {self._here}",
                        f"link set {self._here} up", f"{inside} addr add {self._far}/24 dev {there}",
                        f"{inside} link set {there} up", f"{inside} link set lo up"):
            self._ip(command)

    def cut(self) -> None:
        """Send what goes to the other end nowhere."""
        self._ip(f"neigh replace {self._far} lladdr 02:00:00:00:00:99 dev {self._here} nud permanent")

    def mend(self) -> None:
        self._ip(f"neigh del {self._far} dev {self._here}")

    def remove(self) -> None:
        self._ip(f"netns del {self.namespace}")

    def _ip(self, command: str) -> None:
        subprocess.run(["ip", *command.split()], check=True, capture_output=True)


@pytest.fixture(scope="module")
def link() -> Iterator[Link]:
    if not sys.platform.startswith("linux") or os.getuid() != 0:
        pytest.skip("only root on Linux can make a network namespace")
    try:
        link = Link()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespace can be made here: {error}")
    yield link
    link.remove()


@pytest.fixture(scope="module")
def server(link: Link, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskServer]:
    cluster = DaskCluster(tmp_path_factory.mktemp("dask"), host=link.near,
                          before_workers=["ip", "netns", "exec", link.namespace])
    cluster.start_scheduler()
    cluster.start_worker("alice")
    server = DaskServer(cluster, tmp_path_factory.mktemp("server"))
    yield server
    server.stop()
    cluster.stop()


def test_nothing_is_lost_when_a_link_is_cut_for_seconds(link: Link, server: DaskServer) -> None:
    source = write_notebook(server.root / "count.ipynb", COUNTING, "print('after')")
    stream = server.stream(notebook=source.name)
    wait_for(lambda: next(stream)["event"] == "start")
    link.cut()
    time.sleep(5)
    link.mend()
    last = list(stream)[-1]
    assert last["event"] == "notebook_complete"
    first, second = server.output(last["execution"]["output_path"]).cells
    assert text_of(first).split() == [str(number) for number in range(COUNT)] and text_of(second) == "after\n"
    assert (server.root / "marks").read_text() == "ran\n"


def test_an_execution_ends_when_its_link_is_cut_for_good(link: Link, server: DaskServer) -> None:
    (server.root / "marks").unlink(missing_ok=True)
    begun = begin(server, server.root, COUNTING + "time.sleep(600)")
    link.cut()
    last = list(begun.events)[-1]
    link.mend()
    assert last["error"].startswith("the runner process died: the Dask worker alice was lost: ")
    assert last["output_path"] == begun.output
    wait_for(lambda: not alive(begun.kernel), 30)
    assert text_of(server.output(begun.output).cells[0]).split()[0] == str(begun.kernel)
    assert (server.root / "marks").read_text() == "ran\n"
