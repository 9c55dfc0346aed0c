"""How the command line ends: by a signal, without its connection, without somewhere to write to."""

from __future__ import annotations

import json
import os
import pty
import random
import resource
import select
import shutil
import signal
import struct
import subprocess
import termios
import time
from fcntl import ioctl
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import pytest
from command import IMPATIENT, Cli
from helpers import Server, free_port, wait_for, write_notebook
from relay import Relay

from nbexec.client import Client, StreamEndedError

SLEEP = "import time; open('begun', 'w').close(); time.sleep(600)"

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
OFTEN = [0.01, 0.1, 0.1, 0.3, 0.3]


def on(server: Server) -> List[str]:
    return ["--server", server.url, "--token", server.token]


# -- signals --------------------------------------------------------------------------------------


@pytest.fixture(params=["no server", "a private server", "a running server"])
def place(request: pytest.FixtureRequest, cli: Cli, server: Server, folder: Path) -> Tuple[Path, List[str], str]:
    """A folder for notebooks, the options for a server, and the path of the folder there."""
    if request.param != "a running server":
        return cli.work, [] if request.param == "no server" else ["--private"], ""
    return folder, on(server), f"{folder.name}/"


def begun(cli: Cli, place: Tuple[Path, List[str], str], *more: str) -> subprocess.Popen[str]:
    """Start a run and return when its second cell sleeps."""
    work, options, prefix = place
    write_notebook(work / "a.ipynb", "print('so far')", SLEEP)
    process = cli.start("run", f"{prefix}a.ipynb", *options, *more)
    try:
        wait_for((work / "begun").exists, 60, "the second cell to run")
    except AssertionError:
        process.kill()
        raise
    return process


def check_stopped(process: subprocess.Popen[str], place: Tuple[Path, List[str], str], *codes: int) -> None:
    work, _, prefix = place
    stdout, stderr = process.communicate(timeout=90)
    assert process.returncode in codes and stdout == f"{prefix}a-Executed1.ipynb\n", stderr
    assert f"{signal.Signals(process.returncode - 128).name}: " in stderr
    assert "so far" in (work / "a-Executed1.ipynb").read_text()
    assert stderr.count("the execution was shut down") == 1


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("distances", [[], [0.0], OFTEN], ids=["once", "twice", "often"])
def test_any_number_of_signals_stops_the_execution(cli: Cli, server: Server, folder: Path,
                                                   place: Tuple[Path, List[str], str], number: int,
                                                   distances: List[float]) -> None:
    with begun(cli, place) as process:
        process.send_signal(number)
        sent = [number]
        for distance in distances:
            time.sleep(distance)
            sent.append(random.choice(SIGNALS))
            process.send_signal(sent[-1])
        while distances == OFTEN and process.poll() is None:  # to its very end
            process.send_signal(random.choice(SIGNALS))
            time.sleep(0.001)
        # Python sees signals that come together in the order of their numbers.
        check_stopped(process, place, *{128 + one for one in (sent if len(sent) < 3 else SIGNALS)})
    mine = [model for model in server.get().json()["executions"] if model["path"].startswith(f"{folder.name}/")]
    assert {model["status"] for model in mine} <= {"error: the execution was shut down"}
    cli.check_nothing_is_left()


def test_timeout_stops_the_execution(cli: Cli, place: Tuple[Path, List[str], str]) -> None:
    if shutil.which("timeout") is None:
        pytest.skip("there is no timeout(1) here")
    work, options, prefix = place
    write_notebook(work / "a.ipynb", "print('so far')", SLEEP)
    command = ["timeout", "--preserve-status", "100", *cli.command(["run", f"{prefix}a.ipynb", *options])]
    with subprocess.Popen(command, cwd=cli.work, env=cli.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, start_new_session=True) as process:
        wait_for((work / "begun").exists, 90, "the second cell to run")
        process.send_signal(signal.SIGALRM)  # by which timeout(1) learns that the time is over
        check_stopped(process, place, 128 + signal.SIGTERM)
    cli.check_nothing_is_left()


