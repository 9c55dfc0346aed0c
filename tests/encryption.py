"""A server whose certificate was signed by an authority of our own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Iterator

import pytest
from helpers import Server, write_notebook


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority and a certificate that it has signed for this machine."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here")
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def make_certificates(folder: Path) -> Path:
    """Make an authority and a certificate that it has signed for this machine."""
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for command in (
            "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=authority",
            "req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=localhost",
            "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem"):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def encrypted(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with that certificate."""
    class EncryptedServer(Server):
        def _answers(self) -> bool:
            assert self.process.poll() is None, "the server has ended"
            return bool(list(self.runtime_dir.glob("nbserver-*.json")))

    server = EncryptedServer(tmp_path_factory.mktemp("encrypted"), f"--certfile={certificates / 'cert.pem'}",
                             f"--keyfile={certificates / 'key.pem'}")
    server.url = server.url.replace("http:", "https:")
    write_notebook(server.root / "a.ipynb", "# nbexec: params\nx = 1\ny = ''")
    yield server
    server.stop()
