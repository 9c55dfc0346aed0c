"""The file that an output notebook is written to."""

from __future__ import annotations

import errno
import os
from typing import Optional

from nbformat import NotebookNode

from ..errors import OutputNotWrittenError
from ..files.accepted_directory import AcceptedDirectory
from ..files.output_directory import OutputDirectory
from ..files.output_names import output_names
from ..files.permissions import Permissions
from ..files.serialization import serialize
from ..protocol import OutputTarget, RunRequest
from .partial_file import PartialFile


def content_of(nb: NotebookNode) -> bytes:
    """Return what the file has.

    Raises
    ------
    OutputNotWrittenError
        The notebook cannot be written as JSON.
    """
    try:
        return serialize(nb)
    except (ValueError, TypeError, RecursionError, MemoryError) as error:
        raise OutputNotWrittenError(f"the output notebook cannot be serialized: {error!r}") from error


class OutputFile:
    """The output notebook of one execution, and what is saved of it while it runs.

    Parameters
    ----------
    target : OutputTarget
        Where it goes.
    request : RunRequest
        The request.
    permissions : Permissions
        Its permissions.
    """

    def __init__(self, target: OutputTarget, request: RunRequest, permissions: Permissions) -> None:
        self._target = target
        self._request = request
        self._permissions = permissions
        self._partial: Optional[PartialFile] = None

    def partial(self) -> PartialFile:
        """Return the file for what is saved while the notebook runs."""
        if self._partial is None:
            self._partial = PartialFile(self._target, self._request, self._permissions)
        return self._partial

    def write(self, content: bytes, failed: bool) -> str:
        """Write the output notebook where the request wants it, remove the partial one, and return the name.

        Raises
        ------
        OutputNotWrittenError
            The system refused, with its reason, and the name of the partial notebook if there is one.
        """
        if self._partial is None:
            return self._write(content, failed)
        try:
            name = self._write_beside(self._partial, content, failed)
        except OutputNotWrittenError as error:
            raise self.with_partial(error) from error
        self._partial.remove()
        return name

    def with_partial(self, error: OutputNotWrittenError) -> OutputNotWrittenError:
        """Return the error with the name of the file that has at least a part of the output, if there is one."""
        if self._partial is None or not self._partial.exists():
            return error
        return OutputNotWrittenError(f"{error}; a part of the output is in {self._partial.name}")

    def _write_beside(self, partial: PartialFile, content: bytes, failed: bool) -> str:
        """Write it; if there is no other space, where the partial one is."""
        partial.remove_scratch()
        try:
            return self._write(content, failed)
        except OutputNotWrittenError as error:
            if not _lacks_space(error):
                raise
            with partial.moved_away():
                return self._write(content, failed)

    def _write(self, content: bytes, failed: bool) -> str:
        requested = self._target.failed_name if failed else self._target.name
        accepted = AcceptedDirectory(**self._target.directory)
        with OutputDirectory(accepted) as directory:
            if self._target.overwrite and requested is not None:
                directory.replace(content, requested, self._permissions, self._request.source)
                return requested
            names = output_names(requested, os.path.basename(self._request.path), accepted.longest_name)
            return directory.write_new(content, names, self._permissions)


def _lacks_space(error: OutputNotWrittenError) -> bool:
    """Whether the disk is full, or the user's share of it."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOSPC, errno.EDQUOT)
