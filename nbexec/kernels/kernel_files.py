"""The files of one kernel, in a folder that only its user can enter."""

from __future__ import annotations

import json
import os
import secrets
from typing import Any, Dict

from ..files.private_files import PrivateFolder

_STDERR_TAIL = 2000  # characters of the kernel's last words that an error repeats
_CHANNELS = ("shell", "iopub", "stdin", "control", "hb")


class KernelFiles:
    """The connection file of a kernel, and the file that takes its stderr.

    Parameters
    ----------
    folder : PrivateFolder
        The folder, which has no files of another kernel.

    Attributes
    ----------
    path : str
        The connection file.
    connection : dict
        What it says: the kernel listens on Unix sockets in the folder.
    errors : int
        Descriptor of the file for stderr.
    """

    def __init__(self, folder: PrivateFolder) -> None:
        self.path = os.path.join(folder.path, "kernel.json")
        self.connection = _write_connection_file(folder, "kernel.json")
        self.errors = folder.create_file("stderr")

    def last_words(self) -> str:
        """Return the end of what the kernel wrote to its stderr."""
        try:
            end = os.fstat(self.errors).st_size
            words = os.pread(self.errors, 4 * _STDERR_TAIL, max(0, end - 4 * _STDERR_TAIL))
            return words.decode("utf-8", "replace")[-_STDERR_TAIL:].strip()
        except OSError:
            return ""


def _write_connection_file(folder: PrivateFolder, name: str) -> Dict[str, Any]:
    """Write a connection file for a kernel that listens in `folder` and return what it says.

    `jupyter_client.connect.write_connection_file` would open the file by its path, behind which there can be another
    folder by now, and would look for free ports, of which Unix sockets need none.
    """
    ports = {f"{channel}_port": number for number, channel in enumerate(_CHANNELS, 1)}
    connection = {"transport": "ipc", "ip": os.path.join(folder.path, "kernel"), "key": secrets.token_hex(),
                  "signature_scheme": "hmac-sha256", "kernel_name": "", **ports}
    with open(folder.create_file(name), "w") as file:
        json.dump(connection, file)
    return connection
