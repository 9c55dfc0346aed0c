"""Many executions, many readers, and requests that come at the worst moment."""

from __future__ import annotations

import gc
import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import psutil
import pytest
import requests
from helpers import STREAM, Server, names, wait_for, write_notebook

ONE = "print('so far', flush=True)"


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("busy"))
    write_notebook(server.root / "one.ipynb", ONE)
    write_notebook(server.root / "slow.ipynb", ONE, "import time; time.sleep(0.05)", ONE)
    server.run("one.ipynb")
    server.wait_until_quiet()
    yield server
    server.stop()


@pytest.fixture()
def client(busy: Server) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"token {busy.token}"
        yield session


def everything_ended_well(server: Server) -> None:
    """Check that nothing is left of any execution, and that each has one final state."""
    server.wait_until_quiet(30)
    models = server.get().json()["executions"]
    assert [model for model in models if model["completed_at"] is None] == []
    assert "Traceback" not in server.log


def holdings(server: Server) -> Tuple[int, int]:
    process = psutil.Process(server.process.pid)
    return process.num_fds(), process.num_threads()


def test_delete_in_every_phase(busy: Server, client: requests.Session) -> None:
    """The deletion comes at once or at a random moment, once or twice, with a shutdown or a deletion of all."""
    chance = random.Random(4)
    kinds = ["delete", "delete twice", "shutdown", "shutdown and delete", "delete all"]
    rounds = [(kind, wait, pause) for kind in kinds for wait in ({}, STREAM)
              for pause in (0.0, *(chance.uniform(0, 0.25) for _ in range(5)))]
    chance.shuffle(rounds)

    def round_(what: Tuple[str, Dict[str, str], float]) -> None:
        kind, wait, pause = what
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = f"token {busy.token}"
            answer = session.post(busy.api, data={"notebook": "slow.ipynb"})
            assert answer.status_code == 202
            url = f"{busy.api}/{answer.json()['exec_id']}"
            time.sleep(pause)
            if kind == "delete all":
                assert session.delete(busy.api, headers=wait).status_code == 202
            if kind.startswith("shutdown"):
                assert session.post(url, data={"action": "shutdown"}, headers=wait).status_code in (202, 404)
            if "delete" in kind and kind != "delete all":
                assert session.delete(url, headers=wait).status_code in (202, 404)
            if kind == "delete twice":
                assert session.delete(url, headers=wait).status_code == 404
            if kind == "shutdown":
                model = session.get(url)
                assert model.status_code == 404 or model.json()["execution"]["exec_id"] in url
            else:
                assert session.get(url).status_code == 404

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(round_, rounds))
    everything_ended_well(busy)
    for path in busy.root.glob("slow-Executed*.ipynb"):
        busy.output(path.name)
    assert list(busy.root.glob(".nbexec-*")) == []


def test_a_hundred_executions_at_once(busy: Server) -> None:
    busy.delete(headers=STREAM)
    for path in busy.root.glob("one-Executed*"):
        path.unlink()
    before = holdings(busy)
    barrier = threading.Barrier(100)

    def run(_: int) -> str:
        barrier.wait()
        return str(busy.run("one.ipynb")[-1]["execution"]["output_path"])

    with ThreadPoolExecutor(100) as pool:
        outputs = list(pool.map(run, range(100)))
    assert sorted(outputs) == sorted(f"one-Executed{number}.ipynb" for number in range(1, 101))
    assert [model["status"] for model in busy.get().json()["executions"]] == ["completed"] * 100
    everything_ended_well(busy)
    wait_for(lambda: holdings(busy)[0] <= before[0] + 3, 10, f"descriptors to be closed: {before}")


def test_hundreds_in_a_row_cost_nothing_that_stays(busy: Server, client: requests.Session) -> None:
    def run_once(_: int) -> None:
        with client.post(busy.api, data={"notebook": "one.ipynb"}, headers=STREAM) as answer:
            assert "notebook_complete" in answer.text.splitlines()[-1]
            client.delete(busy.url.rstrip("/") + answer.headers["Location"])

    def used() -> Tuple[int, int, int]:
        busy.wait_until_quiet()
        gc.collect()
        return (*holdings(busy), psutil.Process(busy.process.pid).memory_info().rss)

    def run(number: int) -> None:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(run_once, range(number)))

    run(40)
    found = [used()]
    for _ in range(3):  # what a leak takes it takes every time, what the allocator takes only once
        run(110)
        found.append(used())
        if found[-1][2] - found[-2][2] < 2 << 20:
            break
    assert found[-1][2] - found[-2][2] < 2 << 20, f"{found}"
    descriptors, threads, _ = found[0]
    wait_for(lambda: used()[0] <= descriptors + 2 and used()[1] <= threads, what=f"no more than at first: {found}")
    everything_ended_well(busy)


