"""Output notebooks in folders that others can write to: nobody reads them on the way, and no link leads them away."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator, List, NamedTuple, Tuple
from urllib.parse import quote

import pytest
import requests
from helpers import Event, Server, begin, path_of, text_of, wait_for, write_notebook
from neighbour import NOBODY, Neighbour

SECRET = "the owner's own file"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def until(path: Path) -> str:
    """Return a cell that ends when there is such a file."""
    return f"import os, time\nwhile not os.path.exists({str(path)!r}):\n    time.sleep(0.005)"


@pytest.fixture()
def neighbour() -> Neighbour:
    return Neighbour()


@pytest.fixture()
def shared(folder: Path) -> Path:
    """A folder below the root that everybody can write to."""
    path = folder / "shared"
    path.mkdir()
    path.chmod(0o777)
    return path


@pytest.fixture()
def outside(server: Server) -> Iterator[Path]:
    """A folder beside the root, with a file of the owner's in it."""
    path = server.folder / "outside"
    path.mkdir()
    (path / "own.ipynb").write_text(SECRET)
    (path / "own.ipynb").chmod(0o600)
    yield path
    assert [file.name for file in path.iterdir()] == ["own.ipynb"]
    assert ((path / "own.ipynb").read_text(), mode_of(path / "own.ipynb")) == (SECRET, 0o600)
    shutil.rmtree(path)


# -- while it is written --------------------------------------------------------------------------

