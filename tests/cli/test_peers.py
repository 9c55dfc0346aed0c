"""Who is told the token on this machine: the server that it belongs to, and nobody who has taken its place."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest
from helpers import Server, wait_for, write_notebook
from listening_neighbour import NOBODY, ListeningNeighbour, needs_two_users

from nbexec.cli import servers
from nbexec.client import Client

LONG_AGO = 1_000_000_000


@pytest.fixture
def runtime_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runtime"
    folder.mkdir(0o755)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    return folder


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port on which this very process listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock


def announce(folder: Path, root: Path, pid: int, port: int, **more: Any) -> Path:
    """Write what a server would have written that has this process number and this port."""
    info: Dict[str, Any] = {"url": f"http://127.0.0.1:{port}/", "token": "a-secret", "notebook_dir": str(root),
                            "pid": pid, "port": port, "sock": "", **more}
    file = folder / f"nbserver-{pid}.json"
    file.write_text(json.dumps(info))
    return file


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "nbexec.cli", *map(str, arguments)], timeout=100, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True)


def has_nbexec(server: servers.RunningServer) -> bool:
    try:
        servers.probe(server)
    except servers.ApiError:
        return False
    return True


def findings() -> List[str]:
    return command("doctor").stdout.splitlines()


# -- another user ---------------------------------------------------------------------------------


@needs_two_users
def test_who_has_port_and_number_of_a_killed_server_learns_nothing(
        new_server: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = new_server()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(server.runtime_dir))
    server.process.kill()
    server.process.wait()
    with ListeningNeighbour(tmp_path, server.port) as neighbour:
        old, = server.runtime_dir.glob("nbserver-*.json")
        file = announce(server.runtime_dir, server.root, **{
            **json.loads(old.read_text()), "pid": neighbour.process.pid})
        os.utime(file, (LONG_AGO, LONG_AGO))
        source = write_notebook(server.root / "a.ipynb", "secret = 'a'  # nbexec: params")
        done = command("run", source, "-p", "secret", "told to nobody")
        assert any("belongs to another user" in line for line in findings())
        assert neighbour.heard == b""
    assert done.returncode == 2 and "no parameter cell" in done.stderr, done.stderr  # said by a server of its own


@needs_two_users
@pytest.mark.parametrize("when", ["before the file was written", "after"])
def test_who_has_the_port_of_another_process_of_the_user_learns_nothing(
        runtime_dir: Path, root: Path, tmp_path: Path, when: str) -> None:
    with ListeningNeighbour(tmp_path) as neighbour:
        file = announce(runtime_dir, root, os.getpid(), neighbour.port)
        if when == "after":
            os.utime(file, (LONG_AGO, LONG_AGO))
        assert servers.find(root / "a.ipynb") is None
        assert any(line.startswith("note") and str(file) in line for line in findings())
        assert neighbour.heard == b""


@needs_two_users
def test_who_takes_the_port_after_the_look_at_it_learns_nothing(
        new_server: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = new_server()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(server.runtime_dir))
    found, = servers.running()
    assert has_nbexec(found)
    server.process.kill()
    server.process.wait()
    with ListeningNeighbour(tmp_path, server.port) as neighbour:
        assert not has_nbexec(found)
        assert neighbour.heard == b""


@needs_two_users
def test_who_takes_the_port_of_a_private_server_learns_nothing(root: Path, tmp_path: Path) -> None:
    with servers.PrivateServer(root) as server:
        server.peer.process.kill()
        wait_for(server.peer.is_gone)
        port = int(server.url.rstrip("/").rpartition(":")[2])
        with ListeningNeighbour(tmp_path, port) as neighbour:
            assert not has_nbexec(server)
            with pytest.raises(servers.ApiError, match="nothing was sent"), Client.on(server) as client:
                client.delete_all()  # as it is ended
            assert neighbour.heard == b""


# -- files ----------------------------------------------------------------------------------------


def make_link(file: Path) -> None:
    file.rename(file.with_suffix(".real"))
    file.symlink_to(file.with_suffix(".real"))


def make_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize("change, reason", [
    (make_link, "it is a link"),
    (make_pipe, "it is not a regular file"),
    (lambda file: file.chmod(0o646), "others can write to it"),
    (lambda file: file.chmod(0o664), "others can write to it"),
    pytest.param(lambda file: os.chown(file, NOBODY, -1), "it belongs to another user", marks=needs_two_users),
], ids=["a link", "a pipe", "writable by all", "writable by a group", "another user's"])
def test_a_file_that_others_can_change_is_not_believed(
        runtime_dir: Path, root: Path, listener: socket.socket, change: Callable[[Path], None], reason: str) -> None:
    file = announce(runtime_dir, root, os.getpid(), listener.getsockname()[1])
    assert [server.root for server in servers.running()] == [root]
    change(file)
    assert list(servers.running()) == []
    assert any(line.startswith("problem") and reason in line for line in findings())


def test_a_file_in_a_closed_folder_may_have_the_mode_of_any_umask(
        runtime_dir: Path, root: Path, listener: socket.socket) -> None:
    announce(runtime_dir, root, os.getpid(), listener.getsockname()[1]).chmod(0o664)
    runtime_dir.chmod(0o700)  # as Jupyter makes it
    assert [server.root for server in servers.running()] == [root]


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("text", ["", "{", "7", "[]", "null", "[" * 5000, '{"pid": 1}', '"\\ud800"', "\udcff"])
def test_a_file_with_anything_else_in_it_is_passed_over(runtime_dir: Path, text: str) -> None:
    (runtime_dir / "nbserver-1.json").write_text(text, errors="surrogateescape")
    assert list(servers.announced()) == []


@pytest.mark.parametrize("more", [
    {"pid": "7"}, {"pid": -7}, {"pid": 10 ** 30}, {"port": "x"}, {"port": 10 ** 30}, {"url": 7}, {"token": ""},
    {"token": ["x"]}, {"notebook_dir": None}, {"sock": "/tmp/sock"}])
def test_odd_facts_lead_nowhere(runtime_dir: Path, root: Path, listener: socket.socket, more: Dict[str, Any]) -> None:
    file = announce(runtime_dir, root, os.getpid(), listener.getsockname()[1])
    file.write_text(json.dumps({**json.loads(file.read_text()), **more}))
    assert list(servers.running()) == []


# -- processes of the same user -------------------------------------------------------------------


def test_a_process_that_is_younger_than_the_file_is_another(
        runtime_dir: Path, root: Path, listener: socket.socket) -> None:
    file = announce(runtime_dir, root, os.getpid(), listener.getsockname()[1])
    os.utime(file, (LONG_AGO, LONG_AGO))
    assert list(servers.running()) == []


@pytest.mark.skipif(not os.path.exists("/proc/self/ns/net"), reason="there are no network namespaces here")
def test_the_port_of_a_container_is_another_one(runtime_dir: Path, root: Path, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    program = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); print(1, flush=True); " \
              "time.sleep(100)"
    with subprocess.Popen(["unshare", "-n", sys.executable, "-c", program], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            if not process.stdout.readline():
                pytest.skip("network namespaces cannot be made here")
            announce(runtime_dir, root, process.pid, port)
            assert list(servers.running()) == []
        finally:
            process.kill()


class Redirect(BaseHTTPRequestHandler):
    target = ""

    def do_GET(self) -> None:
        self.send_response(307)
        self.send_header("Location", self.target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@needs_two_users
def test_no_redirect_is_followed(runtime_dir: Path, root: Path, tmp_path: Path) -> None:
    with ListeningNeighbour(tmp_path) as neighbour, HTTPServer(("127.0.0.1", 0), Redirect) as redirecting:
        Redirect.target = f"http://127.0.0.1:{neighbour.port}/api/executions"
        threading.Thread(target=redirecting.serve_forever, daemon=True).start()
        announce(runtime_dir, root, os.getpid(), redirecting.server_port)
        found, = servers.running()
        with pytest.raises(servers.ApiError, match="there is no nbexec"), Client.on(found) as client:
            client.executions()
        redirecting.shutdown()
        assert neighbour.heard == b""


def test_a_server_is_told_without_a_proxy(runtime_dir: Path, root: Path, server: Server, tmp_path: Path,
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    with ListeningNeighbour(tmp_path, uid=os.geteuid()) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        announce(runtime_dir, server.root, server.process.pid, server.port, token=server.token)
        found, = servers.running()
        assert has_nbexec(found)
        assert proxy.heard == b""


class Answers(BaseHTTPRequestHandler):
    """Answers as nbexec does."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "18")
        self.end_headers()
        self.wfile.write(b'{"executions": []}')

    def log_message(self, *args: Any) -> None:
        pass


class IPv6Server(HTTPServer):
    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # as tornado does
        super().server_bind()


@pytest.mark.parametrize("address, host", [
    ("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "localhost"), ("0.0.0.0", "localhost"), ("0.0.0.0", "0.0.0.0"),
    ("0.0.0.0", "127.0.0.2"), ("::1", "[::1]"), ("::", "[::]"), ("::", "[::1]")])
def test_a_server_is_found_wherever_it_listens(runtime_dir: Path, root: Path, address: str, host: str) -> None:
    try:
        listening = (IPv6Server if ":" in address else HTTPServer)((address, 0), Answers)
    except OSError:
        pytest.skip("there is no IPv6 here")
    with listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        announce(runtime_dir, root, os.getpid(), listening.server_port,
                 url=f"http://{host}:{listening.server_port}/")
        found, = servers.running()
        assert has_nbexec(found)
        listening.shutdown()