def test_a_hundred_readers_and_a_hundred_who_ask(busy: Server) -> None:
    """Ten executions with ten readers each: who started it, and nine who join."""
    busy.delete(headers=STREAM)
    write_notebook(busy.root / "steps.ipynb", *["import time; time.sleep(0.05)"] * 5)
    stop = threading.Event()
    answered: List[int] = []

    def ask(_: int) -> None:
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = f"token {busy.token}"
            while not stop.is_set():
                answered.append(session.get(busy.api, timeout=60).status_code)
                stop.wait(0.5)  # without a pause, they ask as fast as the server answers

    def join(exec_id: str) -> List[Dict[str, Any]]:
        lines = busy.get(f"/{exec_id}/events", headers=STREAM).text.splitlines()
        return [json.loads(line) for line in lines if line]

    with ThreadPoolExecutor(200) as pool:
        pollers = [pool.submit(ask, number) for number in range(100)]
        try:
            begun = [busy.stream(notebook="steps.ipynb") for _ in range(10)]
            first = [next(stream) for stream in begun]
            joining = [pool.submit(join, event["exec_id"]) for event in first for _ in range(9)]
            started = [pool.submit(list, stream) for stream in begun]
            events = [reader.result() for reader in joining]
            events += [[event, *reader.result()] for event, reader in zip(first, started)]
        finally:
            stop.set()
        for poller in pollers:
            poller.result()
    expected = ["notebook_start", *["start", "end"] * 5, "notebook_complete"]
    assert [names(stream) for stream in events] == [expected] * 100
    assert set(answered) == {200}
    everything_ended_well(busy)


@pytest.mark.parametrize("moment", ["last cell", "saving"])
def test_a_shutdown_in_the_last_moment_leaves_one_final_state(busy: Server, moment: str) -> None:
    """The final event, the model and the file agree, whichever comes first."""
    wait = 0.0 if moment == "last cell" else 0.004

    def round_(_: int) -> None:
        stream = busy.stream(notebook="one.ipynb")
        exec_id = next(stream)["exec_id"]
        finals: List[Dict[str, Any]] = []
        for event in stream:
            if event["event"] == "start":
                time.sleep(wait)
                busy.request("POST", f"/{exec_id}", data={"action": "shutdown"})
            if event["event"].startswith("notebook_"):
                finals.append(event)
        assert len(finals) == 1
        model = busy.wait_until_final(exec_id)
        assert finals[0]["execution"] == model
        assert model["status"] in ("completed", "error: the execution was shut down")
        busy.output(model["output_path"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(round_, range(20)))
    everything_ended_well(busy)


def test_a_file_is_written_whatever_happens_to_its_execution(busy: Server) -> None:
    """Each execution that got as far as its first cell has a file, deleted or not."""
    folder = busy.root / "kept"
    folder.mkdir()
    source = write_notebook(folder / "a.ipynb", ONE, "import time; time.sleep(600)")

    def round_(number: int) -> None:
        for event in busy.stream(notebook="kept/a.ipynb"):
            if event["event"] == "start" and event["progress"] == "2/2":
                if number % 2:
                    busy.delete(f"/{event['exec_id']}")
                else:
                    busy.post(f"/{event['exec_id']}", action="shutdown")

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(round_, range(20)))
    everything_ended_well(busy)
    outputs = sorted(Path(source.parent).glob("a-Executed*.ipynb"))
    assert len(outputs) == 20
    for path in outputs:
        assert "so far" in str(busy.output(f"kept/{path.name}").cells[0].outputs)


# -- garbage collection ---------------------------------------------------------------------------

COLLECT = """
import gc, threading, time

def collect():
    while True:
        gc.collect()
        time.sleep(0.005)

threading.Thread(target=collect, daemon=True).start()
"""


def test_a_garbage_collection_at_any_time_loses_nothing(tmp_path: Path) -> None:
    """Neither a spare, nor an execution in the line, nor a request that waits for a runner: the loop keeps no task."""
    server = Server(tmp_path / "server", "--NbExec.spares=2", "--NbExec.max_running=1", spares=True, config=COLLECT)
    try:
        source = write_notebook(server.root / "a.ipynb", ONE)
        for _ in range(3):
            exec_ids = [server.start_run(source) for _ in range(3)]
            assert server.get("/parameters", params={"notebook": "a.ipynb"}, timeout=30).json() == {"parameters": []}
            assert {server.wait_until_final(exec_id)["status"] for exec_id in exec_ids} == {"completed"}
            wait_for(lambda: len(server.fork_server().children()) == 2, what="spares")
            again = server.get(f"/{exec_ids[0]}/events", headers=STREAM, timeout=30).text.split()
            assert sum('"event":' in word for word in again) == 4
        assert "Task was destroyed" not in server.log
    finally:
        server.stop()
