"""Executions that are kept in a file, and for how long."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import pytest
import requests
from helpers import PIDS, STREAM, Server, alive, begin, names, wait_for, write_notebook

SLEEP = "import time; time.sleep(600)"
Start = Callable[..., Server]


@pytest.fixture()
def database(tmp_path: Path) -> Path:
    return tmp_path / "executions.sqlite"


@pytest.fixture()
def start(new_server: Start, database: Path) -> Start:
    """Start a server that keeps its executions in the database."""
    return lambda *options: new_server(f"--NbExec.database_filepath={database}", *options)


def crash(server: Server) -> None:
    server.process.kill()
    server.process.wait()


def models(server: Server) -> List[Dict[str, Any]]:
    return list(server.get().json()["executions"])


def tables(file: Path, script: str) -> None:
    with sqlite3.connect(str(file)) as connection:
        connection.executescript(script)
    connection.close()


def test_executions_survive_a_restart(start: Start, database: Path) -> None:
    server = start()
    source = write_notebook(server.root / "a.ipynb", "# nbexec: params\nx = 1", "1 / x")
    server.run(source, x="2")
    server.run(source, x="0")
    before = models(server)
    assert [model["status"][:9] for model in before] == ["completed", "error: An"]
    assert stat.S_IMODE(os.stat(database).st_mode) == 0o600
    server.stop()
    server.start()
    assert models(server) == before
    assert server.delete(f"/{before[0]['exec_id']}", headers=STREAM).status_code == 202
    server.stop()
    server.start()
    assert models(server) == before[1:]
    assert list(Path(f"{database}-notes").iterdir()) == []


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_running_executions_are_true_after_the_end_of_their_server(start: Start, how: str) -> None:
    server = start("--NbExec.max_running=1")
    begun = begin(server, server.root, "print('so far', flush=True)", SLEEP)
    queued = server.start_run("a.ipynb")
    for event in begun.events:
        if event["event"] == "start" and event["progress"] == "3/3":
            break
    server.stop() if how == "stopped" else crash(server)
    wait_for(lambda: not alive(begun.runner), 15)
    server.start()
    wait_for(lambda: not any(model["completed_at"] is None for model in models(server)))
    running, waiting = models(server)
    assert running["exec_id"] == begun.exec_id and waiting["exec_id"] == queued
    assert running["status"] == waiting["status"] == "error: the notebook server went away"
    assert running["output_path"] == "a-Executed1.ipynb" and waiting["output_path"] is None
    assert running["progress"] == "3/3"
    assert running["completed_at"] >= running["started_at"]
    assert "so far" in str(server.output(running["output_path"]).cells[1].outputs)


def test_a_result_that_the_killed_server_did_not_hear_of_is_not_lost(start: Start) -> None:
    server = start()
    begun = begin(server, server.root, "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)")
    os.kill(server.process.pid, signal.SIGSTOP)
    (server.root / "go").touch()
    wait_for((server.root / begun.output).exists)
    wait_for(lambda: not alive(begun.kernel))
    crash(server)
    server.start()
    model = server.wait_until_final(begun.exec_id)
    assert (model["status"], model["output_path"], model["progress"]) == ("completed", begun.output, "2/2")


def test_an_execution_is_not_final_while_its_runner_still_saves(start: Start) -> None:
    server = start()
    begun = begin(server, server.root, SLEEP)
    fork_server = server.fork_server()
    fork_server.suspend()  # it would kill the runner before a slow machine has started the next server
    os.kill(begun.runner, signal.SIGSTOP)
    try:
        crash(server)
        server.start()
        assert server.model(begun.exec_id)["status"] == "executing"
    finally:
        os.kill(begun.runner, signal.SIGCONT)
        fork_server.resume()
    model = server.wait_until_final(begun.exec_id)
    assert model["output_path"] == begun.output
    server.output(begun.output)


def test_a_runner_that_was_killed_with_its_server_leaves_an_error(start: Start) -> None:
    server = start()
    begun = begin(server, server.root, SLEEP)
    os.kill(begun.runner, signal.SIGSTOP)
    crash(server)
    os.kill(begun.runner, signal.SIGKILL)
    server.start()
    model = server.wait_until_final(begun.exec_id)
    assert model["status"] == "error: the notebook server went away"
    assert model["output_path"] is None


def test_two_servers_do_not_share_a_file(start: Start, new_server: Start, database: Path) -> None:
    first = start()
    first.run(write_notebook(first.root / "a.ipynb", "1"))
    second = start()
    assert f"executions cannot be stored in {database}: another server is using it" in second.log
    assert models(second) == []
    second.run(write_notebook(second.root / "a.ipynb", "1"))
    assert len(models(first)) == len(models(second)) == 1
    second.stop()
    crash(first)
    first.start()
    assert len(models(first)) == 1


@pytest.mark.parametrize("content", [b"", b"no database at all" * 400, b"SQLite format 3\0" + b"\xff" * 8000],
                         ids=["empty", "text", "garbage"])
def test_a_damaged_file_is_set_aside(start: Start, database: Path, content: bytes) -> None:
    database.write_bytes(content)
    server = start()
    server.run(write_notebook(server.root / "a.ipynb", "1"))
    aside = list(database.parent.glob("executions.sqlite.damaged-*"))
    assert [path.read_bytes() for path in aside] == ([content] if content else [])
    assert ("cannot be read" in server.log) == bool(content)
    server.stop()
    server.start()
    assert len(models(server)) == 1


def test_a_file_that_is_damaged_inside_is_set_aside(start: Start, database: Path) -> None:
    server = start()
    source = write_notebook(server.root / "a.ipynb", "# " + "x" * 3000)
    for _ in range(4):
        server.run(source)
    server.stop()
    content = bytearray(database.read_bytes())
    content[4096 * 2:4096 * 4] = b"\x99" * 8192
    database.write_bytes(bytes(content))
    server.start()
    assert list(database.parent.glob("executions.sqlite.damaged-*"))
    assert models(server) == []


def test_the_first_version_of_the_file_is_migrated(start: Start, database: Path) -> None:
    model = ('{"exec_id": "e1", "path": "a.ipynb", "params": {}, "output_path": null, "overwrite": false, '
             '"jupyter_kernel": null, "cell_timeout": null, "status": "completed", "progress": "1/1", '
             '"last_cell_source": "1", "started_at": 1.0, "completed_at": 2.0}')
    tables(database, f"""
        CREATE TABLE executions (number INTEGER PRIMARY KEY, exec_id TEXT UNIQUE NOT NULL, model TEXT NOT NULL,
                                 completed_at REAL);
        INSERT INTO executions VALUES (1, 'e1', '{model}', 2.0);
        PRAGMA user_version = 1;""")
    server = start()
    assert server.model("e1")["progress"] == "1/1"
    source = write_notebook(server.root / "a.ipynb", "1")
    again = [server.request("POST", data={"notebook": source.name}, headers={"Idempotency-Key": "k"}).status_code
             for _ in range(2)]
    assert again == [202, 200]


def test_a_file_of_a_newer_version_is_left_alone(start: Start, database: Path) -> None:
    tables(database, "CREATE TABLE later (x); PRAGMA user_version = 99;")
    content = database.read_bytes()
    server = start()
    assert "it was written by a newer nbexec (version 99" in server.log
    server.run(write_notebook(server.root / "a.ipynb", "1"))
    server.stop()
    assert database.read_bytes() == content


def test_the_folder_of_the_file_is_made(new_server: Start, tmp_path: Path) -> None:
    server = new_server(f"--NbExec.database_filepath={tmp_path / 'new' / 'executions'}")
    server.run(write_notebook(server.root / "a.ipynb", "1"))
    crash(server)
    server.start()
    assert len(models(server)) == 1
    assert stat.S_IMODE(os.stat(tmp_path / "new").st_mode) == 0o700


@pytest.mark.parametrize("place", ["server0/log/executions", "."], ids=["below a file", "a folder"])
def test_a_file_that_cannot_be_made_is_named(new_server: Start, tmp_path: Path, place: str) -> None:
    server = new_server(f"--NbExec.database_filepath={tmp_path / place}")
    assert "executions cannot be stored in" in server.log and "will be lost when the server stops" in server.log
    assert server.run(write_notebook(server.root / "a.ipynb", "1"))[-1]["event"] == "notebook_complete"


@pytest.fixture()
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_under_the_file_stops_nothing(new_server: Start, small_disk: Path) -> None:
    server = new_server(f"--NbExec.database_filepath={small_disk / 'executions'}")
    source = write_notebook(server.root / "a.ipynb", "# " + "x" * 2000)
    server.run(source)
    filler = small_disk / "filler"
    with suppress_full(), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    for _ in range(20):
        assert names(server.run(source))[-1] == "notebook_complete"
    listed = models(server)
    assert [model["status"] for model in listed] == ["completed"] * 21
    assert "Keeping them in memory for now" in server.log
    assert server.delete(f"/{listed[0]['exec_id']}", headers=STREAM).status_code == 202
    assert models(server) == listed[1:]
    filler.unlink()
    server.run(source)
    assert "are being written to" in server.log
    listed = models(server)
    crash(server)
    server.start()
    assert sorted(models(server), key=str) == sorted(listed, key=str) and len(listed) == 21


class suppress_full:
    """Pass over the error of a full disk."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool:
        return isinstance(error, OSError)


