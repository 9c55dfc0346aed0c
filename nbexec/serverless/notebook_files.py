"""Notebooks as the files of this machine, which the user may read and write as the system allows.

There is no root directory and nothing is hidden: whoever calls is the user.
"""

from __future__ import annotations

import os
import stat
from typing import Optional

from ..errors import NotebookFileNotFoundError
from ..executions.places import Output, Refusal, Source
from ..files.accepted_directory import AcceptedDirectory
from ..files.output_names import SUFFIX

_BASE = os.path.abspath(os.sep)


class NotebookFiles:
    """Finds source notebooks, and decides where output notebooks go; all paths are absolute."""

    async def source(self, path: str) -> Source:
        """Return the notebook at a path, without reading it.

        Raises
        ------
        NotebookFileNotFoundError
            It does not exist, or is no file.
        """
        if "\0" in path or not os.path.isfile(path):
            raise NotebookFileNotFoundError(path)
        return Source(path, path, b"", os.path.dirname(path), path)

    async def load(self, source: Source) -> None:
        """Do nothing: a runner reads the file."""

    async def output(self, requested: Optional[str], overwrite: bool, source: Source) -> Output:
        """Return where the output goes: to the requested path, or beside the source.

        Raises
        ------
        InvalidArgumentError
            It cannot go there.
        """
        refuse = Refusal(requested)
        if requested is None:
            return _output_in(source.cwd, None, False, refuse)
        directory, name = os.path.split(requested)
        if not name.endswith(SUFFIX) or name == SUFFIX:
            raise refuse(f"the path of a file that ends in {SUFFIX}")
        if "\0" in requested or not os.path.isdir(directory):
            raise refuse("the path of a file in an existing directory")
        if os.path.isdir(requested):
            raise refuse("the path of a file, not of a directory")
        if _is_same(requested, source.path):
            raise refuse("a path other than that of the source notebook")
        if os.path.lexists(requested) and not _is_regular(requested):
            raise refuse("the path of a regular file, or of none yet")
        return _output_in(directory, name, overwrite, refuse)

    async def save(self, content: bytes, output: Output, source: Source) -> str:
        """Raise, because runners save all files themselves."""
        raise NotImplementedError


def _output_in(directory: str, name: Optional[str], overwrite: bool, refuse: Refusal) -> Output:
    if not os.access(directory, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise refuse("the path of a file in a directory that you may write to")
    accepted = AcceptedDirectory.of(directory, _BASE, may_be_hidden=True)
    if name is not None and len(os.fsencode(name)) > accepted.longest_name:
        raise refuse(f"a file name of at most {accepted.longest_name} bytes")
    return Output(directory, name, overwrite, accepted)


def _is_same(target: str, source: str) -> bool:
    return target == source or (os.path.exists(target) and os.path.samefile(target, source))


def _is_regular(target: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(target).st_mode)
    except OSError:
        return False  # a dangling link
