"""What goes wrong while an execution starts: it ends in a clear error of its own, or in no error at all."""

from __future__ import annotations

import ctypes
import fcntl
import http.client
import itertools
import json
import os
import resource
import socket
import struct
import sys
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Set

import psutil
import pytest
from census import census, count
from clock import GOING, Clock
from control_groups import control_group
from helpers import (
    EARLY,
    ORDINARY,
    STREAM,
    TOKEN,
    Event,
    Server,
    add_kernel,
    free_port,
    names,
    slowness,
    spares_of,
    text_of,
    wait_for,
    write_notebook,
)

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the faults are provoked by Linux")

RETRIED = "is starting another kernel"
HOUR = 3600
PROGRAM = """
import json, os, sys, time
with open("starts", "a") as file:
    file.write(json.dumps(json.load(open(sys.argv[1]))) + "\\n")
number = len(open("starts").readlines())
"""


def scripted(server: Server, name: str, then: str) -> str:
    """Install a kernel whose program notes that it was started in the file ``starts``, beside the notebook."""
    return add_kernel(server, name, [sys.executable, "-c", PROGRAM + then, "{connection_file}"])


def starts(folder: Path) -> List[Dict[str, Any]]:
    """Return the connection files of the starts that were noted."""
    file = folder / "starts"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def retries(server: Server, exec_id: str) -> int:
    return sum(exec_id in line for line in server.log.splitlines() if RETRIED in line)


BE_A_KERNEL = "\nos.execv(sys.executable, [sys.executable, '-m', 'ipykernel_launcher', '-f', sys.argv[1]])"


# -- another attempt ------------------------------------------------------------------------------


def test_a_kernel_that_exits_at_once_tells_why(server: Server, folder: Path) -> None:
    kernel = scripted(server, "exits", "print('out of order', file=sys.stderr)\nsys.exit(3)")
    with census(server):
        events = server.run(write_notebook(folder / "a.ipynb", "1"), jupyter_kernel=kernel)
    assert names(events) == ["notebook_start", "notebook_error"]
    first, last = events[1]["error"].splitlines()
    assert first == "kernel 'exits' did not start in 3 attempts: the kernel died (exit code 3)"
    assert last == "out of order"
    assert server.output(events[1]["output_path"]).cells[0]["outputs"] == []


def test_a_start_is_tried_three_times_with_other_sockets(server: Server, folder: Path) -> None:
    kernel = scripted(server, "dies", "os.kill(os.getpid(), 11)")
    with census(server):
        events = server.run(write_notebook(folder / "a.ipynb", "1"), jupyter_kernel=kernel)
    assert "SIGSEGV" in events[-1]["error"]
    assert len(starts(folder)) == len({start["ip"] for start in starts(folder)}) == 3
    assert len({start["key"] for start in starts(folder)}) == 3
    assert retries(server, events[-1]["exec_id"]) == 2


@pytest.mark.parametrize("failures", [1, 2])
def test_a_start_that_fails_at_first_completes(server: Server, folder: Path, failures: int) -> None:
    kernel = scripted(server, f"fails{failures}", f"if number <= {failures}: sys.exit(1)" + BE_A_KERNEL)
    note = "open('ran', 'a').write('once')"
    with census(server):
        events = server.run(write_notebook(folder / "a.ipynb", note, "print(2)"), jupyter_kernel=kernel)
    assert names(events) == ["notebook_start", "start", "end", "start", "end", "notebook_complete"]
    assert (folder / "ran").read_text() == "once"
    assert (len(starts(folder)), retries(server, events[-1]["exec_id"])) == (failures + 1, failures)


