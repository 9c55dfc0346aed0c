"""The streams of events to come back to: of one execution, and of what changes in the list of all."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import psutil
import pytest
import requests
from coroutines import run
from helpers import STREAM, Event, Server, begin, names, text_of, wait_for, write_notebook
from nbformat import v4

from nbexec.executions.event_log import EventLog

SSE = {"Accept": "text/event-stream"}
WAIT = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)"
SEEN = """
def wait_until_seen(text):
    while not os.path.exists("seen " + text):
        time.sleep(0.01)
"""
UNKNOWN_ID = "98f9d56a-9547-4a30-8560-0f040d96d25b"


OPENED: List[requests.Response] = []


@pytest.fixture(autouse=True)
def close_streams() -> Iterator[None]:
    """Close what a test has opened and not read to its end."""
    yield
    while OPENED:
        OPENED.pop().close()


def open_stream(server: Server, path: str, **headers: str) -> requests.Response:
    OPENED.append(server.get(path, headers=headers, stream=True))
    assert OPENED[-1].status_code == 200, OPENED[-1].text
    return OPENED[-1]


def events_of(server: Server, exec_id: str, query: str = "") -> Iterator[Event]:
    """Yield the events of an execution as they come."""
    with closing(open_stream(server, f"/{exec_id}/events?{query}")) as response:
        for line in response.iter_lines(chunk_size=None):
            if line:
                yield json.loads(line)


def changes_of(server: Server) -> Iterator[Event]:
    """Open the stream of changes, and return what comes from then on of executions that begin only now."""
    lines = open_stream(server, "/events").iter_lines(chunk_size=None)
    assert next(lines) == b""  # from here on nothing is missed
    others = {model["exec_id"] for model in server.get().json()["executions"]}  # those of earlier tests may still end
    return (change for change in map(json.loads, filter(None, lines)) if change["exec_id"] not in others)


def sent_events(response: requests.Response) -> List[Dict[str, str]]:
    """Return the fields of each server-sent event until the end of a stream."""
    blocks = response.text.split("\n\n")
    assert blocks.pop() == ""
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks if block != ": "]


def numbers(events: List[Event]) -> List[int]:
    return [event["seq"] for event in events]


def finished(server: Server, source: Path, **data: Any) -> List[Event]:
    """Execute a notebook and return its events when nothing of it is left in the server."""
    events = server.run(source, **data)
    server.wait_until_quiet()
    wait_for(lambda: next(events_of(server, events[0]["exec_id"]))["execution"]["progress"] is None)
    return events


# -- one execution --------------------------------------------------------------------------------


def test_each_event_has_the_next_number(server: Server, folder: Path) -> None:
    events = server.run(write_notebook(folder / "a.ipynb", "1", "2", v4.new_markdown_cell("m"), "1 / 0"))
    assert numbers(events) == list(range(1, 9))
    assert server.post(notebook=f"{folder.name}/a.ipynb").json()["seq"] == 1
    raw = server.request("POST", data={"notebook": f"{folder.name}/a.ipynb"}, headers=STREAM)
    assert all(line.startswith(b'{"seq": %d, "event": ' % number)
               for number, line in enumerate(raw.content.splitlines(), 1))


def test_any_number_of_readers_see_the_same_whoever_started_it(server: Server, folder: Path) -> None:
    begun = begin(server, folder, WAIT, "'more'")
    readers = [events_of(server, begun.exec_id) for _ in range(3)]
    first = [[next(reader) for _ in range(4)] for reader in readers]
    assert [names(events) for events in first] == [["notebook_start", "start", "end", "start"]] * 3
    (folder / "go").touch()
    rest = list(begun.events)
    assert names(rest) == ["end", "start", "end", "notebook_complete"]
    assert numbers(rest) == [5, 6, 7, 8]
    assert [events + list(reader) for events, reader in zip(first, readers)] == [first[0] + rest] * 3


def test_a_reader_goes_on_where_it_was(server: Server, folder: Path) -> None:
    begun = begin(server, folder, WAIT)
    reader = events_of(server, begun.exec_id, "since=3")
    assert next(reader)["seq"] == 4
    ahead = events_of(server, begun.exec_id, "since=5")
    (folder / "go").touch()
    assert numbers(list(reader)) == [5, 6]
    assert numbers(list(ahead)) == [6]
    assert names(list(events_of(server, begun.exec_id, "since=6"))) == []


@pytest.mark.parametrize("cells", [
    ["print('a\\nb')\n1 + 2", v4.new_markdown_cell("m"), "", "import sys; print(1, file=sys.stderr)"],
    ["'ä€'", "raise ValueError('\\x1b[31mred')", "3"],
    ["1", "print('so far', flush=True)\nimport os; os._exit(3)"],
], ids=["completed", "failed", "died"])
def test_an_execution_that_is_over_is_told_again_as_it_was(server: Server, folder: Path, cells: List[Any]) -> None:
    events = finished(server, write_notebook(folder / "a.ipynb", *cells))
    exec_id = events[0]["exec_id"]
    assert list(events_of(server, exec_id)) == events
    for since in (1, 2, len(events) - 1, len(events)):
        assert list(events_of(server, exec_id, f"since={since}")) == events[since:]


def test_an_execution_that_never_started_is_told_again(server: Server, folder: Path) -> None:
    (folder / "a.ipynb").write_text("no notebook")
    event, = server.run(folder / "a.ipynb")
    server.wait_until_quiet()
    assert list(events_of(server, event["exec_id"])) == [event]


@pytest.mark.parametrize("how", ["removed", "no notebook", "executed again"])
def test_without_its_output_only_start_and_end_are_told(server: Server, folder: Path, how: str) -> None:
    source = write_notebook(folder / "a.ipynb", "1", "2")
    data = {"output_path": f"{folder.name}/out.ipynb", "overwrite": "true"}
    events = finished(server, source, **data)
    if how == "removed":
        (folder / "out.ipynb").unlink()
    elif how == "no notebook":
        (folder / "out.ipynb").write_text("{")
    else:
        finished(server, source, **data)
    assert list(events_of(server, events[0]["exec_id"])) == [events[0], events[-1]]
    assert list(events_of(server, events[0]["exec_id"], f"since={len(events) - 1}")) == [events[-1]]


def test_a_reader_of_a_deleted_execution_sees_its_end(server: Server, folder: Path) -> None:
    begun = begin(server, folder, WAIT)
    reader = events_of(server, begun.exec_id)
    next(reader)
    server.delete(f"/{begun.exec_id}")
    assert list(reader)[-1]["error"] == "the execution was deleted"
    assert server.get(f"/{begun.exec_id}/events").status_code == 404


def test_numbers_outlive_the_wait_for_a_slot_and_the_server(new_server: Callable[..., Server]) -> None:
    server = new_server("--NbExec.max_running=1", "--NbExec.database_filepath=executions.sqlite")
    begun = begin(server, server.root, WAIT)
    waiting = server.start_run(write_notebook(server.root / "b.ipynb", "1", "2"))
    reader = events_of(server, waiting)
    assert (next(reader)["event"], server.get(f"/{waiting}").json()["execution"]["status"]) == (
        "notebook_queue", "initializing")
    (server.root / "go").touch()
    told = list(reader)
    assert numbers(told) == [2, 3, 4, 5, 6, 7]
    before = list(events_of(server, begun.exec_id))
    (server.root / "go").unlink()
    server.wait_until_quiet()  # or the next one may have to wait for the slot
    running = begin(server, server.root, "print('so far', flush=True)", WAIT)
    next(event for event in running.events if event["event"] == "start" and event["progress"] == "3/3")
    server.process.kill()
    server.process.wait()
    server.start()
    assert list(events_of(server, waiting)) == told
    assert list(events_of(server, waiting, "since=4")) == told[3:]
    assert list(events_of(server, begun.exec_id)) == before
    after = list(events_of(server, running.exec_id))  # waits until the runner has saved
    assert names(after)[0] == "notebook_start" and after[-1]["error"] == "the notebook server went away"
    assert numbers(after) == list(range(1, len(after) + 1))
    assert text_of(after[4]["cell"]) == "so far\n"


@pytest.mark.parametrize("query, shown", [
    ("since=x", "since"), ("since=-1", "since"), ("since=1.5", "since"), ("since=", "since"),
    ("since=1&since=2", "since"), ("outputs=maybe", "outputs")])
def test_a_bad_argument_is_400(server: Server, folder: Path, query: str, shown: str) -> None:
    exec_id = server.start_run(write_notebook(folder / "a.ipynb", "1"))
    response = server.get(f"/{exec_id}/events?{query}")
    assert response.status_code == 400 and shown in response.json()["message"]
    response = server.get(f"/{exec_id}/events", headers={"Last-Event-ID": "x"})
    assert response.status_code == 400 and "Last-Event-ID" in response.json()["message"]


def test_an_unknown_id_is_404_and_without_a_token_nothing_is_told(server: Server) -> None:
    assert server.get(f"/{UNKNOWN_ID}/events").status_code == 404
    for path in ("/events", f"/{UNKNOWN_ID}/events"):
        assert requests.get(server.api + path, timeout=60).status_code == 401
        assert server.post(path).status_code == 405


# -- server-sent events ---------------------------------------------------------------------------


def test_server_sent_events_have_number_name_and_the_same_json(server: Server, folder: Path) -> None:
    events = server.run(write_notebook(folder / "a.ipynb", "print('a\\n\\nb')"))
    response = server.get(f"/{events[0]['exec_id']}/events", headers={"Accept": "text/html, text/event-stream; q=0.9"})
    assert response.headers["Content-Type"] == "text/event-stream"
    sent = sent_events(response)
    assert [json.loads(fields["data"]) for fields in sent] == events
    assert [(int(fields["id"]), fields["event"]) for fields in sent] == [
        (event["seq"], event["event"]) for event in events]


def test_a_browser_goes_on_by_itself_and_stops_at_the_end(server: Server, folder: Path) -> None:
    for over in (False, True):
        events = server.run(write_notebook(folder / "a.ipynb", "1"))
        if over:
            server.wait_until_quiet()
        path = f"/{events[0]['exec_id']}/events?since=1"
        sent = sent_events(server.get(path, headers={**SSE, "Last-Event-ID": "3"}))
        assert [fields["id"] for fields in sent] == ["4"]
        response = server.get(path, headers={**SSE, "Last-Event-ID": "4"})
        assert (response.status_code, response.content) == (204, b"")


# -- signs of life --------------------------------------------------------------------------------


def signs_of_life(stream: requests.Response, opened: float) -> Iterator[float]:
    """Yield when each sign of life came, in seconds since the stream was asked for."""
    sign = b": " if "event-stream" in stream.headers["Content-Type"] else b""
    return (time.monotonic() - opened for line in stream.iter_lines(chunk_size=None) if line == sign)


def test_a_silent_stream_gives_a_sign_of_life_every_15_seconds(server: Server, folder: Path) -> None:
    begun = begin(server, folder, WAIT)
    opened = time.monotonic()
    streams = [open_stream(server, path, **headers) for path, headers in [
        (f"/{begun.exec_id}/events?since=4", {}), ("/events", {}), (f"/{begun.exec_id}/events?since=4", SSE)]]
    signs = [signs_of_life(stream, opened) for stream in streams]
    assert all(next(times) < 5 for times in signs)  # the first comes at once
    assert all(10 < next(times) < 20 for times in signs)
    (folder / "go").touch()
    for stream in streams:
        stream.close()


@pytest.mark.parametrize("value, status", [("0.5", 200), ("99", 200), ("0", 400), ("soon", 400)])
def test_signs_of_life_may_be_more_frequent(server: Server, value: str, status: int) -> None:
    opened = time.monotonic()
    with closing(server.get("/events", headers={"X-Heartbeat": value}, stream=True, timeout=30)) as response:
        assert response.status_code == status
        if value == "0.5":
            signs = signs_of_life(response, opened)
            assert 0.9 < [next(signs) for _ in range(3)][-1] < 8


# -- output of a running cell ---------------------------------------------------------------------


def shown(events: List[Event], progress: str) -> Tuple[str, List[Event]]:
    """Return the text that a reader of `events` has seen of a cell in the end, and the output events."""
    outputs = [event for event in events if event["event"] == "output" and event["progress"] == progress]
    text = ""
    for event in outputs:
        text = told_by(event) if event["replace"] else text + told_by(event)
    return text, outputs


def told_by(event: Event) -> str:
    """Return what output of a running cell shows."""
    return "".join(output.get("text", str(output.get("data"))) for output in event["outputs"])


def watched(server: Server, folder: Path, *cells: str, awaited: Tuple[str, ...]) -> Tuple[List[Event], str]:
    """Execute cells and return all events and the id; `wait_until_seen` in them waits for one of the awaited texts."""
    begun = begin(server, folder, SEEN + WAIT, *cells)
    reader = events_of(server, begun.exec_id, "outputs=1")
    events = [next(reader) for _ in range(4)]
    (folder / "go").touch()
    for event in reader:
        events.append(event)
        for text in awaited:
            if event["event"] == "output" and text in told_by(event):
                (folder / f"seen {text}").touch()
    return events, begun.exec_id


def test_output_is_told_while_a_cell_runs_to_those_who_want_it(server: Server, folder: Path) -> None:
    events, exec_id = watched(
        server, folder, "for i in range(40):\n    print(i, flush=True); time.sleep(0.02)\n"
                        "    if i in (9, 19, 39): wait_until_seen(str(i))", awaited=("9", "19", "39"))
    text, outputs = shown(events, "3/3")
    cell = next(event for event in events if event["event"] == "end" and event["progress"] == "3/3")["cell"]
    assert text == text_of(cell) == "".join(f"{i}\n" for i in range(40))
    assert 3 <= len(outputs) <= 10 * cell["metadata"]["nbexec"]["duration"] + 1
    assert set(outputs[0]) == {"event", "timestamp", "exec_id", "progress", "outputs", "replace"}
    assert [output["replace"] for output in outputs] == [True] + [False] * (len(outputs) - 1)
    assert all(len(event["outputs"]) == 1 for event in outputs)
    default = list(events_of(server, exec_id))
    assert default == [event for event in events if event["event"] != "output"]


def test_what_is_written_over_is_told_as_it_is_seen(server: Server, folder: Path) -> None:
    events, _ = watched(
        server, folder,
        "print('first')\nfor i in range(100):\n    print(f'\\r{i:3}%', end='', flush=True); time.sleep(0.01)\n"
        "wait_until_seen('99')",
        "for i in range(20):\n    print('x' * (20 - i), end='\\r', flush=True)\nwait_until_seen('x' * 20)",
        "print('a\\r\\nb\\r', flush=True)\nwait_until_seen('b')\nprint('c', flush=True)\nwait_until_seen('c')",
        awaited=("99", "x" * 20, "b", "c"))
    text, outputs = shown(events, "3/5")
    assert text == "first\n 99%"
    cell = next(event for event in events if event["event"] == "end" and event["progress"] == "3/5")["cell"]
    assert len(outputs) <= 10 * cell["metadata"]["nbexec"]["duration"] + 1
    assert all("\r" not in str(event["outputs"]) for event in outputs)
    assert shown(events, "4/5")[0] == "x" * 20
    assert shown(events, "5/5")[0] == "a\nb\nc\n"


def test_displays_are_cleared_and_updated(server: Server, folder: Path) -> None:
    events, _ = watched(
        server, folder,
        "from IPython.display import clear_output\nprint('old', flush=True)\nwait_until_seen('old')\n"
        "clear_output()\nprint('new', flush=True)\nwait_until_seen('new')",
        "print('before')\nbar = display('one', display_id=True)\nwait_until_seen('one')\n"
        "bar.update('two')\nwait_until_seen('two')",
        "print('out', flush=True)\nwait_until_seen('out')\ndisplay('shown')\nprint('again', flush=True)\n"
        "wait_until_seen('again')", awaited=("old", "new", "one", "two", "out", "again"))
    text, outputs = shown(events, "3/5")
    assert text == "new\n" and "old" in str(outputs[0])
    text, outputs = shown(events, "4/5")
    assert "two" in text and "one" not in text and text.startswith("before\n") and "one" in str(outputs)
    text, outputs = shown(events, "5/5")
    assert text.startswith("out\n") and text.endswith("again\n") and "shown" in text
    assert not outputs[-1]["replace"] and outputs[-1]["outputs"][0].get("text") != "out\n"


def test_who_comes_late_is_told_all_of_the_cell(server: Server, folder: Path) -> None:
    begun = begin(server, folder, f"print('early', flush=True)\n{WAIT}", "'next'")
    for _ in range(2):  # and whoever comes after all have gone
        with closing(events_of(server, begun.exec_id, "outputs=true")) as reader:
            first = next(event for event in reader if event["event"] == "output")
            assert first["outputs"] == [{"output_type": "stream", "name": "stdout", "text": "early\n"}]
            assert first["replace"] and first["progress"] == "2/3"
    (folder / "go").touch()
    assert "output" not in names(list(begun.events))


def test_a_flood_is_told_by_its_end_and_kept_whole(server: Server, folder: Path) -> None:
    events, _ = watched(
        server, folder, "for i in range(100_000):\n    print(f'{i:06}' * 5)\nwait_until_seen('099999')",
        "from IPython.display import HTML\ndisplay(HTML('h' * 1_000_000))\nwait_until_seen('a large output')",
        awaited=("099999", "a large output"))
    text, outputs = shown(events, "3/4")
    cell = next(event for event in events if event["event"] == "end" and event["progress"] == "3/4")["cell"]
    assert len(text_of(cell)) == 100_000 * 31
    assert text_of(cell).endswith(text[-1000:]) and text.endswith("099999\n")
    assert all(len(json.dumps(event)) < 100_000 for event in outputs)
    assert "a large output" in shown(events, "4/4")[0]


def test_a_reader_who_does_not_read_holds_nothing_up(server: Server, folder: Path) -> None:
    source = "for i in range(100):\n    print('x' * 50_000, flush=True); time.sleep(0.01)"
    begun = begin(server, folder, WAIT, source, source)
    idle = [open_stream(server, f"/{begun.exec_id}/events?outputs=1") for _ in range(3)]
    before = psutil.Process(server.process.pid).memory_info().rss
    (folder / "go").touch()
    assert names(list(begun.events))[-1] == "notebook_complete"
    assert psutil.Process(server.process.pid).memory_info().rss - before < 80 << 20
    for stream in idle:
        stream.close()


def test_a_watcher_who_leaves_does_not_hurry_the_end_of_the_kernel(server: Server, folder: Path) -> None:
    slow = "import atexit, time\natexit.register(lambda: (time.sleep(4), open('ended', 'w')))"
    begun = begin(server, folder, slow, WAIT)
    with closing(events_of(server, begun.exec_id, "outputs=1")) as reader:
        (folder / "go").touch()
        assert names(list(reader))[-1] == "notebook_complete"
    server.wait_until_quiet(30)
    assert (folder / "ended").exists()


def test_who_reads_slowly_is_shown_the_whole_again() -> None:
    async def read() -> Tuple[List[bool], List[bytes]]:
        asked: List[bool] = []
        log = EventLog(asked.append)
        reader = log.subscribe(outputs=True)
        log.show(b"a part of what it does not know\n", whole=False)
        log.show(b"whole\n", whole=True)
        for _ in range(100):
            log.show(b"part\n", whole=False)
        seen = []
        while len(asked) == 1:
            event = await asyncio.wait_for(reader.next(), 5)
            assert event is not None and event.number == 0
            seen.append(event.line)
        log.show(b"part\n", whole=False)
        log.show(b"whole\n", whole=True)
        event = await asyncio.wait_for(reader.next(), 5)
        await reader.close()
        assert event is not None
        return asked, [*seen, event.line]

    asked, seen = run(read())
    assert asked == [True, True, False]
    assert seen == [b"whole\n"] + [b"part\n"] * 7 + [b"whole\n"]


# -- changes of all executions --------------------------------------------------------------------


def test_changes_of_all_executions_are_told(server: Server, folder: Path) -> None:
    changes = changes_of(server)
    begun = begin(server, folder, WAIT)
    started = next(changes)
    assert set(started) == {"event", "timestamp", "exec_id", "execution"}
    assert (started["event"], started["exec_id"]) == ("started", begun.exec_id)
    told = [next(changes)]
    while told[-1]["execution"]["progress"] != "2/2":
        told.append(next(changes))
    assert set(names(told)) == {"progress"}
    assert told[-1]["execution"] == server.model(begun.exec_id)
    (folder / "go").touch()
    ended = next(change for change in changes if change["event"] != "progress")
    assert ended["event"] == "ended" and ended["execution"] == server.model(begun.exec_id)
    server.delete(f"/{begun.exec_id}")
    deleted = next(changes)
    assert (deleted["event"], deleted["exec_id"]) == ("deleted", begun.exec_id) and "execution" not in deleted


def test_a_deleted_execution_is_not_told_of_again(server: Server, folder: Path) -> None:
    changes = changes_of(server)
    begun = begin(server, folder, WAIT)
    server.delete(f"/{begun.exec_id}", headers=STREAM)
    other = server.run(write_notebook(folder / "b.ipynb", "1"))[0]["exec_id"]
    told = []
    while not told or (told[-1]["event"], told[-1]["exec_id"]) != ("ended", other):
        told.append(next(changes))
    assert [change["event"] for change in told if change["exec_id"] == begun.exec_id][-1] == "deleted"


def test_progress_is_told_about_five_times_a_second(server: Server, folder: Path) -> None:
    changes = changes_of(server)
    events = server.run(write_notebook(folder / "a.ipynb", *["import time; time.sleep(0.01)"] * 60))
    told: List[Event] = []
    while not told or told[-1]["event"] != "ended":
        told.append(next(changes))
    seconds = events[-1]["timestamp"] - events[0]["timestamp"]
    assert 2 <= names(told).count("progress") <= 5 * seconds + 2
    positions = [int(change["execution"]["progress"].split("/")[0]) for change in told[1:]]
    assert positions == sorted(positions) and positions[-1] == 60


def test_changes_are_sent_to_browsers_too(server: Server, folder: Path) -> None:
    lines = open_stream(server, "/events", **SSE).iter_lines(chunk_size=None)
    exec_id = server.run(write_notebook(folder / "a.ipynb", "1"))[0]["exec_id"]
    told: List[str] = []
    while told[-2:-1] != ["event: ended"] or exec_id not in told[-1]:  # others may still end
        told.append(next(lines).decode())
    assert "event: started" in told and not any(line.startswith("id:") for line in told)
    assert json.loads(told[-1][len("data: "):])["exec_id"] == exec_id


def test_pruned_executions_are_told_as_deleted(new_server: Callable[..., Server]) -> None:
    server = new_server("--NbExec.keep_executions=1")
    changes = changes_of(server)
    source = write_notebook(server.root / "a.ipynb", "1")
    first, second = (server.run(source)[0]["exec_id"] for _ in range(2))
    deleted = next(change for change in changes if change["event"] == "deleted")
    assert deleted["exec_id"] == first
    server.delete()
    assert next(change for change in changes if change["event"] == "deleted")["exec_id"] == second


# -- what is left ---------------------------------------------------------------------------------


def test_readers_who_go_leave_nothing_behind(server: Server, folder: Path) -> None:
    server.wait_until_quiet()
    begun = begin(server, folder, WAIT)
    process = psutil.Process(server.process.pid)
    streams = [open_stream(server, path) for path in ("/events", f"/{begun.exec_id}/events?outputs=1") * 10]
    connections = [found for found in process.net_connections("tcp") if found.status == psutil.CONN_ESTABLISHED]
    assert len(connections) >= 20
    before = process.num_fds() - 20
    for stream in streams:
        stream.close()
    wait_for(lambda: process.num_fds() <= before, 15, "the connections to go")
    assert psutil.pid_exists(begun.runner)
    (folder / "go").touch()
    assert names(list(begun.events))[-1] == "notebook_complete"
    server.wait_until_quiet()
    for _ in range(20):  # readers of what is over, who go at once
        open_stream(server, f"/{begun.exec_id}/events").close()
    server.wait_until_quiet()
    wait_for(lambda: process.num_fds() <= before, 15, "the connections to go")
