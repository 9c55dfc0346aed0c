"""What goes wrong with files: no room, no permission, no such folder, no notebook, and far too many cells."""

from __future__ import annotations

import copy
import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Set, Tuple
from urllib.parse import quote

import psutil
import pytest
import requests
from harmless import harmless
from helpers import TOKEN, Event, Server, begin, names, path_of, slowness, text_of, wait_for, write_notebook
from nbformat import v4

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
MOUNTS = IS_ROOT and sys.platform == "linux" and bool(shutil.which("mount"))
Content = Dict[str, bytes]


def content(folder: Path) -> Content:
    """Return what is in the files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def state(path: Path) -> Tuple[int, ...]:
    """Return what tells whether there is still the same thing at a path."""
    there = path.lstat()
    return there.st_mode, there.st_ino, there.st_size, there.st_mtime_ns


def refusal(response: requests.Response) -> Tuple[int, str]:
    """Return status and message of an error; the response itself would keep its connection open."""
    assert set(response.json()) == {"message", "reason"}
    return response.status_code, response.json()["message"]


@pytest.fixture(scope="module", autouse=True)
def warm(server: Server) -> None:
    """The first run of a server loads what the others have, too."""
    server.run(write_notebook(server.root / "warm.ipynb", "1"))


def until(path: Path) -> str:
    """Return a cell that ends when there is such a file."""
    return f"import os, time\nwhile not os.path.exists({str(path)!r}):\n    time.sleep(0.005)"


def error_of(events: List[Event]) -> str:
    """Return the error of an execution whose output could not be written, on which all that tell it agree."""
    last = events[-1]
    assert names(events)[-1] == "notebook_error"
    assert last["output_path"] is last["execution"]["output_path"] is None
    assert last["execution"]["status"] == f"error: {last['error']}"
    return str(last["error"])


# -- no room --------------------------------------------------------------------------------------


@pytest.fixture()
def disk(request: pytest.FixtureRequest, folder: Path) -> Iterator[Path]:
    """A small file system below the root of the server."""
    if not MOUNTS:
        pytest.skip("only root can mount a file system, and this is done for Linux alone")
    path = folder / "disk"
    path.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,nr_inodes=20", "none", str(path)],
                           stderr=subprocess.PIPE, text=True)
    if mount.returncode:
        pytest.skip(f"no file system can be mounted here: {mount.stderr}")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def fill(disk: Path) -> None:
    """Leave not a byte."""
    with open(disk / "filler", "wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(4096))


def take_all_names(disk: Path) -> None:
    """Leave room, but none for a further file."""
    with pytest.raises(OSError, match="No space"):
        for number in range(100):
            (disk / str(number)).touch()


ROOM: Dict[str, Callable[[Path], None]] = {
    "too little room": lambda disk: None, "no room": fill, "no room for a file": take_all_names}


@pytest.mark.parametrize("overwrite", ["false", "true"])
@pytest.mark.parametrize("room", ROOM)
def test_a_full_disk_is_an_error_and_no_part_of_a_file(server: Server, disk: Path, room: str,
                                                       overwrite: str) -> None:
    with harmless(server):
        source = write_notebook(disk / "a.ipynb", "print('x' * 1_000_000)", "1")
        target = write_notebook(disk / "out.ipynb", "'old'")
        ROOM[room](disk)
        before = content(disk)
        events = server.run(source, output_path=path_of(server, target), overwrite=overwrite)
        assert names(events) == ["notebook_start", *["start", "end"] * 2, "notebook_error"]
        assert "could not be written" in error_of(events)
        assert "No space left on device" in error_of(events)
        assert content(disk) == before


def test_a_disk_that_fills_up_during_the_run_is_an_error(server: Server, folder: Path, disk: Path) -> None:
    with harmless(server):
        begun = begin(server, disk, until(folder / "go"), "1 / 0")
        fill(disk)
        before = content(disk)
        (folder / "go").touch()
        error = error_of(list(begun.events))
        assert "ZeroDivisionError" in error and "No space left on device" in error  # both are told
        assert content(disk) == before


def test_a_full_disk_of_the_source_does_not_matter_to_an_output_elsewhere(server: Server, disk: Path) -> None:
    source = write_notebook(disk / "a.ipynb", "print('x' * 1_000_000)")
    fill(disk)
    with harmless(server):
        model = server.run(source, output_path=f"{disk.parent.name}/out.ipynb")[-1]["execution"]
        assert model["status"] == "completed"
    assert len(text_of(server.output(model["output_path"]).cells[0])) == 1_000_001


# -- a system that refuses ------------------------------------------------------------------------

# Makes a call fail for all files below a folder named fail-<call>-<errno>.
FAILING_CALLS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(call) ((__typeof__(&call)) dlsym(RTLD_NEXT, #call))

static int fails_for(const char *call, int fd) {
    char link[64], mark[64], path[PATH_MAX];
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    errno = before;
    if (size < 0)
        return 0;
    path[size] = 0;
    snprintf(mark, sizeof mark, "/fail-%s-", call);
    const char *found = strstr(path, mark);
    if (found)
        errno = atoi(found + strlen(mark));
    return found != NULL;
}

int fsync(int fd) { return fails_for("fsync", fd) ? -1 : REAL(fsync)(fd); }
ssize_t read(int fd, void *data, size_t size) { return fails_for("read", fd) ? -1 : REAL(read)(fd, data, size); }
ssize_t write(int fd, const void *data, size_t size) {
    return fails_for("write", fd) ? -1 : REAL(write)(fd, data, size);
}
int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags) {
    return fails_for("link", to_fd) ? -1 : REAL(linkat)(from_fd, from, to_fd, to, flags);
}
int renameat(int from_fd, const char *from, int to_fd, const char *to) {
    return fails_for("rename", to_fd) ? -1 : REAL(renameat)(from_fd, from, to_fd, to);
}
int fchmod(int fd, mode_t mode) { return fails_for("chmod", fd) ? -1 : REAL(fchmod)(fd, mode); }

int close(int fd) {  /* as on network file systems, which write when a file is closed */
    int failed = (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY && fails_for("close", fd);
    int reason = errno;
    int result = REAL(close)(fd);
    if (failed)
        errno = reason;
    return failed ? -1 : result;
}
"""


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose system calls can be made to fail."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if sys.platform != "linux" or not compiler:
        pytest.skip("system calls are made to fail by a compiled library, on Linux")
    folder = tmp_path_factory.mktemp("failing")
    library = folder / "failing.so"
    (folder / "failing.c").write_text(FAILING_CALLS)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, folder / "failing.c", "-ldl"], check=True)
    server = Server(folder / "server", environment={"LD_PRELOAD": str(library)})
    server.run(write_notebook(server.root / "a.ipynb", "1"))
    yield server
    server.stop()