# -- for how long ---------------------------------------------------------------------------------


def test_the_oldest_finished_executions_are_deleted(new_server: Start) -> None:
    server = new_server("--NbExec.keep_executions=3")
    source = write_notebook(server.root / "a.ipynb", PIDS)
    sleeping = server.start_run(write_notebook(server.root / "sleep.ipynb", SLEEP))
    done = [server.run(source)[-1]["exec_id"] for _ in range(5)]
    assert [model["exec_id"] for model in models(server)] == [sleeping, *done[2:]]
    assert len(list(server.root.glob("a-Executed*.ipynb"))) == 5


def test_finished_executions_are_deleted_after_a_while(new_server: Start) -> None:
    server = new_server("--NbExec.keep_seconds=1")
    sleeping = server.start_run(write_notebook(server.root / "sleep.ipynb", SLEEP))
    server.run(write_notebook(server.root / "a.ipynb", "1"))
    assert len(models(server)) == 2
    wait_for(lambda: [model["exec_id"] for model in models(server)] == [sleeping], 10)


# -- requests that come again ---------------------------------------------------------------------


def test_a_key_starts_one_execution(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "# nbexec: params\nx = 1", SLEEP)
    data = {"notebook": source.relative_to(server.root).as_posix(), "x": "2"}
    key = {"Idempotency-Key": f"{folder.name}-1"}
    first = server.request("POST", data=data, headers=key)
    assert first.status_code == 202
    exec_id = first.json()["exec_id"]
    wait_for(lambda: server.model(exec_id)["progress"] == "3/3")
    again = server.request("POST", data=data, headers=key)
    assert again.status_code == 200 and again.headers["Location"] == first.headers["Location"]
    assert again.json()["event"] == "notebook_start"
    assert again.json()["execution"] == server.model(exec_id)
    other = server.request("POST", data={**data, "x": "3"}, headers=key)
    assert other.status_code == 409
    assert "Idempotency-Key" in other.json()["message"] and exec_id in other.json()["message"]
    with server.request("POST", data=data, headers={**key, **STREAM}, stream=True) as stream:
        assert stream.status_code == 200
        server.post(f"/{exec_id}", action="shutdown")
        events = [line for line in stream.iter_lines() if line]
    assert b'"notebook_start"' in events[0] and b'"notebook_error"' in events[-1]
    server.wait_until_final(exec_id)
    state = server.request("POST", data=data, headers=key)
    assert state.status_code == 200 and state.json()["event"] == "notebook_error"
    assert state.json()["error"] == "the execution was shut down"
    assert state.json()["execution"] == server.model(exec_id)


