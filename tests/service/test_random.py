"""Requests and faults at random, and what has to be true after each of them.

`pytest tests/service/test_random.py --minutes 10` goes on for ten minutes.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Set

import psutil
import pytest
import requests
from helpers import STREAM, Event, Server, names, wait_for, write_notebook
from hypothesis import HealthCheck, settings, strategies
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

NOTEBOOKS: Dict[str, List[str]] = {
    "quick": ["print('so far')"],
    "failing": ["print('so far')", "1 / 0"],
    "slow": ["print('so far')", "import time; time.sleep(0.6)", "1"],
    "endless": ["print('so far')", "import time; time.sleep(600)"],
    "dying": ["print('so far')", "import os; os._exit(3)"],
    "flooding": ["for i in range(5000): print('x' * 50, flush=i % 50 == 0)"],
    "daemon": ["import subprocess; child = subprocess.Popen(['sleep', '600'], start_new_session=True)"],
    "broken": [],
}
KINDS = strategies.sampled_from(sorted(NOTEBOOKS))
Model = Dict[str, Any]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("random")
    server = Server(folder, "--NbExec.max_running=3", f"--NbExec.database_filepath={folder / 'executions'}")
    for kind, cells in NOTEBOOKS.items():
        write_notebook(server.root / f"{kind}.ipynb", *cells)
    (server.root / "broken.ipynb").write_text("no notebook")
    yield server
    server.stop()


class Reader(threading.Thread):
    """Reads the stream of an execution to its end, however that comes."""

    def __init__(self, server: Server, kind: str) -> None:
        super().__init__(daemon=True)
        self._stream = server.stream(notebook=f"{kind}.ipynb")
        self.events: List[Event] = [next(self._stream)]
        self.start()

    def run(self) -> None:
        with suppress(requests.RequestException):
            for event in self._stream:
                self.events.append(event)


class Requests(RuleBasedStateMachine):
    """What clients and misfortune do to a server."""

    executions = Bundle("executions")

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.server = server
        self.expected: Set[str] = set()
        self.final: Dict[str, Model] = {}
        self.readers: List[Reader] = []

    # -- what clients do --------------------------------------------------------------------------

    @rule(target=executions, kind=KINDS)
    def start(self, kind: str) -> str:
        exec_id = self.server.start_run(f"{kind}.ipynb")
        self.expected.add(exec_id)
        return exec_id

    @rule(target=executions, kind=KINDS)
    def stream(self, kind: str) -> str:
        reader = Reader(self.server, kind)
        self.readers.append(reader)
        self.expected.add(reader.events[0]["exec_id"])
        return str(reader.events[0]["exec_id"])

    @rule(exec_id=executions, wait=strategies.booleans())
    def shut_down(self, exec_id: str, wait: bool) -> None:
        headers = STREAM if wait else {}
        answer = self.server.request("POST", f"/{exec_id}", data={"action": "shutdown"}, headers=headers)
        assert answer.status_code == (202 if exec_id in self.expected else 404)
        if wait and exec_id in self.expected:
            assert answer.json()["execution"]["completed_at"] is not None

    @rule(exec_id=executions, wait=strategies.booleans())
    def delete(self, exec_id: str, wait: bool) -> None:
        answer = self.server.delete(f"/{exec_id}", headers=STREAM if wait else {})
        assert answer.status_code == (202 if exec_id in self.expected else 404)
        self.expected.discard(exec_id)

    @rule(wait=strategies.booleans())
    def delete_all(self, wait: bool) -> None:
        assert self.server.delete(headers=STREAM if wait else {}).status_code == 202
        self.expected.clear()

    @rule()
    def refuse(self) -> None:
        assert self.server.post(notebook="quick.ipynb", unknown="1").status_code == 400

    @rule(seconds=strategies.floats(0.01, 0.5))
    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    # -- what happens to them ---------------------------------------------------------------------

    @rule(number=strategies.integers(0, 5), what=strategies.sampled_from([signal.SIGKILL, signal.SIGSEGV]))
    def kill_a_process(self, number: int, what: int) -> None:
        processes = self.server.processes()
        if processes:
            with suppress(OSError):
                os.kill(processes[number % len(processes)].pid, what)

    @rule()
    def kill_the_fork_server(self) -> None:
        with suppress(IndexError, psutil.NoSuchProcess):  # the last one was killed a moment ago
            self.server.fork_server().kill()

    @rule(kill=strategies.booleans())
    def restart(self, kill: bool) -> None:
        if kill:
            self.server.process.kill()
            self.server.process.wait()
        else:
            self.server.stop()
        self.server.start()

    # -- what is true -----------------------------------------------------------------------------

    @invariant()
    def the_list_is_right(self) -> None:
        models = {model["exec_id"]: model for model in self.server.get().json()["executions"]}
        assert set(models) == self.expected
        for exec_id, model in models.items():
            ended = model["status"] == "completed" or model["status"].startswith("error: ")
            assert ended or model["status"] in ("initializing", "executing")
            assert (model["completed_at"] is not None) == ended
            if model["completed_at"] is not None:
                assert self.final.setdefault(exec_id, model) == model

    @invariant()
    def streams_are_in_order(self) -> None:
        for reader in self.readers:
            check_order(names(list(reader.events)))

    def teardown(self) -> None:
        for exec_id in sorted(self.expected):
            self.server.post(f"/{exec_id}", action="shutdown")
        for exec_id in sorted(self.expected):
            self.check_end(self.server.wait_until_final(exec_id))
        for reader in self.readers:
            reader.join(60)
            assert not reader.is_alive()
            check_order(names(reader.events))
        self.server.delete(headers=STREAM)
        self.server.wait_until_quiet(30)
        wait_for(lambda: list(Path(f"{self.server.folder}/executions-notes").iterdir()) == [])
        assert list(self.server.root.glob(".nbexec-*")) == []
        assert "Traceback" not in self.server.log

    def check_end(self, model: Model) -> None:
        assert self.final.get(model["exec_id"], model) == model
        if model["output_path"] is not None:
            self.server.output(model["output_path"])
        elif model["status"] == "completed":
            raise AssertionError(f"there is no output: {model}")


def check_order(found: List[str]) -> None:
    """Check the order of the events of a stream, which may have been cut off."""
    while found and found[0] == "notebook_queue":
        found = found[1:]
    if found and found[0] == "notebook_start":
        found = found[1:]
    last: Optional[str] = found[-1] if found else None
    cells = found[:-1] if last in ("notebook_complete", "notebook_error") else found
    assert cells == (["start", "end"] * len(cells))[:len(cells)]
    if last == "notebook_complete":
        assert len(cells) % 2 == 0


def test_requests_and_faults_at_random(world: Server, pytestconfig: pytest.Config) -> None:
    minutes = pytestconfig.getoption("--minutes")
    machine: Callable[[], RuleBasedStateMachine] = lambda: Requests(world)  # noqa: E731
    known = settings(max_examples=5, stateful_step_count=15, deadline=None, derandomize=True, database=None,
                     print_blob=True, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=known)
    end = time.monotonic() + minutes * 60
    while time.monotonic() < end:
        run_state_machine_as_test(machine, settings=settings(known, derandomize=False, stateful_step_count=40))