FAILING: Dict[str, List[int]] = {  # calls one after the other, below folders within each other
    "fsync": [errno.EIO], "write": [errno.ENOSPC, errno.EDQUOT, errno.EIO], "close": [errno.EIO, errno.EDQUOT],
    "link": [errno.EIO, errno.ENOSPC, errno.EDQUOT], "rename": [errno.EIO, errno.ENOSPC], "chmod": [errno.EIO]}
REFUSED = [(f"fail-{call}-{number}", os.strerror(number)) for call, numbers in FAILING.items() for number in numbers]
REFUSED.append((f"fail-link-{errno.EPERM}/fail-rename-{errno.EIO}", os.strerror(errno.EIO)))


@pytest.mark.parametrize("fault, reason", REFUSED)
def test_a_call_that_fails_is_an_error_and_no_part_of_a_file(failing: Server, fault: str, reason: str) -> None:
    folder = failing.root / fault
    folder.mkdir(parents=True)
    go = failing.root / "go"
    overwrites = "link" not in fault  # a new file is linked, an old one is replaced
    source = write_notebook(folder / "a.ipynb", "print('all of it')")
    target = folder / "out.ipynb"
    if overwrites:
        write_notebook(target, "'old'")
    go.touch()
    before = content(folder)
    with harmless(failing):
        events = failing.run(source, output_path=path_of(failing, target), overwrite=str(overwrites))
        assert names(events) == ["notebook_start", "start", "end", "notebook_error"]
        assert "could not be written" in error_of(events) and reason in error_of(events)
        assert text_of(events[2]["cell"]) == "all of it\n"  # who listens has it all the same
        assert content(folder) == before


