"""A file by which a worker tells whether it has the files of the notebook server."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from typing import Dict, List

from .shared_files import SharedFiles


class MarkerFile:
    """A hidden file in the root directory of the server, as long as that runs.

    Parameters
    ----------
    directory : str
        The root directory.
    shared : SharedFiles
        What workers have.
    """

    def __init__(self, directory: str, shared: SharedFiles) -> None:
        self._path = os.path.join(directory, f".nbexec-{uuid.uuid4()}")
        self._content = str(uuid.uuid4())
        self.problem = ""
        self._there = shared.path(self._path)
        if self._there is not None:
            self._write()

    def _write(self) -> None:
        try:
            with open(self._path, "x", encoding="ascii") as file:
                file.write(self._content)
        except OSError as error:
            self._there = None
            self.problem = f"it cannot be checked whether workers have the files of this server: {error}"

    def expected(self) -> Dict[str, str]:
        """Return what a worker has to find where; nothing if it needs no files."""
        return {} if self._there is None else {self._there: self._content}

    def temporary(self) -> List[str]:
        """Return what has to be removed when the server is gone."""
        return [] if self._there is None else [self._path]

    def remove(self) -> None:
        """Remove the file."""
        with suppress(OSError):
            os.unlink(self._path)
