"""Who can do what on a Dask cluster: TLS, what is told to Dask, and what a hostile worker achieves."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path
from typing import Any, Dict, Iterator, List

import psutil
import pytest
from coroutines import run
from dask_cluster import DaskCluster, DaskServer
from encryption import make_certificates
from helpers import TOKEN, Server, text_of, wait_for, write_notebook

SECRET = "word-that-nobody-may-see"
WAIT = "import os, time\nprint('begun', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.02)\nprint(word)"


def dask_environment(folder: Path) -> Dict[str, str]:
    """Return Dask's own configuration of certificates, as variables."""
    names = {"CA_FILE": "ca.pem", **{f"{role}__{what}": f"{file}.pem" for role in ("SCHEDULER", "WORKER", "CLIENT")
                                     for what, file in (("CERT", "cert"), ("KEY", "key"))}}
    return {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(folder / file) for name, file in names.items()}


@pytest.fixture(scope="module")
def cluster(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    tls = ["--tls-ca-file", str(certificates / "ca.pem"), "--tls-cert", str(certificates / "cert.pem"),
           "--tls-key", str(certificates / "key.pem")]
    cluster = DaskCluster(tmp_path_factory.mktemp("dask"), "tls", tls)
    cluster.start_scheduler()
    cluster.start_worker("alice", nanny=False, environment={"DASK_LOGGING__DISTRIBUTED": "debug"})
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def server(cluster: DaskCluster, certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = DaskServer(cluster, tmp_path_factory.mktemp("server"), environment=dask_environment(certificates))
    yield server
    server.stop()


async def what_dask_knows(cluster: DaskCluster, certificates: Path) -> str:
    """Return everything that the scheduler keeps, and the state of each worker."""
    from distributed import Client
    from distributed.security import Security

    def of_scheduler(dask_scheduler: Any) -> str:
        kept: List[Any] = [(task.key, task.run_spec, task.annotations) for task in dask_scheduler.tasks.values()]
        events = getattr(dask_scheduler, "events", None) or dask_scheduler._broker._topics
        return repr(kept) + str(pickle.dumps(kept)) + repr({name: str(list(getattr(topic, "events", topic)))
                                                           for name, topic in events.items()})

    def of_worker(dask_worker: Any) -> str:
        kept = [task.run_spec for task in dask_worker.state.tasks.values()]
        return repr(kept) + str(pickle.dumps(kept))

    security = Security(tls_ca_file=str(certificates / "ca.pem"), tls_client_cert=str(certificates / "cert.pem"),
                        tls_client_key=str(certificates / "key.pem"), require_encryption=True)
    async with Client(cluster.address, asynchronous=True, security=security, set_as_default=False) as client:
        return (await client.run_on_scheduler(of_scheduler)
                + "".join((await client.run(of_worker)).values()))


def test_over_tls_output_is_live_and_dask_is_told_nothing(
        cluster: DaskCluster, server: DaskServer, certificates: Path) -> None:
    source = write_notebook(server.root / "a.ipynb", "# nbexec: params\nword = 'x'", WAIT)
    exec_id = server.start_run(source, word=SECRET)
    events = server.get(f"/{exec_id}/events?outputs=1", stream=True).iter_lines()
    assert any(b'"event": "output"' in line and b"begun" in line for line in events)
    told = run(what_dask_knows(cluster, certificates))
    (server.root / "go").touch()
    assert b'"notebook_complete"' in list(events)[-1]
    assert SECRET in text_of(server.output("a-Executed1.ipynb").cells[2])
    told += cluster.log("scheduler") + cluster.log("alice")
    assert "nbexec-" in told
    assert SECRET not in told and TOKEN not in told
    assert "not encrypted" not in server.log


def test_another_authority_is_refused_with_words(cluster: DaskCluster, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = make_certificates(tmp_path / "other")
    server = DaskServer(cluster, tmp_path / "server", environment=dask_environment(other))
    try:
        wait_for(lambda: "no connection to the scheduler tls://" in server.log)
        problem = next(line for line in server.log.splitlines() if "no connection to the scheduler" in line)
        assert "certificate" in problem.lower(), problem
    finally:
        server.stop()


# -- a hostile worker -----------------------------------------------------------------------------


def frame(message: str, payload: bytes = b"", **fields: Any) -> bytes:
    head = json.dumps({"message": message, **fields}).encode()
    return struct.pack(">IQ", len(head), len(payload)) + head + payload


HELLO = frame("Hello", pid=1)
ENDED = {"output_name": None, "error": None, "kind": None, "progress": "1/1"}
HOSTILE = {
    "a head of 4 GiB": (struct.pack(">IQ", 0xFFFFFFFF, 0), "a head of 4294967295 bytes"),
    "no JSON": (struct.pack(">IQ", 4, 0) + b"\x80abc", "UnicodeDecodeError"),
    "an unknown message": (frame("Nonsense"), "KeyError"),
    "an unknown field": (frame("Retried", reason="", more=1), "TypeError"),
    "a wrong type": (frame("CellEvent", event="cell_start", progress={"a": []}), "CellEvent.progress cannot be dict"),
    "a path": (frame("Ended", **{**ENDED, "output_name": "../../secret.ipynb"}), "ValueError"),
    "details that are fields": (frame("Ended", **ENDED, details={"execution": 1, "exec_id": "x"}), ""),
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskServer]:
    """A server whose only worker says what a file says; without TLS."""
    cluster = DaskCluster(tmp_path_factory.mktemp("hostile"))
    cluster.start_scheduler()
    cluster.start_worker("mallory", 2, "--preload", str(Path(__file__).parent.parent / "hostile_worker.py"),
                         nanny=False)
    server = DaskServer(cluster, tmp_path_factory.mktemp("server"))
    yield server
    server.stop()
    cluster.stop()


def test_without_tls_the_log_warns(hostile: DaskServer) -> None:
    assert "is not encrypted: everybody in its network can run code" in hostile.log


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_worker_ends_its_own_execution_only(hostile: DaskServer, what: str) -> None:
    said, reason = HOSTILE[what]
    (hostile.cluster.folder / "hostile").write_bytes(said)
    source = write_notebook(hostile.root / "a.ipynb", "1")
    exec_id = hostile.start_run(source)
    status = hostile.wait_until_final(exec_id, 20)["status"]
    if reason:
        assert status.startswith("error: the runner process sent a message that cannot be read") and reason in status
    else:
        assert status == "completed"
    last = list(hostile.get(f"/{exec_id}/events").iter_lines())[-1]
    assert exec_id in last.decode()
    assert psutil.Process(hostile.process.pid).memory_info().rss < 300 << 20
    assert "Traceback" not in hostile.log
