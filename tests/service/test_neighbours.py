"""Another user of the same machine, who waits for his chance in the folders that are open to everybody."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path
from typing import Callable, Iterator, List

import psutil
import pytest
from helpers import Server, add_kernel, alive, begin, names, spares_of, text_of, wait_for, write_notebook

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0,
    reason="acting as a second user takes root on Linux")

NOBODY = 65534
# Takes a name that has become free, lets everybody in, and has a folder in it for each process there is.
SQUATTER = """
place = sys.argv[1]
print("ready", flush=True)
while True:
    try:
        os.mkdir(place)
        break
    except FileExistsError:
        time.sleep(0.001)
os.chmod(place, 0o777)
print("taken", flush=True)
time.sleep(600)
"""


def as_neighbour(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a program of another user, who need not be able to reach this Python; wait for its first line."""
    become = f"import os, socket, json, sys, time; os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
    process = subprocess.Popen([sys.executable, "-c", become + textwrap.dedent(script), *arguments], cwd="/",
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.fixture()
def shared(new_server: Callable[..., Server], tmp_path: Path) -> Callable[..., Server]:
    """Start a server whose folder for temporary files is like /tmp."""
    def start(*options: str, **more: bool) -> Server:
        server = new_server(*options, **more)
        server.temporary.chmod(0o1777)
        return server

    return start


def place_of(server: Server) -> Path:
    """Return the folder of the fork servers."""
    [place] = server.temporary.glob("nbexec-*.tmp")
    return place


@pytest.fixture()
def squat() -> Iterator[Callable[[Path], None]]:
    """Have a neighbour take the name of a folder as soon as that is removed, and remove it."""
    started: List[subprocess.Popen[str]] = []

    def take(place: Path) -> None:
        process = as_neighbour(SQUATTER, str(place))
        started.append(process)
        shutil.rmtree(place)
        assert process.stdout is not None and process.stdout.readline() == "taken\n"

    yield take
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("spares", [False, True], ids=["forked", "spare"])
def test_a_folder_that_somebody_else_has_made_is_not_used(shared: Callable[..., Server], squat: Callable[[Path], None],
                                                          spares: bool) -> None:
    server = shared(spares=spares)
    source = write_notebook(server.root / "a.ipynb", "print(1 + 1)")
    if spares:
        spares_of(server, 1)
    place = place_of(server)
    squat(place)
    assert place.stat().st_uid == NOBODY
    events = server.run(source)
    assert text_of(events[2]["cell"]) == "2\n"
    assert list(place.iterdir()) == []
    [other] = set(server.temporary.glob("nbexec-*.tmp")) - {place}
    assert (other.stat().st_uid, stat.S_IMODE(other.stat().st_mode)) == (0, 0o700)
    assert "was removed or belongs to someone else" in server.log


@pytest.mark.parametrize("how", ["link", "open"])
def test_a_folder_that_is_not_as_it_was_made_is_not_used(shared: Callable[..., Server], tmp_path: Path,
                                                         how: str) -> None:
    server = shared()
    source = write_notebook(server.root / "a.ipynb", "1")
    place = place_of(server)
    if how == "open":
        place.chmod(0o777)
    else:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir(0o700)
        shutil.rmtree(place)
        place.symlink_to(elsewhere)
    assert names(server.run(source))[-1] == "notebook_complete"
    assert len(list(server.temporary.glob("nbexec-*.tmp"))) == 2


def test_a_folder_that_is_lost_during_a_start_is_not_used(shared: Callable[..., Server],
                                                          squat: Callable[[Path], None]) -> None:
    """Its kernel takes a second to start: by then, somebody else could be behind the paths of its sockets."""
    server = shared("--NbExec.startup_timeout=15")
    slow = add_kernel(server, "slow", [sys.executable, "-c", "import sys, time; open('started', 'w'); time.sleep(2); "
                                       "from ipykernel.kernelapp import launch_new_instance as go; "
                                       "sys.argv = ['', '-f', sys.argv[1]]; go()", "{connection_file}"])
    source = write_notebook(server.root / "a.ipynb", "print(1 + 1)")
    exec_id = server.start_run(source, jupyter_kernel=slow)
    wait_for((server.root / "started").exists)
    place = place_of(server)
    squat(place)
    assert server.wait_until_final(exec_id, 120)["status"] == "completed"
    assert "starting another runner in its place" in server.log


@pytest.fixture()
def other_python(tmp_path: Path) -> Path:
    """Another interpreter, which has the same packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    [packages] = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (packages / "these.pth").write_text(sysconfig.get_path("purelib"))
    return tmp_path / "venv" / "bin" / "python"


def test_a_fork_server_of_another_interpreter_is_not_looked_for_in_a_folder_of_somebody_else(
        shared: Callable[..., Server], squat: Callable[[Path], None], other_python: Path) -> None:
    server = shared()
    name = add_kernel(server, "other", [str(other_python), "-m", "ipykernel_launcher", "-f", "{connection_file}"])
    source = write_notebook(server.root / "a.ipynb", "print(1 + 1)")
    server.run(source, jupyter_kernel=name)
    wait_for(lambda: f"There is a fork server for {other_python} now" in server.log)
    place = place_of(server)
    squat(place)
    listener = as_neighbour("""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o777)
        listener.listen(); print("ready", flush=True)
        connection, _ = listener.accept()
        print("asked:", connection.recv(1000), flush=True)
        """, str(place / "1.sock"))
    assert text_of(server.run(source, jupyter_kernel=name)[2]["cell"]) == "2\n"
    listener.kill()
    assert listener.communicate()[0] == ""


# -- records --------------------------------------------------------------------------------------


@pytest.fixture()
def database(tmp_path: Path) -> Path:
    (tmp_path / "records").mkdir(0o700)
    return tmp_path / "records" / "executions"


def refusal_of(server: Server) -> str:
    """Return the line of the log that says why the file is not used."""
    [line] = [line for line in server.log.splitlines() if "are kept in memory only and will be lost" in line]
    return line


def test_a_database_that_others_could_read_is_made_private(new_server: Callable[..., Server],
                                                           database: Path) -> None:
    for suffix in ("", "-wal", "-journal"):
        Path(f"{database}{suffix}").touch(0o644)
    notes = Path(f"{database}-notes")
    notes.mkdir(0o755)
    server = new_server(f"--NbExec.database_filepath={database}")
    server.run(write_notebook(server.root / "a.ipynb", "# nbexec: params\nx = 'a'", "1"), x="secret")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [*database.parent.iterdir(), notes]}
    assert {mode & 0o077 for mode in modes.values()} == {0}
    assert "could be read by others" in server.log and "kept in memory" not in server.log


@pytest.mark.parametrize("what", ["owner", "mode", "link", "second name", "notes owner", "notes mode", "notes link",
                                  "notes file", "wal owner", "journal mode", "folder mode", "folder owner"])
def test_a_database_that_others_could_have_written_to_is_not_used(new_server: Callable[..., Server], database: Path,
                                                                  tmp_path: Path, what: str) -> None:
    subject, _, how = what.rpartition(" ")
    notes = Path(f"{database}-notes")
    path = {"notes": notes, "wal": Path(f"{database}-wal"), "journal": Path(f"{database}-journal"),
            "folder": database.parent}.get(subject, database)
    if how in ("link", "name"):
        target = tmp_path / "target"
        target.mkdir(0o700) if subject == "notes" else target.touch(0o600)
        os.link(target, path) if how == "name" else path.symlink_to(target)
    elif how == "file" or subject not in ("notes", "folder"):
        path.touch(0o600)
    elif subject == "notes":
        path.mkdir(0o700)
    if how == "owner":
        os.chown(path, NOBODY, NOBODY)
    if how == "mode":
        path.chmod(0o777)
    server = new_server(f"--NbExec.database_filepath={database}")
    reason = refusal_of(server)
    assert str(path) in reason
    words = {"owner": "belongs to the user with id 65534", "mode": "mode 777", "link": "is a link",
             "name": "has a second name", "file": "is not a folder"}
    assert words[how] in reason
    assert names(server.run(write_notebook(server.root / "a.ipynb", "1")))[-1] == "notebook_complete"


def test_a_neighbour_forges_no_note(new_server: Callable[..., Server], database: Path) -> None:
    server = new_server(f"--NbExec.database_filepath={database}")
    begun = begin(server, server.root, "import time; time.sleep(600)")
    server.process.kill()
    server.process.wait()
    wait_for(lambda: not alive(begun.runner))
    note = Path(f"{database}-notes") / begun.exec_id
    note.unlink()
    note.write_text(json.dumps({"error": None, "timestamp": 1.0, "progress": "2/2", "output_name": "forged.ipynb"}))
    os.chown(note, NOBODY, NOBODY)
    server.start()
    assert server.wait_until_final(begun.exec_id)["status"] == "error: the notebook server went away"


# -- what killed processes leave ------------------------------------------------------------------


def test_a_start_removes_only_what_is_dead_and_ours(shared: Callable[..., Server]) -> None:
    server = shared()
    living = place_of(server)
    dead, foreign, plain = (server.temporary / f"nbexec-{name}.tmp" for name in ("deaddead", "foreign_", "notours"))
    for folder in (dead, foreign, plain):
        folder.mkdir(0o700)
        (folder / "kernel.json").write_text("{}")
    os.chown(foreign, NOBODY, NOBODY)
    spool = server.temporary / "nbexec-events-0123abcd"
    spool.touch(0o600)
    os.utime(spool, (1, 1))
    link = server.temporary / "nbexec-linklink.tmp"
    link.symlink_to(plain)
    other = Server(server.folder.parent / "other", environment={"TMPDIR": str(server.temporary)})
    try:
        assert not dead.exists() and not spool.exists()
        assert living.exists() and foreign.exists() and plain.exists() and link.is_symlink()
        assert len(list(server.temporary.glob("nbexec-????????.tmp"))) >= 4
        assert names(server.run(write_notebook(server.root / "a.ipynb", "1")))[-1] == "notebook_complete"
    finally:
        other.stop()


def test_what_a_server_leaves_that_was_killed_with_its_processes_is_removed(new_server: Callable[..., Server]) -> None:
    server = new_server()
    begin(server, server.root, "import time; time.sleep(600)")
    place = place_of(server)
    below = psutil.Process(server.process.pid).children(recursive=True)
    for process in [psutil.Process(server.process.pid), *below]:  # the fork server before its children
        process.kill()
    server.process.wait()
    wait_for(lambda: not any(alive(process.pid) for process in below))
    assert list(place.iterdir())
    server.start()
    assert not place.exists()
