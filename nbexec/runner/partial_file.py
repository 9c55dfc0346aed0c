"""The file that has what there is of an output notebook while it runs, should nobody be left to write the real one."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import Iterator, Optional

from nbformat import NotebookNode

from .. import events
from ..errors import OutputNotWrittenError
from ..files.accepted_directory import AcceptedDirectory
from ..files.output_directory import OutputDirectory
from ..files.output_names import partial_name
from ..files.permissions import Permissions
from ..files.scratch_file import scratch_name
from ..protocol import OutputTarget, RunRequest


class PartialFile:
    """The partial file of one execution, beside its output notebook to be.

    Parameters
    ----------
    target : OutputTarget
        Where the output notebook goes.
    request : RunRequest
        The request.
    permissions : Permissions
        Those of the output notebook.
    """

    def __init__(self, target: OutputTarget, request: RunRequest, permissions: Permissions) -> None:
        self._accepted = AcceptedDirectory(**target.directory)
        self._permissions = permissions
        self._scratch = scratch_name()  # known to both processes, so that nothing is left of a child that was killed
        self.name = partial_name(target.name or os.path.basename(request.path), request.exec_id,
                                 self._accepted.longest_name)

    def write(self, content: bytes) -> None:
        """Write the file, or replace it.

        Raises
        ------
        OutputNotWrittenError
            The system refused, with its reason.
        """
        with OutputDirectory(self._accepted) as directory:
            directory.remove(self._scratch)
            directory.replace(content, self.name, self._permissions, None, self._scratch)

    @contextmanager
    def moved_away(self) -> Iterator[None]:
        """Give the room of the file to whatever is written in the block; if that fails, the file is back."""
        content = None
        with suppress(OutputNotWrittenError), OutputDirectory(self._accepted) as directory:
            content = directory.read(self.name)
            directory.remove(self.name)
        try:
            yield
        except OutputNotWrittenError:
            if content is not None:
                with suppress(OutputNotWrittenError):
                    self.write(content)
            raise

    def read(self) -> Optional[bytes]:
        """Return what is in the file, None if there is none."""
        with suppress(OutputNotWrittenError), OutputDirectory(self._accepted) as directory:
            return directory.read(self.name)
        return None

    def exists(self) -> bool:
        """Whether there is such a file."""
        with suppress(OutputNotWrittenError), OutputDirectory(self._accepted) as directory:
            return directory.has(self.name)
        return False

    def remove_scratch(self) -> None:
        """Remove what a child that was killed may have left."""
        self._remove(self._scratch)

    def remove(self) -> None:
        """Remove the file, if there is one."""
        self._remove(self.name)

    def _remove(self, name: str) -> None:
        with suppress(OutputNotWrittenError), OutputDirectory(self._accepted) as directory:
            directory.remove(name)


def mark_partial(nb: NotebookNode, exec_id: str) -> None:
    """Say in a notebook that it is not complete, and of which execution it is."""
    nb.metadata["nbexec"] = NotebookNode(partial=True, exec_id=exec_id, saved_at=events.isoformat(events.now()))