def test_a_forked_kernel_that_dies_is_replaced_by_an_ordinary_one(new_server: Callable[..., Server]) -> None:
    """It comes so far as to run the startup files of the user."""
    server = new_server()
    startup = server.folder / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    with census(server):
        (startup / "0.py").write_text("import os\nif not os.path.exists('ran'):\n    open('ran', 'w'); os._exit(7)\n")
        events = server.run(write_notebook(server.root / "a.ipynb", "print(1)"))
    assert events[-1]["event"] == "notebook_complete"
    assert retries(server, events[-1]["exec_id"]) == 1 and "exit code 7" in server.log
    assert f"Execution {events[-1]['exec_id']} runs on kernel python3: started by its command line." in server.log


def test_there_is_no_other_attempt_after_the_first_cell(server: Server, folder: Path) -> None:
    kernel = scripted(server, "once", BE_A_KERNEL)
    with census(server):
        events = server.run(write_notebook(folder / "a.ipynb", "import os; os._exit(4)"), jupyter_kernel=kernel)
    assert "exit code 4" in events[-1]["error"] and "cell 1/1" in events[-1]["error"]
    assert (len(starts(folder)), retries(server, events[-1]["exec_id"])) == (1, 0)


@pytest.mark.parametrize("program", ["/no/such/program", "no-such-program", os.path.dirname(__file__), __file__],
                         ids=["missing", "not-in-the-path", "a-folder", "not-executable"])
def test_a_program_that_cannot_be_run_is_not_tried_again(server: Server, folder: Path, program: str) -> None:
    kernel = add_kernel(server, "missing", [program, "{connection_file}"])
    with census(server):
        events = server.run(write_notebook(folder / "a.ipynb", "1"), jupyter_kernel=kernel)
    assert "kernel 'missing' did not start: its program cannot be run" in events[-1]["error"]
    assert program in events[-1]["error"]
    assert retries(server, events[-1]["exec_id"]) == 0


def test_shutdown_ends_the_attempts(server: Server, folder: Path) -> None:
    kernel = scripted(server, "sleeps", "if number < 2: sys.exit(1)\ntime.sleep(600)")
    with census(server):
        exec_id = server.start_run(write_notebook(folder / "a.ipynb", "1"), jupyter_kernel=kernel)
        wait_for(lambda: len(starts(folder)) == 2)
        response = server.request("POST", f"/{exec_id}", data={"action": "shutdown"}, headers=STREAM, timeout=10)
    assert "shut down" in response.json()["execution"]["status"]
    assert len(starts(folder)) == 2


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("impatient"), "--NbExec.startup_timeout=5")
    yield server
    server.stop()


@pytest.mark.parametrize("then, number", [("time.sleep(600)", 1), ("if number < 2: time.sleep(1.5); sys.exit(1)\n"
                                                                 "time.sleep(600)", 2)], ids=["first", "second"])
def test_all_attempts_together_take_no_longer_than_startup_timeout(impatient: Server, then: str, number: int) -> None:
    folder = impatient.root / str(number)
    folder.mkdir()
    kernel = scripted(impatient, f"late{number}", then)
    with census(impatient):
        events = impatient.run(write_notebook(folder / "a.ipynb", "1"), jupyter_kernel=kernel)
    assert "did not respond within 5 seconds" in events[-1]["error"]
    assert 4.5 < events[-1]["timestamp"] - events[0]["timestamp"] < 5 + 2 * slowness(impatient)
    assert len(starts(folder)) == number


def test_spares_that_are_lost_leave_nothing_in_the_server(new_server: Callable[..., Server]) -> None:
    server = new_server(spares=True)
    source = write_notebook(server.root / "a.ipynb", "1")
    for _ in range(2):
        spares_of(server, 1)
        server.run(source)
    spares_of(server, 1)
    with census(server, before=count(server)):
        for _ in range(3):
            (lost,) = spares_of(server, 1)
            lost.kill()
            assert server.run(source)[-1]["event"] == "notebook_complete"
        spares_of(server, 1)


# -- ports ----------------------------------------------------------------------------------------

CLONE_NEWNET, SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x40000000, 0x8913, 0x8914, 1
FIRST_PORT, PORTS = 40_000, 60


