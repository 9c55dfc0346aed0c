"""The commands for executions on a server: list, show, watch, stop, delete, open, and a run that nobody waits for."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
import requests
from command import Cli
from helpers import Server, free_port, wait_for, write_notebook

SLEEP = "open('begun', 'w').close()\nimport time; time.sleep(600)"
Do = Callable[..., Any]


@pytest.fixture
def do(cli: Cli, server: Server) -> Do:
    """Runs a command on the server of the session, and checks that it succeeds."""
    def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = cli(*arguments, *(["--server", server.url] if arguments[0] == "run" else []),
                   NBEXEC_SERVER=server.url, NBEXEC_TOKEN=server.token)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def detached(do: Do, folder: Path, *cells: str) -> str:
    write_notebook(folder / "a.ipynb", *cells)
    exec_id: str = do("run", "--detach", f"{folder.name}/a.ipynb").stdout.strip()
    return exec_id


def model_of(do: Do, exec_id: str) -> Dict[str, Any]:
    model: Dict[str, Any] = json.loads(do("show", exec_id, "--json").stdout)["execution"]
    return model


def test_detached_runs_are_listed_shown_stopped_and_deleted(do: Do, folder: Path) -> None:
    exec_id = detached(do, folder, "print('so far')", SLEEP)
    wait_for((folder / "begun").exists, 60)
    row = next(line for line in do("list", "--running").stdout.splitlines() if line.startswith(exec_id[:8]))
    assert "executing" in row and "2/2" in row and f"{folder.name}/a.ipynb" in row
    shown = do("show", exec_id[:13]).stdout
    assert f"id          {exec_id}" in shown and "status      executing" in shown
    assert "the execution was shut down" in do("stop", exec_id).stdout
    assert model_of(do, exec_id)["output_path"] == f"{folder.name}/a-Executed1.ipynb"
    assert exec_id not in [model["exec_id"] for model in json.loads(
        do("list", "--running", "--json").stdout)["executions"]]
    assert json.loads(do("delete", exec_id, "--json").stdout) == {"deleted": [exec_id]}
    assert "no execution on" in do("show", exec_id, code=2).stderr


def test_a_list_is_filtered_and_bounded(do: Do, folder: Path) -> None:
    for value in ("North", "South", "Eastern"):
        write_notebook(folder / "a.ipynb", "# nbexec: params\nregion = 'all'", "1 if region != 'South' else 1 / 0")
        do("run", f"{folder.name}/a.ipynb", "-p", f"region={value}", code=1 if value == "South" else 0)

    def regions(*options: str) -> List[str]:
        shown = do("list", "--notebook", f"{folder.name}/a.ipynb", "--json", *options).stdout
        return [model["params"]["region"] for model in json.loads(shown)["executions"]]

    assert regions() == ["North", "South", "Eastern"]
    assert regions("--state", "failed") == ["South"]
    assert regions("--state", "failed", "--running") == ["South"]
    assert regions("--text", "region=n") == ["North"]
    assert regions("--limit", "2") == ["South", "Eastern"]  # the latest ones, in their order
    assert regions("--since", "2024-06-30") == ["North", "South", "Eastern"]
    assert regions("--until", "2024-06-30T08:00") == []
    assert "--since" in do("list", "--since", "yesterday", code=2).stderr


def test_detach_prints_the_model_as_json(do: Do, folder: Path) -> None:
    write_notebook(folder / "a.ipynb", "# nbexec: params\nx = 1")
    done = do("run", "--detach", "--json", f"{folder.name}/a.ipynb", "-p", "x=3")
    assert json.loads(done.stdout)["execution"]["params"] == {"x": "3"}


def test_detach_needs_a_server_that_stays(cli: Cli) -> None:
    write_notebook(cli.work / "a.ipynb", "1")
    done = cli("run", "--detach", "a.ipynb")
    assert (done.returncode, done.stdout) == (8, "") and "nbexec server" in done.stderr, done.stderr


def test_watch_ends_as_run_does(do: Do, folder: Path) -> None:
    done = do("watch", detached(do, folder, "print('so far')", "1 / 0"), code=1)
    assert "[1/2] print('so far')" in done.stderr and "ZeroDivisionError" in done.stderr
    assert done.stdout == f"{folder.name}/a-Executed1.ipynb\n"


def test_watch_prints_events(do: Do, folder: Path) -> None:
    done = do("watch", "--json", detached(do, folder, "1"))
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["notebook_start", "start", "end", "notebook_complete"]


def test_ctrl_c_ends_watch_and_not_the_execution(cli: Cli, server: Server, do: Do, folder: Path) -> None:
    exec_id = detached(do, folder, SLEEP)
    with cli.start("watch", exec_id, "--server", server.url, "--token", server.token) as process:
        assert process.stderr is not None and "[1/1]" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130 and "the execution continues" in stderr
    assert model_of(do, exec_id)["status"] == "executing"
    do("stop", exec_id)


def test_delete_takes_all_that_have_ended(cli: Cli, new_server: Callable[..., Server]) -> None:
    server = new_server()
    write_notebook(server.root / "a.ipynb", "1")
    write_notebook(server.root / "b.ipynb", SLEEP)
    server.run(server.root / "a.ipynb")
    place = ["--server", server.url, "--token", server.token]
    running = cli("run", "--detach", "b.ipynb", *place).stdout.strip()
    assert len(cli("delete", "--ended", *place).stdout.split()) == 1
    models = json.loads(cli("list", "--json", *place).stdout)["executions"]
    assert [model["exec_id"] for model in models] == [running]
    assert cli("delete", *place).returncode == 2 and cli("delete", "x", "--ended", *place).returncode == 2


def test_open_prints_addresses_without_the_token(do: Do, server: Server, folder: Path) -> None:
    exec_id = detached(do, folder, "1")
    do("watch", exec_id)
    assert do("open", exec_id, "--print").stdout == f"{server.url}notebooks/{folder.name}/a-Executed1.ipynb\n"
    assert json.loads(do("open", "--json").stdout) == {"url": f"{server.url}tree#executions"}


def test_commands_find_a_running_server(cli: Cli, server: Server) -> None:
    done = cli("list", "--json", JUPYTER_RUNTIME_DIR=str(server.runtime_dir), NBEXEC_TOKEN="of another server")
    assert done.returncode == 0 and "executions" in json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("arguments", [["list"], ["show", "x"], ["watch", "x"], ["stop", "x"], ["delete", "x"],
                                       ["open", "x"]])
def test_without_a_server_the_code_is_8(cli: Cli, arguments: List[str]) -> None:
    done = cli(*arguments)
    assert (done.returncode, done.stdout) == (8, "") and len(done.stderr.splitlines()) == 1, done.stderr
    done = cli(*arguments, NBEXEC_SERVER=f"http://127.0.0.1:{free_port()}/", NBEXEC_TOKEN="t")
    assert (done.returncode, done.stdout) == (8, ""), done.stderr


def test_a_server_in_the_foreground_is_found_and_ends_by_a_signal(cli: Cli) -> None:
    write_notebook(cli.work / "a.ipynb", "print('here')")
    port = free_port()
    with cli.start("server", "--port", port, "--allow-root", JUPYTER_TOKEN="of-the-service") as process:
        try:
            wait_for(lambda: list((cli.config.parent / "runtime").glob("nbserver-*.json")), 60)
            wait_for(lambda: _answers(port), 60, "the server to answer")
            done = cli("run", "a.ipynb")
            assert (done.returncode, done.stdout) == (0, "a-Executed1.ipynb\n"), done.stderr
            assert f":{port}/" in done.stderr.splitlines()[0] and "private" not in done.stderr
        finally:
            process.terminate()
            process.communicate(timeout=60)
    assert process.returncode == 0


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/api/executions?token=of-the-service", timeout=10).ok
    except requests.ConnectionError:
        return False