# Lets a file wait in fsync, in a folder named slow, until there is a file go beside that.
SLOW = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int fsync(int fd) {
    char link[64], path[PATH_MAX + 8];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    path[size < 0 ? 0 : size] = 0;
    char *found = strstr(path, "/slow/");
    if (found) {
        strcpy(found, "/go");
        while (access(path, F_OK))
            usleep(1000);
    }
    return ((int (*)(int)) dlsym(RTLD_NEXT, "fsync"))(fd);
}
"""


@pytest.fixture(scope="module")
def slow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that can be held while it writes a file."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if sys.platform != "linux" or not compiler:
        pytest.skip("writing is held up by a compiled library, on Linux")
    folder = tmp_path_factory.mktemp("slow")
    (folder / "slow.c").write_text(SLOW)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / "slow.so", folder / "slow.c", "-ldl"], check=True)
    server = Server(folder / "server", environment={"LD_PRELOAD": str(folder / "slow.so")})
    yield server
    server.stop()


class Held(NamedTuple):
    """An execution whose output is being written."""

    folder: Path
    scratch: Path
    exec_id: str
    events: Future[List[Event]]

    def end(self) -> List[Event]:
        (self.folder.parent / "go").touch()
        return self.events.result(timeout=60)


Hold = Callable[..., Held]


@pytest.fixture()
def hold(slow_server: Server, tmp_path: Path) -> Iterator[Hold]:
    """Run a notebook, and return as soon as all of its output is in a file that has no name yet."""
    place = slow_server.root / tmp_path.name
    folder = place / "slow"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    with ThreadPoolExecutor(1) as pool:
        def run(mode: int = 0o600, before: Callable[[Path, str], Any] = lambda *_: None, **data: Any) -> Held:
            source = write_notebook(folder / "a.ipynb", until(place / "begin"), "print('private')")
            source.chmod(mode)
            there = {path.name for path in folder.iterdir()}
            events = pool.submit(slow_server.run, source, **data)
            exec_id = wait_for(lambda: [model["exec_id"] for model in slow_server.get().json()["executions"]
                                        if model["status"] == "executing"])[0]
            before(folder, exec_id)
            there |= {path.name for path in folder.iterdir()}
            (place / "begin").touch()
            scratch = wait_for(lambda: [path for path in folder.iterdir() if path.name not in there
                                        and path.stat().st_size], 60)[0]
            return Held(folder, scratch, exec_id, events)

        yield run
        (place / "go").touch()


def test_nobody_reads_an_output_before_it_has_its_mode(hold: Hold, neighbour: Neighbour) -> None:
    held = hold(0o600)
    assert (mode_of(held.scratch), held.scratch.stat().st_uid) == (0o600, os.geteuid())
    assert "private" in held.scratch.read_text()
    assert "private" not in neighbour.does(held.folder, f"cat {held.scratch.name}")
    assert held.end()[-1]["event"] == "notebook_complete"
    assert mode_of(held.folder / "a-Executed1.ipynb") == 0o600
    assert "private" not in neighbour.does(held.folder, "cat a-Executed1.ipynb")


def test_a_scratch_file_that_is_changed_for_a_link_leads_nowhere(hold: Hold, neighbour: Neighbour,
                                                                 tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(SECRET)
    key.chmod(0o600)
    for fields in ({}, {"output_path": "{folder}/out.ipynb", "overwrite": "true"}):
        held = hold(0o666, **{name: value.format(folder=f"{tmp_path.name}/slow") for name, value in fields.items()})
        neighbour.does(held.folder, f"mv {held.scratch.name} taken && ln -s {key} {held.scratch.name}")
        assert held.scratch.is_symlink()
        last = held.end()[-1]
        assert last["event"] == "notebook_error" and "another program has replaced it" in last["error"]
        assert (key.read_text(), mode_of(key), key.stat().st_nlink) == (SECRET, 0o600, 1)
        for name in ("begin", "go", "slow/taken"):
            (held.folder.parent / name).unlink()


def test_a_link_that_waits_for_the_scratch_file_is_not_written_through(hold: Hold, neighbour: Neighbour,
                                                                       tmp_path: Path) -> None:
    """Whoever knows the id of an execution can put something under each name that could be made from it."""
    key = tmp_path / "key"
    key.write_text(SECRET)
    key.chmod(0o600)

    def plant(folder: Path, exec_id: str) -> None:
        for name in (f".nbexec-{exec_id}.tmp", f".nbexec-{exec_id}", f"{exec_id}.tmp"):
            assert neighbour.does(folder, f"ln -s {key} {name}") == ""

    held = hold(0o666, before=plant)
    assert held.end()[-1]["event"] == "notebook_complete"
    assert (key.read_text(), mode_of(key)) == (SECRET, 0o600)


def test_a_folder_that_is_changed_while_its_file_is_written_gets_it_all_the_same(hold: Hold, neighbour: Neighbour,
                                                                                 tmp_path: Path) -> None:
    """The file is in the folder that was asked for, wherever that is by now, and nothing is anywhere else."""
    (tmp_path / "private").mkdir()
    held = hold()
    held.folder.parent.chmod(0o777)
    neighbour.does(held.folder.parent, f"mv slow moved && ln -s {tmp_path / 'private'} slow")
    assert held.folder.is_symlink()
    held.end()
    assert list((tmp_path / "private").iterdir()) == []
    assert (held.folder.parent / "moved" / "a-Executed1.ipynb").exists()


# -- what may be done with it ---------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o604, 0o666, 0o755])
def test_an_output_has_the_mode_of_its_source(server: Server, folder: Path, mode: int) -> None:
    source = write_notebook(folder / "a.ipynb", "1")
    source.chmod(mode)
    for number, fields in enumerate(({}, {"output_path": f"{folder.name}/new.ipynb"},
                                     {"output_path": f"{folder.name}/other.ipynb", "overwrite": "true"})):
        path = server.run(source, **fields)[-1]["execution"]["output_path"]
        assert mode_of(server.root / path) == mode, number


@pytest.mark.parametrize("target, mode", [(0o600, 0o600), (0o666, 0o640), (0o604, 0o600), (0o444, 0o440)])
def test_an_output_that_replaces_a_file_is_as_private_as_both(server: Server, folder: Path, target: int,
                                                              mode: int) -> None:
    source = write_notebook(folder / "a.ipynb", "1")
    source.chmod(0o640)
    old = write_notebook(folder / "out.ipynb", "'old'")
    old.chmod(target)
    assert server.run(source, output_path=path_of(server, old), overwrite="true")[-1]["event"] == "notebook_complete"
    assert mode_of(old) == mode


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o177, 0o277])
def test_the_umask_of_the_server_does_not_matter(new_server: Callable[..., Server], umask: int) -> None:
    before = os.umask(umask & 0o077)
    try:
        server = new_server()
    finally:
        os.umask(before)
    source = write_notebook(server.root / "a.ipynb", f"import os; print(os.umask({umask}))")
    source.chmod(0o640)
    path = server.run(source)[-1]["execution"]["output_path"]
    assert mode_of(server.root / path) == 0o640


def test_an_output_has_the_group_of_its_source(server: Server, folder: Path, neighbour: Neighbour) -> None:
    source = write_notebook(folder / "a.ipynb", "1")
    os.chown(source, 0, NOBODY)
    source.chmod(0o640)
    path = server.root / server.run(source)[-1]["execution"]["output_path"]
    assert (path.stat().st_gid, mode_of(path)) == (NOBODY, 0o640)


def acl_of(*entries: Tuple[int, int, int]) -> bytes:
    """Return an access list as Linux keeps it, of tag, rights and id."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NO_ID = 0xFFFFFFFF