def test_a_key_belongs_to_its_execution(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "1").relative_to(server.root).as_posix()
    key = {"Idempotency-Key": f'"{folder.name}"'}
    first = server.request("POST", data={"notebook": source}, headers={**key, **STREAM})
    exec_id = first.text.splitlines()[0].partition('"exec_id": "')[2].partition('"')[0]
    final = server.request("POST", data={"notebook": source}, headers={**key, **STREAM})
    assert final.status_code == 200 and names([final.json()]) == ["notebook_complete"]
    server.delete(f"/{exec_id}", headers=STREAM)
    assert server.request("POST", data={"notebook": source}, headers=key).status_code == 202


def test_a_refused_request_does_not_take_the_key(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "1").relative_to(server.root).as_posix()
    key = {"Idempotency-Key": folder.name}
    assert server.request("POST", data={"notebook": source, "x": "1"}, headers=key).status_code == 400
    assert server.request("POST", data={"notebook": source}, headers=key).status_code == 202


def test_a_key_that_comes_ten_times_at_once_starts_one_execution(server: Server, folder: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    source = write_notebook(folder / "a.ipynb", "1").relative_to(server.root).as_posix()

    def post(_: int) -> requests.Response:
        return server.request("POST", data={"notebook": source}, headers={"Idempotency-Key": folder.name})

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(post, range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [202]
    assert len({answer.json()["exec_id"] for answer in answers}) == 1
    assert len(list(folder.glob("a-Executed*"))) <= 1


@pytest.mark.parametrize("key", ["", '""', "two words", "x" * 256, "é"],
                         ids=["empty", "quoted", "space", "long", "accent"])
def test_a_key_that_is_none_is_refused(server: Server, folder: Path, key: str) -> None:
    source = write_notebook(folder / "a.ipynb", "1").relative_to(server.root).as_posix()
    headers: Dict[str, Any] = {"Idempotency-Key": key.encode("utf-8")}
    answer = server.request("POST", data={"notebook": source}, headers=headers)
    assert answer.status_code == 400 and "Idempotency-Key" in answer.json()["message"]


def test_keys_survive_a_restart(start: Start) -> None:
    server = start()
    source = write_notebook(server.root / "a.ipynb", "1")
    key = {"Idempotency-Key": "nightly-2024-05-01"}
    exec_id = server.request("POST", data={"notebook": source.name}, headers=key).json()["exec_id"]
    crash(server)
    server.start()
    again = server.request("POST", data={"notebook": source.name}, headers=key)
    assert again.status_code == 200 and again.json()["exec_id"] == exec_id


# -- what nbexec has not written ------------------------------------------------------------------

MODEL: Dict[str, Any] = {
    "exec_id": "odd", "path": "a.ipynb", "params": {}, "output_path": None, "overwrite": False,
    "jupyter_kernel": None, "cell_timeout": None, "status": "executing", "progress": "1/1", "last_cell_source": "1",
    "started_at": 1.0, "completed_at": None}
DONE = {**MODEL, "status": "completed", "completed_at": 2.0}
ODD_MODELS = [
    "7", "[]", "null", "true", "{}", '"text"', "", "{", "NaN", "[" * 100_000, "{\"a\":" * 100_000,
    "\0" + json.dumps(DONE),
    json.dumps({**DONE, "more": 1}), json.dumps({name: value for name, value in DONE.items() if name != "params"}),
    json.dumps({**DONE, "started_at": float("nan")}), json.dumps(DONE).replace("1.0", "1e999"),
    json.dumps({**DONE, "started_at": True}), json.dumps({**DONE, "started_at": "yesterday"}),
    json.dumps(DONE).replace('"cell_timeout": null', '"cell_timeout": ' + "9" * 6000),
    json.dumps({**DONE, "params": []}), json.dumps({**DONE, "params": {"x": 1}}), json.dumps({**DONE, "path": 3}),
    json.dumps({**DONE, "status": 1}), json.dumps({**DONE, "status": "fine"}),
    json.dumps({**DONE, "completed_at": None}),
    json.dumps({**DONE, "output_path": {}}), json.dumps({**DONE, "exec_id": "another"}), json.dumps(MODEL)]


def test_records_that_nbexec_has_not_written_are_passed_over(start: Start, database: Path) -> None:
    server = start()
    good = server.run(write_notebook(server.root / "a.ipynb", "1"))[-1]["exec_id"]
    server.stop()
    rows: List[Tuple[Any, ...]] = [(f"odd{number}", text.replace('"odd"', f'"odd{number}"'), 2.0, 1, 4)
                                   for number, text in enumerate(ODD_MODELS)]
    rows += [(f"kind{number}", value, 2.0, 1, 4) for number, value in enumerate((7, 1.5, b"\xff\0", ""))]
    text = json.dumps(DONE)
    rows += [(b"blob", text.replace('"odd"', '"blob"'), 2.0, 1, 4),
             ("../up", text.replace("odd", "../up"), 2.0, 1, 4),
             ("number1", text.replace("odd", "number1"), 2.0, "x", 4),
             ("time", text.replace("odd", "time"), "x", 1, 4),
             ("huge", " " * (1 << 26) + text.replace("odd", "huge"), 2.0, 1, 4)]
    with sqlite3.connect(str(database)) as connection:
        connection.executemany("INSERT INTO executions (exec_id, model, completed_at, start_number, end_number) "
                               "VALUES (?, ?, ?, ?, ?)", rows)
    connection.close()
    server.start()
    assert [model["exec_id"] for model in models(server)] == [good]
    assert f"Ignoring {len(rows)} invalid records in {database}" in server.log
    assert server.get("/odd0").status_code == 404
    assert server.run("a.ipynb")[-1]["event"] == "notebook_complete"
    server.stop()
    server.start()
    assert len(models(server)) == 2
    assert server.log.count("invalid records in") == 1


@pytest.mark.parametrize("script", [
    "CREATE TABLE executions (x); PRAGMA user_version = 3", "PRAGMA user_version = 3", "CREATE TABLE keys (x)",
    "CREATE TABLE executions (number, exec_id, model, completed_at, start_number, end_number); "
    "CREATE TABLE keys (name, request, exec_id); PRAGMA user_version = 3"])
def test_tables_that_nbexec_has_not_made_leave_it_working(start: Start, database: Path, script: str) -> None:
    tables(database, script)
    server = start()
    source = write_notebook(server.root / "a.ipynb", "1")
    assert "are kept in memory" in server.log
    key = {"Idempotency-Key": "k"}
    assert server.request("POST", data={"notebook": source.name}, headers=key).status_code == 202
    assert server.run(source)[-1]["event"] == "notebook_complete"
    assert models(server)


ODD_NOTES = [b"7", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000, b'"text"',
             b"NaN", *(json.dumps({"error": None, "timestamp": 5.0, "progress": "2/2", "output_name": "a", **change}
                                  ).encode() for change in (
                 {"error": 3}, {"timestamp": None}, {"timestamp": float("nan")}, {"timestamp": -1},
                 {"timestamp": "now"}, {"progress": None}, {"progress": []}, {"output_name": 5},
                 {"output_name": "../../out.ipynb"},
                 {"output_name": ""}, {"output_name": "/etc/passwd"}))]


def test_notes_that_no_runner_has_written_are_passed_over(start: Start, database: Path) -> None:
    server = start()
    server.stop()
    notes = Path(f"{database}-notes")
    count = len(ODD_NOTES) + 3
    with sqlite3.connect(str(database)) as connection:
        for number in range(count):
            model = json.dumps({**MODEL, "exec_id": f"e{number}"})
            connection.execute("INSERT INTO executions (exec_id, model) VALUES (?, ?)", (f"e{number}", model))
    connection.close()
    for number, content in enumerate(ODD_NOTES):
        (notes / f"e{number}").write_bytes(content)
        (notes / f"e{number}").chmod(0o600)
    (notes / f"e{count - 3}").mkdir()
    os.mkfifo(notes / f"e{count - 2}", 0o600)
    (notes / f"e{count - 1}").symlink_to("/etc/passwd")
    (notes / "folder").mkdir()
    (notes / "folder" / "file").touch()
    server.start()
    wait_for(lambda: not any(model["completed_at"] is None for model in models(server)), 10)
    assert {model["status"] for model in models(server)} == {"error: the notebook server went away"}
    assert {model["output_path"] for model in models(server)} == {None}
    assert list(notes.iterdir()) == []
    assert server.log.count("which no runner has written") == len(ODD_NOTES)
