"""Events come once and in order, however often the connection is cut, and nobody waits for what does not come."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest
from coroutines import run
from helpers import Server, free_port, names, wait_for, write_notebook
from relay import FOREVER, Relay

from nbexec.client import ApiError, AsyncClient, Client, StreamEndedError, WaitTimeoutError, patience

CUTS = 20
CELLS = 24
SLEEP = "import pathlib, time\npathlib.Path('begun').touch()\ntime.sleep(60)"


@pytest.fixture()
def long_notebook(server: Server, folder: Path) -> str:
    write_notebook(folder / "a.ipynb", *[f"print({number}, 'x' * 900)" for number in range(CELLS)])
    return f"{folder.name}/a.ipynb"


def few_bytes(number: int) -> float:
    """How much of the answer on a connection comes through: an event or two, then all."""
    return 1800 + 150 * (number % 5) if number < CUTS + 2 else FOREVER


def check_each_came_once(events: List[Dict[str, Any]]) -> None:
    assert [event["seq"] for event in events] == list(range(1, 2 * CELLS + 3))
    assert names(events) == ["notebook_start", *["start", "end"] * CELLS, "notebook_complete"]


def test_a_run_goes_on_over_twenty_cuts(server: Server, folder: Path, long_notebook: str) -> None:
    events: List[Dict[str, Any]] = []
    with Relay(server.port, bytes_=few_bytes) as relay, Client(relay.url, server.token) as client:
        result = client.run(long_notebook, on_event=events.append)
    assert len(relay.cut) >= CUTS
    check_each_came_once(events)
    assert result.completed and sorted(folder.glob("*-Executed*")) == [folder / "a-Executed1.ipynb"]


def test_events_go_on_over_twenty_cuts(server: Server, long_notebook: str) -> None:
    with Client(server.url, server.token) as client:
        exec_id = client.submit(long_notebook).exec_id
    with Relay(server.port, bytes_=few_bytes) as relay, Client(relay.url, server.token) as client:
        check_each_came_once(list(client.execution(exec_id).events()))
        assert len(relay.cut) >= CUTS
        assert [event["seq"] for event in client.execution(exec_id).events(since=40)] == list(range(41, 51))


def test_so_they_do_in_an_event_loop(server: Server, long_notebook: str) -> None:
    async def main(url: str) -> List[Dict[str, Any]]:
        async with AsyncClient(url, server.token) as client:
            return [event async for event in client.stream(long_notebook)]

    with Relay(server.port, bytes_=few_bytes) as relay:
        check_each_came_once(run(main(relay.url)))
    assert len(relay.cut) >= CUTS


def test_an_answer_that_is_lost_starts_nothing_twice(server: Server, folder: Path) -> None:
    write_notebook(folder / "a.ipynb", "1")
    path = f"{folder.name}/a.ipynb"
    with Relay(server.port, bytes_=lambda number: 0 if number < 2 else FOREVER) as relay:
        with Client(relay.url, server.token) as client:
            execution = client.submit(path)
            assert execution.wait().completed
            assert [found.exec_id for found in client.executions() if found.model["path"] == path
                    ] == [execution.exec_id]
    keys = {line for request in relay.requests for line in request.split(b"\r\n") if line.startswith(b"Idempotency")}
    assert len(relay.cut) >= 2 and len(keys) == 1


def test_output_of_a_running_cell_is_told(server: Server, folder: Path) -> None:
    code = "import time\nfor i in range(30):\n    print(i, flush=True)\n    time.sleep(0.1)"
    write_notebook(folder / "a.ipynb", code)
    with Client(server.url, server.token) as client:
        events = list(client.submit(f"{folder.name}/a.ipynb").events(outputs=True))
    numbered = [event["seq"] for event in events if event["event"] != "output"]
    assert numbered == [1, 2, 3, 4] and "output" in names(events)


def test_waiting_ends_and_the_execution_goes_on(server: Server, folder: Path) -> None:
    write_notebook(folder / "a.ipynb", SLEEP)
    with Client(server.url, server.token) as client:
        execution = client.submit(f"{folder.name}/a.ipynb")
        wait_for((folder / "begun").exists)
        with pytest.raises(WaitTimeoutError) as caught:
            execution.wait(0.5)
        assert isinstance(caught.value, TimeoutError)
        assert execution.status == "executing"
        assert execution.shutdown()["status"] == "error: the execution was shut down"


def test_closing_wakes_who_waits_in_another_thread(server: Server, folder: Path) -> None:
    write_notebook(folder / "a.ipynb", SLEEP)
    with Client(server.url, server.token) as client:
        execution = client.submit(f"{folder.name}/a.ipynb")
        wait_for((folder / "begun").exists)
        stream = execution.events()
        reader = threading.Thread(target=list, args=(stream,))
        reader.start()
        wait_for(lambda: stream._last >= 2)
        stream.close()
        reader.join(30)
        assert not reader.is_alive()
        execution.shutdown()


@pytest.fixture()
def listener() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Answer each connection by a function; returns the URL."""
    listeners: List[socket.socket] = []

    def start(answer: Callable[[socket.socket], None]) -> str:
        listening = socket.create_server(("127.0.0.1", 0))
        listeners.append(listening)

        def serve(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                answer(connection)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}/"

    yield start
    for listening in listeners:
        listening.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