READABLE_BY_NOBODY = acl_of((1, 6, NO_ID), (2, 4, NOBODY), (4, 0, NO_ID), (16, 4, NO_ID), (32, 0, NO_ID))


def set_acl(path: Path, kind: str, acl: bytes) -> None:
    if not hasattr(os, "setxattr"):
        pytest.skip("there are no access lists as on Linux here")
    try:
        os.setxattr(path, f"system.posix_acl_{kind}", acl)
    except OSError as error:
        pytest.skip(f"this file system has no access lists: {error}")


def test_an_output_has_the_access_list_of_its_source(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "1")
    set_acl(source, "access", READABLE_BY_NOBODY)
    path = server.root / server.run(source)[-1]["execution"]["output_path"]
    assert os.getxattr(path, "system.posix_acl_access") == READABLE_BY_NOBODY


def test_the_access_list_of_a_folder_opens_no_output(server: Server, shared: Path, neighbour: Neighbour) -> None:
    source = write_notebook(shared / "a.ipynb", "print('private')")
    source.chmod(0o640)  # a mode whose middle would become what the list allows at the most
    set_acl(shared, "default", READABLE_BY_NOBODY)
    path = server.root / server.run(source)[-1]["execution"]["output_path"]
    assert mode_of(path) == 0o640
    assert "private" not in neighbour.does(shared, f"cat {path.name}")


# -- links ----------------------------------------------------------------------------------------


@pytest.fixture()
def hidden(folder: Path) -> Iterator[Path]:
    path = folder / ".hidden"
    path.mkdir()
    (path / "own.ipynb").write_text(SECRET)
    yield path
    assert [file.name for file in path.iterdir()] == ["own.ipynb"]
    assert (path / "own.ipynb").read_text() == SECRET


@pytest.mark.parametrize("place", ["outside", "hidden"])
@pytest.mark.parametrize("meanwhile", [False, True], ids=["before", "meanwhile"])
def test_overwrite_never_follows_a_link_to_what_is_out_of_reach(
        server: Server, folder: Path, shared: Path, neighbour: Neighbour, request: pytest.FixtureRequest, place: str,
        meanwhile: bool) -> None:
    target = Path(request.getfixturevalue(place)) / "own.ipynb"
    link = shared / "out.ipynb"
    fields = {"output_path": path_of(server, link), "overwrite": "true"}
    if meanwhile:
        begun = begin(server, folder, until(folder / "go"), **fields)
        neighbour.does(shared, f"ln -s {target} out.ipynb")
        (folder / "go").touch()
        last = list(begun.events)[-1]
        assert last["event"] == "notebook_error" and "leads out of the root directory or to a hidden" in last["error"]
    else:
        neighbour.does(shared, f"ln -s {target} out.ipynb")
        response = server.post(notebook=path_of(server, write_notebook(folder / "a.ipynb", "1")), **fields)
        assert response.status_code == 400 and "no link leads" in response.json()["message"]
    assert link.is_symlink() and os.readlink(link) == str(target)


