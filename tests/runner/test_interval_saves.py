"""What is saved of an output notebook while it runs, and what becomes of that."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Dict, List

import nbformat
import psutil
import pytest
import requests
from census import census
from command import Cli
from helpers import STREAM, Server, begin, path_of, text_of, wait_for, write_notebook
from nbformat.sign import NotebookNotary

import nbexec

SLEEP = "import time; print('so far', flush=True); time.sleep(600)"
UNTIL = "import os, time\nprint('so far', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.01)\n"


@pytest.fixture(scope="module")
def saving(started: Callable[..., Server]) -> Server:
    """A server that saves often."""
    return started("saving", "--NbExec.save_interval=0.2")


@pytest.fixture()
def folder(saving: Server) -> Path:
    folder = saving.root / f"folder{sum(1 for _ in saving.root.iterdir())}"
    folder.mkdir()
    return folder


def partial_files(folder: Path) -> List[Path]:
    return sorted(folder.glob("*-Partial-*.ipynb"))


def saved(folder: Path, text: str = "so far\\n\"") -> Dict[str, Any]:
    """Return the partial notebook of a folder, once it has some output in it."""
    wait_for(lambda: any(text in file.read_text("utf-8") for file in partial_files(folder)), 30, "a save")
    nb: Dict[str, Any] = json.loads(partial_files(folder)[0].read_text("utf-8"))
    return nb


def left(folder: Path) -> List[str]:
    """Return what is left of saves in a folder."""
    return sorted(name for name in os.listdir(folder) if "Partial" in name or name.endswith(".tmp"))


def test_output_is_saved_while_a_cell_runs(saving: Server, folder: Path) -> None:
    begun = begin(saving, folder, UNTIL, "print('after')")
    nb = saved(folder)
    file, = partial_files(folder)
    assert file.name == f"a-Partial-{begun.exec_id}.ipynb"
    node = nbformat.from_dict(nb)
    nbformat.validate(node)
    assert (nb["metadata"]["nbexec"]["partial"], nb["metadata"]["nbexec"]["exec_id"]) == (True, begun.exec_id)
    assert [cell["metadata"]["papermill"]["status"] for cell in nb["cells"]] == ["completed", "running", "pending"]
    assert file.stat().st_mode == (folder / "a.ipynb").stat().st_mode
    assert saving.model(begun.exec_id)["output_path"] is None
    (folder / "go").touch()
    assert list(begun.events)[-1]["event"] == "notebook_complete"
    assert left(folder) == []
    output = saving.output(begun.output)
    assert "nbexec" not in output.metadata and text_of(output.cells[-1]) == "after\n"


def test_only_the_output_notebook_is_trusted(saving: Server, folder: Path) -> None:
    begun = begin(saving, folder, UNTIL)
    partial = nbformat.from_dict(saved(folder))
    (folder / "go").touch()
    list(begun.events)
    database, = saving.folder.rglob("nbsignatures.db")
    notary = NotebookNotary(data_dir=str(database.parent))
    assert notary.check_signature(saving.output(begun.output))
    assert not notary.check_signature(partial)
    notary.store.close()


def test_the_partial_notebook_can_be_run(saving: Server, folder: Path) -> None:
    begun = begin(saving, folder, UNTIL)
    nb = saved(folder)
    (folder / "go").touch()
    list(begun.events)
    (folder / "again.ipynb").write_text(json.dumps(nb))
    final = saving.run(folder.joinpath("again.ipynb"))[-1]
    assert final["event"] == "notebook_complete"
    assert "nbexec" not in saving.output(final["execution"]["output_path"]).metadata


def shut_down(server: Server, exec_id: str, kernel: int) -> None:
    server.post(f"/{exec_id}", action="shutdown")


def delete(server: Server, exec_id: str, kernel: int) -> None:
    server.delete(f"/{exec_id}", headers=STREAM)


def kill_kernel(server: Server, exec_id: str, kernel: int) -> None:
    os.kill(kernel, signal.SIGKILL)


@pytest.mark.parametrize("end", [shut_down, delete, kill_kernel])
def test_nothing_is_left_of_an_execution_that_is_ended(saving: Server, folder: Path,
                                                       end: Callable[[Server, str, int], None]) -> None:
    with census(saving):
        begun = begin(saving, folder, SLEEP)
        saved(folder)
        end(saving, begun.exec_id, begun.kernel)
        assert list(begun.events)[-1]["event"] == "notebook_error"
        assert left(folder) == []
        assert "so far" in (saving.root / begun.output).read_text("utf-8")


@pytest.mark.parametrize("cell, data", [("1 / 0", {}), ("time.sleep(600)", {"cell_timeout": "4"})])
def test_nothing_is_left_of_an_execution_that_fails(saving: Server, folder: Path, cell: str,
                                                    data: Dict[str, str]) -> None:
    begun = begin(saving, folder, UNTIL, cell, **data)
    saved(folder)
    (folder / "go").touch()
    assert list(begun.events)[-1]["event"] == "notebook_error"
    assert left(folder) == []


def test_nothing_is_left_after_saves_that_take_long(saving: Server, folder: Path) -> None:
    """The notebook ends while 30 MB are being saved."""
    cells = ["print('x' * 30_000_000)", *["import time; time.sleep(0.25); print(1)"] * 4]
    with census(saving):
        events = saving.run(write_notebook(folder / "a.ipynb", *cells))
        assert events[-1]["event"] == "notebook_complete"
        assert left(folder) == []


def test_the_killed_server_leaves_the_output_alone(new_server: Callable[..., Server]) -> None:
    server = new_server("--NbExec.save_interval=0.2")
    begun = begin(server, server.root, SLEEP)
    saved(server.root)
    server.stop(signal.SIGKILL)
    wait_for((server.root / begun.output).exists)
    wait_for(lambda: left(server.root) == [])


def test_the_partial_file_is_what_remains_when_everything_is_killed(new_server: Callable[..., Server]) -> None:
    server = new_server("--NbExec.save_interval=0.2")
    (server.root / "out.ipynb").write_text("old")
    begun = begin(server, server.root, SLEEP, output_path="out.ipynb", overwrite="true")
    saved(server.root)
    for process in [server.process, *map(psutil.Process, (begun.runner, begun.kernel))]:
        process.send_signal(signal.SIGSTOP)
    for process in [*map(psutil.Process, (begun.runner, begun.kernel)), server.process]:
        with suppress(psutil.NoSuchProcess):  # the kernel goes with its runner
            process.send_signal(signal.SIGKILL)
    server.process.wait()
    wait_for(lambda: not psutil.pid_exists(begun.runner))
    file, = partial_files(server.root)
    assert file.name == f"out-Partial-{begun.exec_id}.ipynb"
    nb = nbformat.read(file, 4)
    assert text_of(nb.cells[1]) == "so far\n" and nb.metadata.nbexec.partial
    assert (server.root / "out.ipynb").read_text() == "old"


def test_what_a_killed_runner_saved_is_in_its_output_notebook(saving: Server, folder: Path) -> None:
    begun = begin(saving, folder, SLEEP)
    saved(folder)
    os.kill(begun.runner, signal.SIGKILL)
    final = list(begun.events)[-1]
    assert final["output_path"] == final["execution"]["output_path"] == begun.output
    assert text_of(saving.output(begun.output).cells[1]) == "so far\n"
    assert left(folder) == []


def test_a_save_that_fails_is_logged_once_and_the_run_goes_on(saving: Server, folder: Path) -> None:
    (folder / "out").mkdir()
    begun = begin(saving, folder, UNTIL + "import shutil\nshutil.rmtree('out')\nfor _ in range(20):\n"
                                          "    time.sleep(0.1); print('later', flush=True)\nos.mkdir('out')",
                  output_path=path_of(saving, folder / "out" / "b.ipynb"))
    saved(folder / "out")
    before = saving.log.count("could not be saved while it runs")
    (folder / "go").touch()
    assert list(begun.events)[-1]["event"] == "notebook_complete"
    assert saving.log.count("could not be saved while it runs") == before + 1
    assert (folder / "out" / "b.ipynb").exists() and left(folder / "out") == []


def test_an_error_names_the_partial_file_if_the_output_cannot_be_written(saving: Server, folder: Path) -> None:
    begun = begin(saving, folder, UNTIL + "os.mkdir('b.ipynb')", output_path=path_of(saving, folder / "b.ipynb"),
                  overwrite="true")
    saved(folder)
    (folder / "go").touch()
    final = list(begun.events)[-1]
    file, = partial_files(folder)
    assert final["output_path"] is None
    assert final["error"].endswith(f"; a part of the output is in {file.name}")


def test_an_interval_is_for_one_request(saving: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "import os, time; print(1, flush=True); time.sleep(1); "
                                                "print([name for name in os.listdir() if 'Partial' in name])")
    for interval in ("0", "600"):
        answer = saving.request("POST", headers={**STREAM, "X-Save-Interval": interval},
                                data={"notebook": path_of(saving, source)})
        final = json.loads(answer.text.splitlines()[-1])
        assert text_of(saving.output(final["execution"]["output_path"]).cells[0]).endswith("\n[]\n")


@pytest.mark.parametrize("interval", ["-1", "1.5", "", "often"])
def test_a_wrong_interval_is_refused(saving: Server, folder: Path, interval: str) -> None:
    answer: requests.Response = saving.request("POST", headers={"X-Save-Interval": interval}, data={
        "notebook": path_of(saving, write_notebook(folder / "a.ipynb", "1"))})
    assert answer.status_code == 400 and answer.headers["X-Error-Field"] == "X-Save-Interval"
    assert "expected a positive integer, or 0 for none" in answer.json()["message"]


# -- without a server -----------------------------------------------------------------------------


def test_run_notebook_saves_at_intervals(tmp_path: Path) -> None:
    cell = ("import glob, time\nprint('so far', flush=True)\nend = time.monotonic() + 30\n"
            "while not glob.glob('*-Partial-*') and time.monotonic() < end: time.sleep(0.02)\nprint(glob.glob('*'))")
    result = nbexec.run_notebook(write_notebook(tmp_path / "a.ipynb", cell), save_interval=1)
    assert f"a-Partial-{result.exec_id}.ipynb" in text_of(result.cells[0])
    assert sorted(os.listdir(tmp_path)) == ["a-Executed1.ipynb", "a.ipynb"]


def test_the_command_line_has_the_option(cli: Cli) -> None:
    write_notebook(cli.work / "a.ipynb", SLEEP)
    with cli.start("run", "a.ipynb", "--save-interval", "1") as process:
        saved(cli.work)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert left(cli.work) == [] and (cli.work / "a-Executed1.ipynb").exists()
    assert cli("run", "a.ipynb", "--save-interval", "often").returncode == 2