def test_a_file_system_without_links_will_do(failing: Server) -> None:
    folder = failing.root / f"fail-link-{errno.EPERM}" / "sound"
    folder.mkdir(parents=True)
    with harmless(failing):
        for number in (1, 2):
            model = failing.run(write_notebook(folder / "a.ipynb", "print('x')"))[-1]["execution"]
            assert (model["status"], Path(model["output_path"]).name) == ("completed", f"a-Executed{number}.ipynb")
            assert text_of(failing.output(model["output_path"]).cells[0]) == "x\n"


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ESTALE])
def test_a_source_that_cannot_be_read_is_recorded_as_an_error(failing: Server, number: int) -> None:
    folder = failing.root / f"fail-read-{number}"
    folder.mkdir()
    source = write_notebook(folder / "a.ipynb", "1")
    with harmless(failing):
        events = failing.run(source)
        assert names(events) == ["notebook_error"]
        assert "the file cannot be read" in error_of(events) and os.strerror(number) in error_of(events)
        assert [path.name for path in folder.iterdir()] == ["a.ipynb"]
        status, message = refusal(failing.get("/parameters", params={"notebook": path_of(failing, source)}))
        assert status == 400 and os.strerror(number) in message


# -- folders --------------------------------------------------------------------------------------


@pytest.fixture()
def make_read_only(request: pytest.FixtureRequest) -> Iterator[Callable[[Path], None]]:
    """Let nobody write to a folder any more; what root does is refused by the file system alone."""
    with ExitStack() as stack:
        def make(path: Path) -> None:
            if IS_ROOT:
                subprocess.run(["mount", "-o", "remount,ro", str(path)], check=True)
            else:
                stack.callback(path.chmod, 0o755)
                path.chmod(0o555)

        yield make


@pytest.fixture()
def guarded(request: pytest.FixtureRequest, folder: Path) -> Path:
    """A folder that can be made read-only."""
    if IS_ROOT:
        return Path(request.getfixturevalue("disk"))
    (folder / "disk").mkdir()
    return folder / "disk"


def test_a_read_only_folder_is_refused_before_anything_starts(
        server: Server, guarded: Path, make_read_only: Callable[[Path], None]) -> None:
    source = write_notebook(guarded / "a.ipynb", "1")
    make_read_only(guarded)
    path = path_of(server, source)
    before = server.get().json()
    with harmless(server):
        for fields in ({}, {"output_path": f"{guarded.parent.name}/disk/out.ipynb", "overwrite": "true"}):
            status, message = refusal(server.post(notebook=path, **fields))
            assert status == 400 and "a directory that the server may write to" in message
        assert server.get().json() == before
        model = server.run(source, output_path=f"{guarded.parent.name}/out.ipynb")[-1]["execution"]
        assert model["status"] == "completed"


def test_a_folder_that_becomes_read_only_is_an_error(
        server: Server, folder: Path, guarded: Path, make_read_only: Callable[[Path], None]) -> None:
    with harmless(server):
        begun = begin(server, guarded, until(folder / "go"))
        make_read_only(guarded)
        (folder / "go").touch()
        assert "could not be written" in error_of(list(begun.events))
        assert [path.name for path in guarded.iterdir()] == ["a.ipynb"]


def replace_by_file(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))
    folder.touch()


def replace_by_dangling_link(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))
    folder.symlink_to("nowhere")


VANISHING: Dict[str, Callable[[Path], Any]] = {
    "removed": shutil.rmtree, "renamed": lambda folder: folder.rename(folder.with_name("moved")),
    "replaced by a file": replace_by_file, "replaced by a dangling link": replace_by_dangling_link}


