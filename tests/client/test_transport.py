"""Where the token goes: to the server that is meant, and nowhere else, whatever is in between."""

from __future__ import annotations

import socket
import threading
from itertools import takewhile
from pathlib import Path
from typing import IO, Callable, Iterator, List

import pytest
from helpers import Server, free_port, write_notebook

from nbexec.client import ApiError, CertificateError, Client

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\nConnection: close\r\n\r\n{"executions": []}'


class Listener:
    """Notes what is sent to it, and gives one answer to all."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.heard: List[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as request:
                self.heard.append(_whole(request))  # what is left unread would reset the connection
                connection.sendall(self._answer)


def _whole(request: IO[bytes]) -> bytes:
    """Read a request with its body, which may come later than its head."""
    head = b"".join(takewhile(lambda line: line != b"\r\n", request))
    lengths = [line.partition(b":")[2] for line in head.lower().splitlines() if line.startswith(b"content-length:")]
    return head + b"\r\n" + request.read(sum(map(int, lengths)))


@pytest.fixture()
def listen() -> Iterator[Callable[[bytes], Listener]]:
    listeners: List[Listener] = []

    def start(answer: bytes = OK) -> Listener:
        listeners.append(Listener(answer))
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.socket.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(listen: Callable[..., Listener], status: int) -> None:
    target = listen()
    first = listen(f"HTTP/1.1 {status} x\r\nLocation: {target.url}\r\nContent-Length: 0\r\n"
                   "Connection: close\r\n\r\n".encode())
    with Client(first.url, "secret") as client:
        execution = client.execution("x")
        for action in (client.executions, lambda: client.submit("a.ipynb"), lambda: client.run("a.ipynb"),
                       client.delete_all, execution.shutdown, lambda: list(execution.events())):
            with pytest.raises(ApiError) as caught:
                action()
            assert caught.value.status == status
    assert len(first.heard) == 6 and target.heard == []


def test_a_proxy_is_used_where_it_is_named(listen: Callable[..., Listener], monkeypatch: pytest.MonkeyPatch,
                                           tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine notebooks.invalid login ann password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    named, of_environment = listen(), listen()
    monkeypatch.setenv("HTTP_PROXY", of_environment.url)
    monkeypatch.setenv("http_proxy", of_environment.url)
    url = "http://notebooks.invalid/base/"
    for client in (Client(url, "secret", proxy=named.url), Client(url, "secret")):
        with client:
            assert client.executions() == []
    for proxy in (named, of_environment):
        request, = proxy.heard
        assert request.startswith(b"GET http://notebooks.invalid/base/api/executions HTTP/1.1\r\n")
        assert b"\r\nAuthorization: token secret\r\n" in request and b"Basic" not in request


def test_no_proxy_of_the_environment_comes_between_this_machine_and_itself(
        server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with Client(server.url, server.token) as client:
        client.executions()


def test_an_authority_of_ones_own_is_believed(encrypted: Server, certificates: Path,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    with Client(encrypted.url, encrypted.token) as client:
        for action in (client.executions, lambda: client.run("a.ipynb"), lambda: client.submit("a.ipynb")):
            with pytest.raises(CertificateError, match="is not trusted"):
                action()
    with Client(encrypted.url, encrypted.token, cacert=str(certificates / "ca.pem")) as client:
        result = client.run("a.ipynb", {"x": 2})
        assert result.completed and result.cells
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "ca.pem"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(encrypted.runtime_dir))
    with Client() as client:
        assert client.url == encrypted.url and client.run("a.ipynb").completed


def test_a_base_url_and_odd_names_are_kept(new_server: Callable[..., Server]) -> None:
    server = new_server(base_url="/a-b/c/")
    name = "50% #1?&ä+;.ipynb"
    write_notebook(server.root / name, "1")
    for url in (f"http://127.0.0.1:{server.port}/a-b/c", f"http://127.0.0.1:{server.port}/a-b/c/?x=1#y"):
        with Client(url, server.token) as client:
            result = client.run(name)
            assert result.completed and result.cells[0]["outputs"]
            assert client.parameters(name) == []