@pytest.mark.parametrize("kind", ["link", "hard link"])
@pytest.mark.parametrize("meanwhile", [False, True], ids=["before", "meanwhile"])
def test_overwrite_replaces_a_name_and_not_what_it_leads_to(server: Server, folder: Path, shared: Path, kind: str,
                                                            meanwhile: bool) -> None:
    other = folder / "other.ipynb"
    other.write_text(SECRET)
    target = shared / "out.ipynb"
    make: Callable[[], Any] = (lambda: target.symlink_to(other)) if kind == "link" else (
        lambda: os.link(other, target))
    fields = {"output_path": path_of(server, target), "overwrite": "true"}
    if meanwhile:
        begun = begin(server, folder, until(folder / "go"), **fields)
        make()
        (folder / "go").touch()
        last = list(begun.events)[-1]
    else:
        make()
        last = server.run(write_notebook(folder / "a.ipynb", "1"), **fields)[-1]
    assert last["event"] == "notebook_complete"
    assert other.read_text() == SECRET and other.stat().st_nlink == 1
    assert target.is_file() and not target.is_symlink()
    server.output(path_of(server, target))


@pytest.mark.parametrize("place", ["outside", "hidden"])
def test_an_output_never_goes_through_a_folder_that_is_a_link_to_what_is_out_of_reach(
        server: Server, folder: Path, shared: Path, request: pytest.FixtureRequest, place: str) -> None:
    target = Path(request.getfixturevalue(place))
    (shared / "out").symlink_to(target)
    source = write_notebook(folder / "a.ipynb", "1")
    before = server.get().json()
    for name in ("new.ipynb", "own.ipynb"):
        for overwrite in ("true", "false"):
            response = server.post(notebook=path_of(server, source), overwrite=overwrite,
                                   output_path=f"{path_of(server, shared)}/out/{name}")
            assert response.status_code == 400 and "no link leads" in response.json()["message"]
    beside = server.post(notebook=f"{path_of(server, shared)}/out/own.ipynb")
    assert beside.status_code == 400 and "no link leads" in beside.json()["message"]
    assert server.get().json() == before


def test_a_folder_that_is_a_link_within_the_root_is_a_folder(server: Server, folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "link").symlink_to("real")
    source = write_notebook(folder / "a.ipynb", "1")
    for overwrite in ("false", "true"):
        model = server.run(source, output_path=f"{folder.name}/link/{overwrite}.ipynb", overwrite=overwrite)[-1]
        assert model["execution"]["output_path"] == f"{folder.name}/link/{overwrite}.ipynb"
        assert (folder / "real" / f"{overwrite}.ipynb").is_file()


def change_for_link(folder: Path, other: Path) -> str:
    return f"mv {folder.name} moved && ln -s {other} {folder.name}"


def change_for_own(folder: Path, other: Path) -> str:
    return f"mv {folder.name} moved && mkdir -m 777 {folder.name}"


@pytest.mark.parametrize("overwrite", ["false", "true"])
@pytest.mark.parametrize("way", [change_for_link, change_for_own])
def test_an_output_does_not_go_to_a_folder_that_was_put_in_place_of_the_right_one(
        server: Server, folder: Path, shared: Path, neighbour: Neighbour, way: Callable[[Path, Path], str],
        overwrite: str) -> None:
    private = folder / "private"  # below the root too, and not hidden
    private.mkdir()
    (private / "out.ipynb").write_text(SECRET)
    place = shared / "place"
    place.mkdir(mode=0o700)
    begun = begin(server, folder, until(folder / "go"), output_path=path_of(server, place / "out.ipynb"),
                  overwrite=overwrite)
    neighbour.does(shared, way(place, private))
    assert (shared / "moved").is_dir()
    (folder / "go").touch()
    last = list(begun.events)[-1]
    assert last["event"] == "notebook_error" and "could not be written" in last["error"]
    assert {path.name: path.read_text() for path in private.iterdir()} == {"out.ipynb": SECRET}
    assert list(place.iterdir() if not place.is_symlink() else []) == list((shared / "moved").iterdir()) == []


def test_a_folder_that_the_notebook_makes_anew_gets_the_output(server: Server, folder: Path) -> None:
    (folder / "results").mkdir()
    source = write_notebook(folder / "a.ipynb", "import os; os.rmdir('results'); os.mkdir('.x'); os.mkdir('results')")
    last = server.run(source, output_path=f"{folder.name}/results/out.ipynb", overwrite="true")[-1]
    assert last["event"] == "notebook_complete"
    assert (folder / "results" / "out.ipynb").exists()