def test_a_signal_that_is_ignored_stays_so(cli: Cli, server: Server, folder: Path) -> None:
    write_notebook(folder / "a.ipynb", "open('begun', 'w').close()",
                   "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)")
    command = ["nohup", *cli.command(["run", f"{folder.name}/a.ipynb", *on(server)])]
    with subprocess.Popen(command, cwd=cli.work, env=cli.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True) as process:
        wait_for((folder / "begun").exists, 60)
        process.send_signal(signal.SIGHUP)
        (folder / "go").touch()
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (0, f"{folder.name}/a-Executed1.ipynb\n"), stderr


@pytest.mark.parametrize("wait", [0.1, 0.3, 0.5, 0.8, 1.2, 2.0])
def test_a_signal_while_it_starts_leaves_nothing(cli: Cli, wait: float) -> None:
    write_notebook(cli.work / "a.ipynb", SLEEP)
    with cli.start("run", "a.ipynb") as process:
        time.sleep(wait)
        for _ in range(3):
            process.send_signal(signal.SIGTERM)
            time.sleep(0.05)
        process.communicate(timeout=90)
    assert process.returncode in (143, -signal.SIGTERM)  # the latter before there is anything to stop
    cli.check_nothing_is_left()


def screen_of(cli: Cli, columns: int, *arguments: str) -> Tuple[int, bytes]:
    """Run a command on a terminal, press Ctrl-C when it shows a cell, and return its exit code and what it wrote."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cli.work)
        environ = {name: value for name, value in cli.environ.items() if name not in ("COLUMNS", "LINES")}
        command = cli.command(arguments)
        os.execve(command[0], command, {**environ, "TERM": "xterm"})
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    written, pressed, deadline = b"", False, time.monotonic() + 90
    while time.monotonic() < deadline and select.select([terminal], [], [], 60)[0]:
        try:
            written += os.read(terminal, 1 << 16)
        except OSError:  # the end
            break
        if not pressed and (cli.work / "begun").exists():
            pressed = bool(os.write(terminal, b"\x03"))
    os.close(terminal)
    return os.WEXITSTATUS(os.waitpid(pid, 0)[1]), written


@pytest.mark.parametrize("columns", [12, 24, 40, 80])
def test_ctrl_c_on_a_narrow_terminal_leaves_one_bar(cli: Cli, columns: int) -> None:
    write_notebook(cli.work / "a.ipynb", f"# {'a long line ' * 20}\n{SLEEP}")
    code, written = screen_of(cli, columns, "run", "a.ipynb")
    assert code == 130, written
    echo = written.index(b"^C")
    bar = written[:echo].rpartition(b"\r")[2].decode()
    shown = "".join(part.partition("m")[2] if n else part for n, part in enumerate(bar.split("\x1b[")))
    assert len(shown) + len("^C") <= columns  # so that what is echoed stays on the line that is written anew
    assert written.count(b"the execution was shut down") == 1


# -- connections that break -----------------------------------------------------------------------


def told_by(server: Server, exec_id: str) -> List[Dict[str, Any]]:
    lines = server.get(f"/{exec_id}/events", timeout=60).content.split(b"\n")
    return [json.loads(line) for line in lines if line]


def test_a_run_goes_on_behind_a_proxy_that_cuts_silence(cli: Cli, server: Server, folder: Path) -> None:
    write_notebook(folder / "a.ipynb", "1", "import time; time.sleep(10)", "3")
    with Relay(server.port, silence=2.5) as relay:
        done = cli("run", f"{folder.name}/a.ipynb", "--server", relay.url, "--token", server.token)
    assert (done.returncode, done.stdout) == (0, f"{folder.name}/a-Executed1.ipynb\n"), done.stderr
    cells = [line for line in done.stderr.splitlines() if line.startswith("[")]
    assert cells == ["[1/3] 1", "[2/3] import time; time.sleep(10)", "[3/3] 3"]
    # After the first cut it asks for more signs of life; some more may come while a slow machine starts the run.
    assert sum(request.count(b"/events?since=") for request in relay.requests) <= 2


@pytest.mark.parametrize("seed", range(3))
def test_no_event_comes_twice_or_is_missing(server: Server, folder: Path, seed: int) -> None:
    write_notebook(folder / "a.ipynb", *[f"print({number} * 'x')" for number in range(1, 1000, 100)])
    cuts = random.Random(seed)
    with Relay(server.port, bytes_=lambda number: cuts.randint(1, 6000)) as relay:
        with Client(relay.url, server.token) as client:
            events = list(client.stream(f"{folder.name}/a.ipynb"))
        assert len(relay.cut) > 1
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events == told_by(server, events[0]["exec_id"])


@pytest.mark.parametrize("passed", [0, 1, 20])
def test_a_request_whose_answer_is_lost_starts_one_execution(server: Server, folder: Path, passed: int) -> None:
    write_notebook(folder / "a.ipynb", "1", "2")
    with Relay(server.port, bytes_=lambda number: passed if number < 2 else 1e9) as relay:
        with Client(relay.url, server.token) as client:
            events = list(client.stream(f"{folder.name}/a.ipynb"))
    assert events == told_by(server, events[0]["exec_id"])
    mine = [model for model in server.get().json()["executions"] if model["path"] == f"{folder.name}/a.ipynb"]
    assert len(mine) == 1


def test_a_server_that_stays_away_is_given_up(cli: Cli, server: Server, folder: Path) -> None:
    write_notebook(folder / "a.ipynb", SLEEP)
    with Relay(server.port) as relay:
        process = cli.start("run", f"{folder.name}/a.ipynb", "--server", relay.url, "--token", server.token,
                            **cli.with_code(IMPATIENT))
        wait_for((folder / "begun").exists, 60)
        relay.go_away()
        exec_id = next(model["exec_id"] for model in server.get().json()["executions"]
                       if model["path"] == f"{folder.name}/a.ipynb")
        server.post(f"/{exec_id}", action="shutdown")
        stdout, stderr = process.communicate(timeout=90)
    assert (process.returncode, stdout) == (3, ""), stderr
    assert f"execution {exec_id}" in stderr and "it may still be running" in stderr


def test_an_execution_that_was_forgotten_is_given_up_at_once(server: Server, folder: Path) -> None:
    write_notebook(folder / "a.ipynb", SLEEP)
    with Relay(server.port, silence=5.0) as relay, Client(relay.url, server.token) as client:
        events = client.stream(f"{folder.name}/a.ipynb")
        exec_id = next(events)["exec_id"]
        wait_for(lambda: relay.cut, 60)  # and nobody asks for the next event meanwhile
        assert server.delete(f"/{exec_id}").status_code == 202
        with pytest.raises(StreamEndedError, match="does not exist"):
            list(events)


def test_a_signal_while_the_connection_is_cut_stops_the_execution(cli: Cli, server: Server, folder: Path) -> None:
    write_notebook(folder / "a.ipynb", "print('so far')", SLEEP)
    with Relay(server.port, silence=1.0) as relay:
        process = cli.start("run", f"{folder.name}/a.ipynb", "--server", relay.url, "--token", server.token)
        wait_for((folder / "begun").exists, 60)
        wait_for(lambda: relay.cut, 30)
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=90)
    assert (process.returncode, stdout) == (143, f"{folder.name}/a-Executed1.ipynb\n"), stderr


# -- nowhere to write to --------------------------------------------------------------------------


def closing(*descriptors: int) -> Callable[[], None]:
    def close() -> None:
        for descriptor in descriptors:
            os.close(descriptor)
    return close


def limiting(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def run_with(cli: Cli, preexec_fn: Callable[[], None], *arguments: str, **options: Any,
             ) -> subprocess.CompletedProcess[str]:
    return subprocess.run(cli.command(arguments), cwd=cli.work, env=cli.environ, timeout=100, text=True,
                          preexec_fn=preexec_fn, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options})


@pytest.fixture
def run_here(server: Server, folder: Path) -> Iterator[List[str]]:
    """The arguments that run a notebook on the server of the session."""
    write_notebook(folder / "good.ipynb", "1")
    write_notebook(folder / "bad.ipynb", "1 / 0")
    yield ["run", f"{folder.name}/good.ipynb", *on(server)]


@pytest.mark.parametrize("descriptors", [(0,), (1,), (2,), (0, 1, 2), (1, 2)], ids=str)
def test_closed_streams_change_no_exit_code(cli: Cli, run_here: List[str], folder: Path,
                                            descriptors: Tuple[int, ...]) -> None:
    done = run_with(cli, closing(*descriptors), *run_here)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ("" if 1 in descriptors else f"{folder.name}/good-Executed1.ipynb\n")
    run_here[1] = f"{folder.name}/bad.ipynb"
    assert run_with(cli, closing(*descriptors), *run_here).returncode == 1
    run_here[1] = "missing.ipynb"
    assert run_with(cli, closing(*descriptors), *run_here).returncode == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_full_disk_behind_a_stream_is_told_from_a_failure(cli: Cli, run_here: List[str], folder: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = run_with(cli, lambda: None, *run_here, stderr=full)
        assert (done.returncode, done.stdout) == (0, f"{folder.name}/good-Executed1.ipynb\n")
        done = run_with(cli, lambda: None, *run_here, stdout=full)
        assert done.returncode == 4 and "No space left" in done.stderr
        for arguments in (["--help"], ["--version"], ["params", str(folder / "good.ipynb")]):
            assert run_with(cli, lambda: None, *arguments, stdout=full).returncode == 4
        run_here[1] = f"{folder.name}/bad.ipynb"
        assert run_with(cli, lambda: None, *run_here, stdout=full).returncode == 1


def test_who_stops_reading_ends_no_run(cli: Cli, run_here: List[str], folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run_with(cli, lambda: None, *run_here, stderr=writing)
    assert (done.returncode, done.stdout) == (0, f"{folder.name}/good-Executed1.ipynb\n")
    assert run_with(cli, lambda: None, *run_here, stdout=writing).returncode == 4
    os.close(writing)


@pytest.mark.parametrize("options, said", [
    ([], "no notebook can be run"), (["--private"], "cannot be started")], ids=["no server", "private"])
def test_without_room_for_a_server_the_notebook_is_not_run(cli: Cli, options: List[str], said: str) -> None:
    write_notebook(cli.work / "a.ipynb", "1")
    done = run_with(cli, limiting(0), "run", "a.ipynb", *options)  # there is no temporary directory either
    assert (done.returncode, done.stdout) == (8 if options else 2, ""), done.stderr
    assert said in done.stderr and "TMPDIR" in done.stderr
    assert len([line for line in done.stderr.splitlines() if "Error" in line]) == 1
    cli.check_nothing_is_left()


@pytest.mark.parametrize("options", [[], ["--private"]], ids=["no server", "private"])
def test_without_room_for_the_output_it_is_not_the_notebook_that_failed(cli: Cli, options: List[str]) -> None:
    write_notebook(cli.work / "a.ipynb", "print('x' * 100_000)")
    done = run_with(cli, limiting(50_000), "run", "a.ipynb", *options)
    assert (done.returncode, done.stdout) == (4, ""), done.stderr
    cli.check_nothing_is_left()


def test_without_a_notebook_in_the_file_nothing_was_run(cli: Cli, server: Server, folder: Path) -> None:
    (folder / "a.ipynb").write_text("{")
    done = cli("run", f"{folder.name}/a.ipynb", *on(server))
    assert (done.returncode, done.stdout) == (2, ""), done.stderr


def test_an_error_of_nbexec_itself_is_told_from_a_failure(cli: Cli) -> None:
    done = cli("doctor", **cli.with_code(
        "from nbexec.cli import doctor\ndef broken(*_): raise RuntimeError('x\\x9bx')\ndoctor.examine = broken\n"))
    assert done.returncode == 3 and r"RuntimeError: x\x9bx" in done.stderr


def test_an_error_is_shown_once(cli: Cli, run_here: List[str], folder: Path) -> None:
    write_notebook(folder / "bad.ipynb", "1", "raise ValueError('this ' + 'text')")
    run_here[1] = f"{folder.name}/bad.ipynb"
    done = cli(*run_here)
    assert done.returncode == 1
    assert done.stderr.count("this text") == 1 and "Error in cell 2/2" in done.stderr
    assert "Traceback (most recent call last)" in done.stderr


def test_no_server_is_not_a_failed_notebook(cli: Cli) -> None:
    done = cli("run", "a.ipynb", "--server", f"http://127.0.0.1:{free_port()}/", "--token", "t")
    assert (done.returncode, done.stdout) == (8, "")
