"""The notes of runners on a cluster, in a folder that they share with the notebook server."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from typing import List, Optional

from ...files.end_notes import Notes
from .shared_files import SharedFiles


class SharedNotes:
    """A hidden folder in the root directory of the server; it stays only if the records do.

    Parameters
    ----------
    directory : str
        The root directory.
    shared : SharedFiles
        What workers have.
    records : str
        The file with the records; empty if they do not outlive the server.
    """

    def __init__(self, directory: str, shared: SharedFiles, records: str) -> None:
        name = hashlib.sha256(os.fsencode(records)).hexdigest()[:16] if records else str(uuid.uuid4())
        self._path = os.path.join(directory, f".nbexec-notes-{name}")
        self._is_kept = bool(records)
        self.notes: Optional[Notes] = None
        self.problem = ""
        if shared.path(self._path) is not None:
            self._open()

    def _open(self) -> None:
        try:
            self.notes = Notes(self._path)
        except OSError as error:
            self.problem = f"output paths of lost executions will be missing, because notes cannot be kept: {error}"

    def temporary(self) -> List[str]:
        """Return what has to be removed when the server is gone."""
        return [] if self._is_kept or self.notes is None else [self._path]

    def remove(self) -> None:
        """Remove the folder, if nobody reads it later."""
        for path in self.temporary():
            shutil.rmtree(path, ignore_errors=True)