def enter_a_network_with_few_ports() -> None:
    """Give this thread, and what it starts, a network of its own, with 60 ports to choose from."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "no network namespace")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        flags = struct.unpack("16sh", fcntl.ioctl(sock, SIOCGIFFLAGS, struct.pack("16sh", b"lo", 0)))[1]
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP))
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text(f"{FIRST_PORT} {FIRST_PORT + PORTS - 1}")


@pytest.fixture(scope="module")
def narrow() -> Iterator[ThreadPoolExecutor]:
    """A thread in a network with few ports."""
    with ThreadPoolExecutor(1) as thread:
        try:
            thread.submit(enter_a_network_with_few_ports).result()
        except OSError as error:
            pytest.skip(f"there can be no network with few ports here: {error}")
        yield thread


@pytest.fixture(scope="module")
def narrow_server(narrow: ThreadPoolExecutor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = narrow.submit(Server, tmp_path_factory.mktemp("narrow")).result()
    add_kernel(server, "ordinary", ORDINARY, env=EARLY)
    yield server
    narrow.submit(server.stop).result()


def test_many_starts_at_once_do_not_race_for_ports(narrow: ThreadPoolExecutor, narrow_server: Server) -> None:
    def run_many() -> List[Event]:
        source = write_notebook(narrow_server.root / "many.ipynb", "1")
        kernels = [{}, {}, {"jupyter_kernel": "ordinary"}] * 6
        with census(narrow_server), ThreadPoolExecutor(6) as threads:  # in the same network as what starts them
            runs = threads.map(lambda kernel: narrow_server.run(source, **kernel), kernels)
            return [events[-1] for events in runs]

    assert {event["event"] for event in narrow.submit(run_many).result()} == {"notebook_complete"}
    assert RETRIED not in narrow_server.log


def test_executions_need_no_ports_at_all(narrow: ThreadPoolExecutor, narrow_server: Server) -> None:
    """With none left, no kernel of the usual kind could start; nor could a client, if it did not choose its own."""
    source_ports = itertools.count(50_000)

    def post(**data: str) -> Event:
        connection = http.client.HTTPConnection("127.0.0.1", narrow_server.port, timeout=60,
                                                source_address=("127.0.0.1", next(source_ports)))
        connection.request("POST", "/api/executions", urllib.parse.urlencode(data), {
            "Authorization": f"token {TOKEN}", "Content-Type": "application/x-www-form-urlencoded", **STREAM})
        events = connection.getresponse().read().splitlines()
        connection.close()
        return dict(json.loads(events[-1]))

    def run_some() -> List[Event]:
        write_notebook(narrow_server.root / "some.ipynb", "1")
        with ExitStack() as taken:
            while True:
                try:
                    sock = taken.enter_context(socket.socket())
                    sock.bind(("", 0))
                except OSError:
                    break
            with pytest.raises(OSError):
                free_port()
            return [post(notebook="some.ipynb", **kernel) for kernel in ({}, {"jupyter_kernel": "ordinary"}) * 2]

    assert [event["event"] for event in narrow.submit(run_some).result()] == ["notebook_complete"] * 4


# -- the system runs short ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("limited"), "--NbExec.startup_timeout=5")
    write_notebook(server.root / "a.ipynb", "print('ran')")
    yield server
    server.stop()


def check_short(server: Server, limit: Callable[[int], None], lift: Callable[[], None], levels: List[int]) -> Set[str]:
    """Run a notebook under each limit, and once more without; return the errors."""
    errors = set()
    with census(server):
        for level in levels:
            server.wait_until_quiet()
            limit(level)
            try:
                events = server.run("a.ipynb", timeout=30)
            finally:
                lift()
            finals = [event["event"] for event in events if event["event"] in ("notebook_complete", "notebook_error")]
            assert finals == [events[-1]["event"]]
            if events[-1]["event"] == "notebook_error":
                errors.add(events[-1]["error"].splitlines()[0])
            assert server.run("a.ipynb")[-1]["event"] == "notebook_complete"
    return errors


def check_reasons(errors: Set[str], *parts: str) -> None:
    """Check that there were errors, and that each says what was short, or at least that the start failed."""
    known = ("did not start", "before the first cell", "the runner process could not be", *parts)
    assert {error for error in errors if not any(part in error for part in known)} == set()
    assert {part for part in parts if not any(part in error for error in errors)} == set()


def limit_descriptors(pid: int, more: int) -> None:
    """Let a process open only so many more files."""
    highest = max(int(name) for name in os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1 + more, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def lift_limit(pid: int, kind: int) -> None:
    with suppress(ProcessLookupError):  # it may have ended, and another one taken its place
        resource.prlimit(pid, kind, resource.getrlimit(kind))


def test_no_more_descriptors_for_the_fork_server_and_what_it_forks(limited: Server) -> None:
    pid = limited.fork_server().pid
    errors = check_short(limited, lambda more: limit_descriptors(pid, more),
                         lambda: lift_limit(pid, resource.RLIMIT_NOFILE), [0, 1, 2, 4, 8, 16, 32])
    check_reasons(errors, "Too many open files")


def test_no_more_descriptors_for_the_server(limited: Server) -> None:
    """The first of them is for the connection of the client."""
    pid = limited.process.pid
    errors = check_short(limited, lambda more: limit_descriptors(pid, more),
                         lambda: lift_limit(pid, resource.RLIMIT_NOFILE), [1, 2, 3])
    check_reasons(errors, "the runner process could not be started: Too many open files")


def test_no_more_processes_and_threads(limited: Server) -> None:
    with control_group("pids") as group:
        fork_server = limited.fork_server()
        group.add(fork_server.pid)

        def limit(more: int) -> None:
            wait_for(lambda: group.used() == fork_server.num_threads(), what="what has ended to count no more")
            group.limit(group.used() + more)

        errors = check_short(limited, limit, group.lift, [0, 1, 2, 3, 7])
    check_reasons(errors, "the runner process could not be forked: Resource temporarily unavailable")


def test_no_more_memory_for_the_fork_server_and_what_it_forks(limited: Server) -> None:
    def limit(more: int) -> None:
        pids.append(limited.fork_server().pid)
        size = psutil.Process(pids[-1]).memory_info().vms
        resource.prlimit(pids[-1], resource.RLIMIT_AS, (size + more * 2**20, resource.RLIM_INFINITY))

    pids: List[int] = []
    check_reasons(check_short(limited, limit, lambda: lift_limit(pids[-1], resource.RLIMIT_AS), [0, 2, 8, 32, 128]))


# -- the clock is set -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    return Clock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def clocked(clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("clocked"), environment=clock.environment)
    add_kernel(server, "ordinary", ORDINARY, env=EARLY)
    yield server
    server.stop()


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forward", "back"])
@pytest.mark.parametrize("kernel", [{}, {"jupyter_kernel": "ordinary"}], ids=["forked", "ordinary"])
def test_the_clock_jumps_during_a_start(clocked: Server, clock: Clock, kernel: Dict[str, str], jump: int) -> None:
    """It is set when the runner has read the notebook, and before the kernel is there."""
    clock.set(0)
    source = write_notebook(clocked.root / "a.ipynb", "import time; print(time.time())")
    with census(clocked, GOING):
        stream = clocked.stream(notebook=source.name, **kernel)
        events = [next(stream)]
        clock.set(jump)
        events += stream
    assert events[-1]["event"] == "notebook_complete"
    assert abs(float(text_of(events[2]["cell"])) - jump - time.time()) < HOUR / 2
    assert 0 <= events[2]["cell"]["metadata"]["nbexec"]["duration"] < HOUR / 2