@pytest.mark.parametrize("way", VANISHING)
def test_a_folder_that_vanishes_during_the_run_is_an_error(server: Server, folder: Path, way: str) -> None:
    (folder / "sub").mkdir()
    with harmless(server):
        begun = begin(server, folder / "sub", until(folder / "go"), "print('to the end')")
        VANISHING[way](folder / "sub")
        (folder / "go").touch()
        events = list(begun.events)
        assert names(events) == ["end", "start", "end", "notebook_error"]
        assert "could not be written" in error_of(events)
        assert {path.name for path in folder.rglob("*")} <= {"sub", "moved", "go", "a.ipynb"}


# -- what others do to the files meanwhile --------------------------------------------------------


def rewrite(source: Path) -> None:
    write_notebook(source, "print('new')")


def put_another_there(source: Path) -> None:
    os.replace(str(write_notebook(source.with_name("new.ipynb"), "print('new')")), str(source))


def spoil(source: Path) -> None:
    source.write_bytes(b"no notebook")


CHANGES: Dict[str, Callable[[Path], Any]] = {
    "rewritten": rewrite, "replaced": put_another_there, "spoiled": spoil,
    "truncated": lambda path: path.write_bytes(b""), "removed": Path.unlink,
    "renamed": lambda path: path.rename(path.with_name("moved.ipynb"))}


@pytest.mark.parametrize("change", CHANGES)
def test_a_run_goes_on_with_the_source_that_it_has_read(server: Server, folder: Path, change: str) -> None:
    with harmless(server):
        begun = begin(server, folder, until(folder / "go"), "print('old')")
        CHANGES[change](folder / "a.ipynb")
        before = content(folder)
        (folder / "go").touch()
        events = list(begun.events)
        assert events[-1]["execution"]["status"] == "completed"
        assert events[-1]["execution"]["output_path"] == f"{folder.name}/a-Executed1.ipynb"
    output = server.output(f"{folder.name}/a-Executed1.ipynb")
    assert text_of(output.cells[2]) == "old\n"
    (folder / "a-Executed1.ipynb").unlink()
    (folder / "go").unlink()
    assert content(folder) == before