def test_a_link_to_a_folder_that_leads_elsewhere_by_now_is_an_error(server: Server, folder: Path) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir()
    (folder / "latest").symlink_to("one")
    begun = begin(server, folder, until(folder / "go"), output_path=f"{folder.name}/latest/out.ipynb")
    (folder / "latest").unlink()
    (folder / "latest").symlink_to("two")
    (folder / "go").touch()
    last = list(begun.events)[-1]
    assert last["event"] == "notebook_error" and "now leads elsewhere" in last["error"]
    assert [*(folder / "one").iterdir(), *(folder / "two").iterdir()] == []


def test_directories_outside_the_root_can_be_allowed(new_server: Callable[..., Server], tmp_path: Path) -> None:
    allowed, other = tmp_path / "allowed", tmp_path / "allowed-not"
    for path in (allowed / "deeper", allowed / ".hidden", other):
        path.mkdir(parents=True)
    server = new_server(f"--NbExec.output_directories={allowed}")
    source = write_notebook(server.root / "a.ipynb", "1")
    for name, target in (("link", allowed), ("deeper", allowed / "deeper"), ("hidden", allowed / ".hidden"),
                         ("other", other)):
        (server.root / name).symlink_to(target)
    for name in ("link", "deeper"):
        assert server.run(source, output_path=f"{name}/out.ipynb")[-1]["event"] == "notebook_complete"
        assert server.run(source, output_path=f"{name}/out.ipynb", overwrite="1")[-1]["event"] == "notebook_complete"
    for name in ("hidden", "other"):
        assert server.post(notebook="a.ipynb", output_path=f"{name}/out.ipynb").status_code == 400
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("out*.ipynb")
            if "allowed" in path.parts[-2] or "deeper" in path.parts[-2]} == {
        "allowed/out.ipynb", "allowed/deeper/out.ipynb"}


# -- sources --------------------------------------------------------------------------------------


def test_a_source_is_found_if_the_contents_manager_shows_it(server: Server, folder: Path) -> None:
    """Whatever the way: whoever asks the server for the file itself is told the same."""
    outside = server.folder / "beside"
    for path in (folder / ".hidden", folder / "plain", outside / ".hidden"):
        path.mkdir(parents=True)
    for path in (folder / ".hidden", folder / "plain", folder, outside, outside / ".hidden"):
        write_notebook(path / "x.ipynb", "1")
    write_notebook(folder / ".x.ipynb", "1")
    for name, target in (("file", "plain/x.ipynb"), ("to_hidden", ".hidden/x.ipynb"), ("to_dotted", ".x.ipynb"),
                         ("out", outside / "x.ipynb"), ("out_hidden", outside / ".hidden" / "x.ipynb"),
                         (".dotted", "plain/x.ipynb"), ("nowhere", "missing.ipynb")):
        (folder / f"{name}.ipynb").symlink_to(target)
    for name, target in (("linked", "plain"), ("linked_hidden", ".hidden"), ("linked_out", outside),
                         ("linked_out_hidden", outside / ".hidden"), (".linked", "plain")):
        (folder / name).symlink_to(target)
    paths = [path.relative_to(server.root).as_posix() for path in sorted(folder.glob("*.ipynb"))]
    paths += [f"{folder.name}/{name}/x.ipynb" for name in (
        ".hidden", "plain", "linked", "linked_hidden", "linked_out", "linked_out_hidden", ".linked", "missing")]
    assert len(paths) > 15
    found = {}
    for path in paths:
        shown = requests.get(f"{server.url}api/contents/{quote(path)}", timeout=30,
                             params={"type": "notebook", "token": server.token}).status_code
        shown = 200 if shown == 200 else 404  # it says 400 to a link that leads nowhere
        found[path] = server.get("/parameters", params={"notebook": path}).status_code
        assert found[path] == shown, path
        events = server.post(notebook=path, output_path=f"{folder.name}/result.ipynb")
        assert events.status_code == (202 if shown == 200 else 404), path
        if shown == 200:
            server.wait_until_final(events.json()["exec_id"])
    assert set(found.values()) == {200, 404}