EXEC_ID = "f5022ad6-ad17-453f-9d0a-7d7f5bc019c9"


def test_a_server_that_closes_each_stream_is_not_asked_without_end(
        listener: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_DELAYS", (0.0, 0.1, 0.1))
    asked: List[float] = []

    def answer(connection: socket.socket) -> None:
        asked.append(time.monotonic())
        connection.recv(65536)
        connection.sendall(HEAD + b"Connection: close\r\nContent-Length: 1\r\n\r\n\n")
        connection.close()

    with Client(listener(answer), "t") as client, pytest.raises(StreamEndedError) as caught:
        list(client.execution(EXEC_ID).events())
    assert caught.value.exec_id == EXEC_ID
    wait_for(lambda: len(asked) == 4)


def test_a_server_that_says_nothing_is_not_waited_for_without_end(listener: Callable[..., str]) -> None:
    asked: List[float] = []

    def say_nothing(connection: socket.socket) -> None:
        asked.append(time.monotonic())
        time.sleep(30)

    url = listener(say_nothing)
    with Client(url, "t", timeout=0.3, retries=2) as client, pytest.raises(ApiError, match="no response"):
        client.executions()
    wait_for(lambda: len(asked) == 3)


def test_a_server_that_is_not_there_is_told() -> None:
    with Client(f"http://127.0.0.1:{free_port()}/", "t") as client:
        for action in (client.executions, lambda: client.run("a.ipynb"), lambda: client.submit("a.ipynb")):
            with pytest.raises(ApiError, match="no response"):
                action()


def test_a_busy_server_is_asked_again_when_it_says(listener: Callable[..., str]) -> None:
    asked: List[float] = []

    def answer(connection: socket.socket) -> None:
        asked.append(time.monotonic())
        connection.recv(65536)
        if len(asked) == 1:
            connection.sendall(b"HTTP/1.1 503 x\r\nRetry-After: 1\r\nContent-Length: 10\r\nConnection: close\r\n\r\n"
                               b'"not ours"')
        else:
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\nConnection: close\r\n\r\n{"executions": []}')
        connection.close()

    with Client(listener(answer), "t") as client:
        assert client.executions() == []
    assert len(asked) == 2 and asked[1] - asked[0] >= 1


@pytest.mark.parametrize("body", [b'"text"', b"[]", b"5", b"null", b'{"message": 5}', b"<html>", b"\xff", b""])
def test_an_error_that_is_not_of_nbexec_is_told(listener: Callable[..., str], body: bytes) -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 418 x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        connection.close()

    with Client(listener(answer), "t") as client, pytest.raises(ApiError) as caught:
        client.executions()
    assert caught.value.status == 418
