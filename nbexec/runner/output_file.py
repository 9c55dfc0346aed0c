"""The file that an output notebook is written to."""

from __future__ import annotations

import errno
import os

from nbformat import NotebookNode

from ..errors import OutputNotWrittenError
from ..files.accepted_directory import AcceptedDirectory
from ..files.output_directory import OutputDirectory
from ..files.output_names import output_names
from ..files.permissions import Permissions
from ..files.serialization import serialize
from ..protocol import OutputTarget, RunRequest


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


def lacks_space(failure: OutputNotWrittenError) -> bool:
    """Whether there is no room on the disk, or in the share of it that the user has."""
    return isinstance(failure.__cause__, OSError) and failure.__cause__.errno in (errno.ENOSPC, errno.EDQUOT)


def write(content: bytes, target: OutputTarget, request: RunRequest, permissions: Permissions, failed: bool) -> str:
    """Write the output notebook where the request wants it, and return its name.

    Raises
    ------
    OutputNotWrittenError
        The system refused, with its reason.
    """
    requested = target.failed_name if failed else target.name
    accepted = AcceptedDirectory(**target.directory)
    with OutputDirectory(accepted) as directory:
        if target.overwrite and requested is not None:
            directory.replace(content, requested, permissions, request.source)
            return requested
        names = output_names(requested, os.path.basename(request.path), accepted.longest_name)
        return directory.write_new(content, names, permissions)