MANAGERS = '''
import os

from notebook.services.contents.filemanager import FileContentsManager
from notebook.services.contents.largefilemanager import LargeFileManager


class OwnHiding(LargeFileManager):
    """Hides what is private."""

    def is_hidden(self, path):
        return "private" in path or super().is_hidden(path)


class OwnReading(LargeFileManager):
    """Reads notebooks in its own way."""

    def _read_notebook(self, os_path, as_version=4):
        nb = super()._read_notebook(os_path, as_version)
        nb.cells[0].source = "print('read in its own way')"
        return nb


class OwnWriting(LargeFileManager):
    """Writes notebooks in its own way."""

    def save(self, model, path=""):
        model["content"]["metadata"]["own"] = True
        return super().save(model, path)
'''


@pytest.fixture()
def server_with(new_server: Callable[..., Server], tmp_path: Path) -> Callable[[str], Server]:
    """Start a server with a contents manager of its own."""
    def start(name: str) -> Server:
        config = tmp_path / "server0" / "config"
        config.mkdir(parents=True)
        (config / "own_managers.py").write_text(MANAGERS)
        (config / "jupyter_notebook_config.py").write_text(
            f"import sys; sys.path.append({str(config)!r})\n"
            f"c.NotebookApp.contents_manager_class = 'own_managers.{name}'\n")
        return new_server()

    return start


def test_what_a_contents_manager_hides_is_out_of_reach(server_with: Callable[[str], Server]) -> None:
    server = server_with("OwnHiding")
    source = write_notebook(server.root / "a.ipynb", "1")
    (server.root / "private").mkdir()
    write_notebook(server.root / "private" / "x.ipynb", "1")
    (server.root / "link").symlink_to("private")
    (server.root / "link.ipynb").symlink_to("private/x.ipynb")
    before = (server.root / "private" / "x.ipynb").read_bytes()
    assert server.post(notebook="private/x.ipynb").status_code == 404
    for path in ("private/out.ipynb", "link/out.ipynb", "link/x.ipynb", "link.ipynb"):
        assert server.post(notebook=source.name, output_path=path, overwrite="true").status_code == 400
    assert [path.name for path in (server.root / "private").iterdir()] == ["x.ipynb"]
    assert (server.root / "private" / "x.ipynb").read_bytes() == before


def test_a_contents_manager_that_reads_in_its_own_way_is_asked(server_with: Callable[[str], Server]) -> None:
    server = server_with("OwnReading")
    source = write_notebook(server.root / "a.ipynb", "print('as it is')")
    source.chmod(0o600)
    path = server.run(source)[-1]["execution"]["output_path"]
    assert text_of(server.output(path).cells[0]) == "read in its own way\n"
    assert mode_of(server.root / path) == 0o600


def test_a_contents_manager_that_writes_in_its_own_way_writes_through_no_link(
        server_with: Callable[[str], Server], tmp_path: Path) -> None:
    server = server_with("OwnWriting")
    source = write_notebook(server.root / "a.ipynb", "1")
    (tmp_path / "own").mkdir()
    own = tmp_path / "own" / "own.ipynb"
    own.write_text(SECRET)
    (server.root / "a-Executed1.ipynb").symlink_to(tmp_path / "own" / "missing.ipynb")
    (server.root / "out.ipynb").symlink_to(own)
    (server.root / "within.ipynb").symlink_to("a.ipynb")
    (server.root / "folder").symlink_to(tmp_path / "own")
    before = source.read_bytes()
    path = server.run(source)[-1]["execution"]["output_path"]
    assert path == "a-Executed2.ipynb" and server.output(path).metadata["own"]
    for path in ("out.ipynb", "within.ipynb", "folder/own.ipynb", "folder/new.ipynb"):
        assert server.post(notebook="a.ipynb", output_path=path, overwrite="true").status_code == 400
    assert (own.read_text(), source.read_bytes()) == (SECRET, before)
    assert [path.name for path in own.parent.iterdir()] == ["own.ipynb"]