REPLACEMENTS: Dict[str, Callable[[Path], Any]] = {
    "nothing": lambda path: None, "directory": Path.mkdir, "FIFO": lambda path: os.mkfifo(str(path)),
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link to itself": lambda path: path.symlink_to(path.name)}


def test_a_source_that_vanishes_before_it_is_read_is_recorded_as_an_error(server: Server, folder: Path) -> None:
    """Between the check of the path and the runner that reads it, which is as long as the fork server is stopped."""
    server.run(write_notebook(folder / "a.ipynb", "1"))
    process = psutil.Process(server.process.pid)
    with harmless(server), ThreadPoolExecutor(len(REPLACEMENTS)) as pool:
        sources = {kind: write_notebook(folder / f"{kind}.ipynb", "1") for kind in REPLACEMENTS}
        before = process.num_fds()
        fork_server = server.fork_server()
        fork_server.suspend()
        try:
            runs = {kind: pool.submit(server.run, source) for kind, source in sources.items()}
            # Each has a connection to its client and one to its runner by now.
            wait_for(lambda: process.num_fds() >= before + 2 * len(runs))
            for kind, source in sources.items():
                source.unlink()
                REPLACEMENTS[kind](source)
        finally:
            fork_server.resume()
        for run in runs.values():
            events = run.result(timeout=30)
            assert names(events) == ["notebook_error"]
            assert error_of(events).startswith("the file ")
        assert not list(folder.glob("*-Executed1.ipynb")) or list(folder.glob("*-Executed1.ipynb")) == [
            folder / "a-Executed1.ipynb"]


@pytest.mark.parametrize("requested, taken, output", [
    ({}, "a-Executed1.ipynb", "a-Executed2.ipynb"),
    ({"output_path": "{folder}/out.ipynb"}, "out.ipynb", "out-1.ipynb")], ids=["default", "requested"])
@pytest.mark.parametrize("by", ["file", "directory", "dangling link", "FIFO"])
def test_an_output_name_that_is_taken_meanwhile_is_left_alone(server: Server, folder: Path, by: str, taken: str,
                                                              requested: Dict[str, str], output: str) -> None:
    make: Dict[str, Callable[[Path], Any]] = {**REPLACEMENTS, "file": lambda path: path.write_text("other")}
    fields = {name: value.format(folder=folder.name) for name, value in requested.items()}
    with harmless(server):
        begun = begin(server, folder, until(folder / "go"), **fields)
        make[by](folder / taken)
        before = state(folder / taken)
        (folder / "go").touch()
        model = list(begun.events)[-1]["execution"]
        assert (model["status"], model["output_path"]) == ("completed", f"{folder.name}/{output}")
        assert state(folder / taken) == before
        server.output(model["output_path"])


ODD_TARGETS: Dict[str, Callable[[Path], Any]] = {
    "directory": Path.mkdir, "FIFO": lambda path: os.mkfifo(str(path)),
    "link to the source": lambda path: path.symlink_to("a.ipynb"),
    "hard link of the source": lambda path: os.link(str(path.with_name("a.ipynb")), str(path)),
    "link to a device": lambda path: path.symlink_to("device"),
    "dangling link": lambda path: path.symlink_to("nowhere/x.ipynb"),
    "link to itself": lambda path: path.symlink_to("out.ipynb")}


@pytest.mark.parametrize("kind", ODD_TARGETS)
def test_overwrite_replaces_nothing_that_has_become_something_else(server: Server, folder: Path, kind: str) -> None:
    os.mkfifo(str(folder / "device"))  # nothing of the system is put at stake
    target = folder / "out.ipynb"
    with harmless(server):
        begun = begin(server, folder, until(folder / "go"), output_path=path_of(server, target), overwrite="true")
        source = (folder / "a.ipynb").read_bytes()
        ODD_TARGETS[kind](target)
        before = {path.name: state(path) for path in folder.iterdir()}
        (folder / "go").touch()
        error = error_of(list(begun.events))
        assert "could not be written" in error
        (folder / "go").unlink()
        assert {path.name: state(path) for path in folder.iterdir()} == before
        assert (folder / "a.ipynb").read_bytes() == source


# -- what is no file ------------------------------------------------------------------------------


def bind_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        before = os.getcwd()
        os.chdir(str(path.parent))  # the path of a socket has to be short
        try:
            sock.bind(path.name)
        finally:
            os.chdir(before)


def make_device(path: Path) -> None:
    try:
        os.mknod(str(path), 0o20666, os.makedev(1, 5))  # the one of /dev/zero, which never ends
    except PermissionError:
        pytest.skip("only root can make a device")


NO_FILES: Dict[str, Callable[[Path], Any]] = {
    "FIFO": lambda path: os.mkfifo(str(path)), "socket": bind_socket, "device": make_device,
    "directory": Path.mkdir, "dangling link": lambda path: path.symlink_to("nowhere.ipynb"),
    "link to a directory": lambda path: path.symlink_to("."),
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to a FIFO": lambda path: (os.mkfifo(str(path.with_name("fifo"))), path.symlink_to("fifo")),
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link to a terminal": lambda path: path.symlink_to("/dev/tty"),
    "long chain of links": lambda path: [
        path.with_name(name).symlink_to(path.with_name(following)) for name, following in
        zip([path.name, *(f"{n}" for n in range(60))], [*(f"{n}" for n in range(60)), "real.ipynb"])]}


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_404_at_once(server: Server, folder: Path, kind: str) -> None:
    write_notebook(folder / "real.ipynb", "1")
    source = folder / "a.ipynb"
    NO_FILES[kind](source)
    path = path_of(server, source)
    before = server.get().json(), state(source)
    with harmless(server):
        for status, message in (refusal(server.post(notebook=path)),
                                refusal(server.get("/parameters", params={"notebook": path}))):
            assert status == 404 and "does not exist" in message
        for overwrite in ("true", "false"):
            status, message = refusal(server.post(notebook=f"{folder.name}/real.ipynb", output_path=path,
                                                  overwrite=overwrite))
            assert status == 400 and "output_path: expected" in message
        assert (server.get().json(), state(source)) == before


# -- the root -------------------------------------------------------------------------------------


@pytest.fixture()
def outside(server: Server) -> Iterator[Path]:
    """A folder beside the root of the server, whose name starts with that of the root, with a notebook."""
    path = server.folder / "root-outside"
    path.mkdir()
    write_notebook(path / "x.ipynb", "1")
    yield path
    shutil.rmtree(str(path))


LEAVING = [  # as they stand in a URL
    "../root-outside/x.ipynb", "..%2Froot-outside%2Fx.ipynb", "%2e%2e/root-outside/x.ipynb",
    "%2E%2E%2Froot-outside%2Fx.ipynb", "%252e%252e%252froot-outside%252fx.ipynb", "..%5Croot-outside%5Cx.ipynb",
    "..\\root-outside\\x.ipynb", "%c0%ae%c0%ae/root-outside/x.ipynb", "....//root-outside/x.ipynb",
    "..;/root-outside/x.ipynb", "/../root-outside/x.ipynb", "//../root-outside/x.ipynb", "./../root-outside/x.ipynb",
    ".%2F..%2Froot-outside/x.ipynb", "{folder}/../../root-outside/x.ipynb",
    "{folder}/%2e%2e/%2e%2e/root-outside/x.ipynb",
    "../root/../root-outside/x.ipynb", "{folder}/missing/../../../root-outside/x.ipynb", "{outside}/x.ipynb",
    "/{outside}/x.ipynb", "//localhost{outside}/x.ipynb", "file://{outside}/x.ipynb", "file:{outside}/x.ipynb",
    "{folder}/..%00/../../root-outside/x.ipynb", "..%00/root-outside/x.ipynb", "../root-outside/x.ipynb%00.ipynb",
    "..%e2%81%84root-outside%e2%81%84x.ipynb", "%EF%BC%8E%EF%BC%8E/root-outside/x.ipynb", "~/x.ipynb",
    "~root/x.ipynb", "$HOME/x.ipynb", "{folder}/a.ipynb/../../../root-outside/x.ipynb", "..", "../", "%2e%2e",
    "../root", "../root/", "."]


def ask(server: Server, target: str) -> Tuple[int, Any]:
    """Send a request whose target stands as it is; return status and body."""
    answer = server.raw(f"{target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: token {TOKEN}\r\n"
                        "Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
    return int(answer.split()[1]), json.loads(answer.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("what", ["notebook", "parameters", "output_path"])
def test_no_spelling_of_a_path_leaves_the_root(server: Server, folder: Path, outside: Path, what: str) -> None:
    write_notebook(folder / "a.ipynb", "1")
    before = {path.name for path in server.folder.iterdir()}, {path.name for path in server.root.iterdir()}
    targets = {"notebook": "POST /api/executions?notebook=", "parameters": "GET /api/executions/parameters?notebook=",
               "output_path": f"POST /api/executions?notebook={folder.name}/a.ipynb&output_path="}
    with harmless(server):
        for spelling in LEAVING:
            status, body = ask(server, targets[what] + spelling.format(folder=folder.name, outside=outside))
            if what == "output_path" and status == 202:  # the name of a file like any other
                path = server.root / server.wait_until_final(body["exec_id"])["output_path"]
                assert path.parent == server.root and not path.is_symlink()
                path.unlink()
            else:
                assert status == (404 if what != "output_path" and "%c0" not in spelling else 400), (spelling, body)
                assert set(body) == {"message", "reason"}
    assert ({path.name for path in server.folder.iterdir()}, {path.name for path in server.root.iterdir()}) == before
    assert [path.name for path in outside.iterdir()] == ["x.ipynb"]
    assert [path.name for path in folder.iterdir()] == ["a.ipynb"]


def test_a_link_out_of_the_root_is_what_it_is_to_the_contents_manager(server: Server, folder: Path,
                                                                      outside: Path) -> None:
    (folder / "link.ipynb").symlink_to(outside / "x.ipynb")
    (folder / "link").symlink_to(outside)
    with harmless(server):
        for path, fields, output in ((f"{folder.name}/link.ipynb", {}, folder / "link-Executed1.ipynb"),
                                     (f"{folder.name}/link/x.ipynb", {"output_path": f"{folder.name}/out.ipynb"},
                                      folder / "out.ipynb")):
            assert requests.get(f"{server.url}api/contents/{quote(path)}", timeout=30,
                                params={"content": "0", "token": TOKEN}).status_code == 200
            assert server.run(path, **fields)[-1]["execution"]["status"] == "completed"
            assert output.exists()
        status, message = refusal(server.post(notebook=f"{folder.name}/link/x.ipynb"))  # the output would be outside
        assert status == 400 and "leads out of the server's root" in message
        assert [path.name for path in outside.iterdir()] == ["x.ipynb"]


# -- broken notebooks -----------------------------------------------------------------------------

WHOLE: Dict[str, Any] = {
    "nbformat": 4, "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
                 "language_info": {"name": "python"}, "widgets": {}, "celltoolbar": "Tags",
                 "authors": [{"name": "A"}]},
    "cells": [{"cell_type": "code", "id": "one", "source": "1 + 1", "execution_count": 5,
               "metadata": {"tags": ["params"], "nbexec": {}, "collapsed": True},
               "outputs": [{"output_type": "display_data", "data": {"text/plain": "x"}, "metadata": {}}]},
              {"cell_type": "markdown", "id": "two", "source": ["a\n", "b"], "metadata": {},
               "attachments": {"x.png": {"image/png": "eA=="}}}]}
OLD: Dict[str, Any] = {
    "nbformat": 3, "nbformat_minor": 0, "metadata": {"name": "x"},
    "worksheets": [{"metadata": {}, "cells": [
        {"cell_type": "code", "language": "python", "collapsed": False, "input": "1 + 1", "prompt_number": 1,
         "metadata": {}, "outputs": [{"output_type": "pyout", "text": "2", "prompt_number": 1, "metadata": {}}]}]}]}
PLACES = [
    (WHOLE, place) for place in (
        "nbformat", "nbformat_minor", "metadata", "metadata/kernelspec", "metadata/kernelspec/name",
        "metadata/kernelspec/display_name", "metadata/language_info", "metadata/language_info/name",
        "metadata/widgets", "metadata/celltoolbar", "metadata/authors", "cells", "cells/0", "cells/0/cell_type",
        "cells/0/id", "cells/0/source",
        "cells/0/execution_count", "cells/0/metadata", "cells/0/metadata/tags", "cells/0/metadata/nbexec",
        "cells/0/metadata/collapsed", "cells/0/outputs", "cells/0/outputs/0", "cells/0/outputs/0/output_type",
        "cells/0/outputs/0/data", "cells/1/source", "cells/1/attachments", "cells/1/attachments/x.png")
] + [
    (OLD, place) for place in (
        "metadata", "worksheets", "worksheets/0", "worksheets/0/cells", "worksheets/0/cells/0",
        "worksheets/0/cells/0/cell_type", "worksheets/0/cells/0/input", "worksheets/0/cells/0/outputs/0")]
ODD_VALUES: List[Any] = [None, "\ud800x", [[{}]], 10 ** 30, {"": None}, True, [], ...]


def changed(whole: Dict[str, Any], place: str, value: Any) -> bytes:
    """Return a notebook with another value at one place; with ... it is not there."""
    document = copy.deepcopy(whole)
    *parts, last = [int(part) if part.isdigit() else part for part in place.split("/")]
    holder: Any = document
    for part in parts:
        holder = holder[part]
    if value is ...:
        del holder[last]
    else:
        holder[last] = value
    return json.dumps(document).encode()


def broken() -> Iterator[bytes]:
    """Yield notebooks each of which has one thing that it should not have: at each place two of the odd values."""
    for number, (whole, place) in enumerate(PLACES):
        for value in (ODD_VALUES[number % len(ODD_VALUES)], ODD_VALUES[(number * 3 + 1) % len(ODD_VALUES)]):
            yield changed(whole, place, value)


def test_no_broken_notebook_is_more_than_an_error(server: Server, folder: Path) -> None:
    """Whatever is at whatever place in the file: it runs, or is recorded as an error, and leaves nothing."""
    def run(number: int) -> List[Event]:
        return server.run(folder / str(number) / "a.ipynb", cell_timeout="20")

    documents = list(broken())
    assert len(documents) > 50
    for number, document in enumerate(documents):
        (folder / str(number)).mkdir()
        (folder / str(number) / "a.ipynb").write_bytes(document)
    with harmless(server), ThreadPoolExecutor(6) as pool:
        runs = list(pool.map(run, range(len(documents))))
    kinds: Set[bool] = set()
    for number, events in enumerate(runs):
        final = events[-1]
        model = final["execution"]
        assert server.model(model["exec_id"]) == model
        there = {path.name for path in (folder / str(number)).iterdir()}
        if names(events) == ["notebook_error"]:
            assert final["error"].startswith("the file is not a"), documents[number]
            assert (model["output_path"], there) == (None, {"a.ipynb"})
        else:
            assert names(events)[0] == "notebook_start" and final["event"] in ("notebook_complete", "notebook_error")
            assert model["output_path"] == f"{folder.name}/{number}/a-Executed1.ipynb", (documents[number], events)
            assert there == {"a.ipynb", "a-Executed1.ipynb"}
            server.output(model["output_path"])
        assert (folder / str(number) / "a.ipynb").read_bytes() == documents[number]
        kinds.add(len(events) == 1)
    assert kinds == {True, False}  # there are some of each


def test_a_huge_file_of_nothing_costs_the_server_nothing(server: Server, folder: Path) -> None:
    with open(folder / "a.ipynb", "wb") as file:
        file.truncate(200_000_000)
    process = psutil.Process(server.process.pid)
    with harmless(server):
        before = process.memory_info().rss
        (event,) = server.run(folder / "a.ipynb")
        assert event["error"].startswith("the file is not a notebook")
        assert len(event["error"]) < 1000
        assert process.memory_info().rss - before < 20_000_000


# -- many cells -----------------------------------------------------------------------------------

CELLS = 50_000
EVERY = 250  # of so many cells one is executed


def test_a_notebook_of_50000_cells_is_run(server: Server, folder: Path) -> None:
    markdown, code = v4.new_markdown_cell(), v4.new_code_cell()
    cells = [dict(markdown, id=f"c{number}", source=f"Cell {number}") if number % EVERY else
             dict(code, id=f"c{number}", source=f"print({number})") for number in range(CELLS)]
    source = folder / "a.ipynb"
    source.write_text(json.dumps(v4.new_notebook(cells=cells)))
    process = psutil.Process(server.process.pid)
    most, slowest = 0, 0.0
    done = threading.Event()

    def watch() -> None:
        nonlocal most, slowest
        while not done.is_set():
            started = time.monotonic()
            assert server.get().status_code == 200
            slowest = max(slowest, time.monotonic() - started)
            most = max(most, process.memory_info().rss)
            done.wait(0.1)

    with harmless(server), ThreadPoolExecutor(1) as pool:
        before = process.memory_info().rss
        watcher = pool.submit(watch)
        try:
            events = server.run(source)
        finally:
            done.set()
        watcher.result()
        assert len(events) == 2 + 2 * CELLS // EVERY
        assert events[-1]["execution"]["status"] == "completed"
        assert events[-1]["execution"]["progress"] == f"{CELLS}/{CELLS}"
        assert most - before < 30_000_000
    assert slowest < 2 * slowness(server)
    cells = json.loads((server.root / events[-1]["execution"]["output_path"]).read_bytes())["cells"]
    assert len(cells) == CELLS
    assert cells[-EVERY]["outputs"][0]["text"] == [f"{CELLS - EVERY}\n"]
