"""Where source notebooks are and where output notebooks go, whoever finds these places."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from typing import Optional, Protocol

from ..errors import InvalidArgumentError
from ..files.accepted_directory import AcceptedDirectory


@dataclass
class Source:
    """A source notebook.

    Parameters
    ----------
    path : str
        Its API path.
    file : str, optional
        Its file, if a runner may read it; otherwise the notebook is in `content`.
    content : bytes
        The notebook as JSON.
    cwd : str
        The working directory for its kernel.
    like : str, optional
        The file whose permissions its output notebook gets.
    """

    path: str
    file: Optional[str]
    content: bytes
    cwd: str
    like: Optional[str] = None


@dataclass
class Output:
    """Where an output notebook goes.

    Parameters
    ----------
    api_directory : str
        API path of its directory.
    name : str, optional
        The requested name; None for one made from that of the source.
    overwrite : bool
        Whether a file of this name may be replaced.
    directory : AcceptedDirectory, optional
        The directory, if a runner may write there itself.
    failed_name : str, optional
        The name for the output of a failed execution.
    """

    api_directory: str
    name: Optional[str]
    overwrite: bool
    directory: Optional[AcceptedDirectory]
    failed_name: Optional[str] = None

    def if_failed(self) -> Output:
        """Return where the output of a failed execution goes."""
        return replace(self, name=self.failed_name or self.name)

    def path(self, name: str) -> str:
        """Return the API path of the file `name` in the directory."""
        return posixpath.join(self.api_directory, name)


class Notebooks(Protocol):
    """Finds notebooks: those of a server, or those of this machine."""

    async def source(self, path: str) -> Source:
        """Return the notebook at a path, without reading it.

        Raises
        ------
        NotebookNotFoundError
            There is none.
        """
        ...

    async def load(self, source: Source) -> None:
        """Read a source that is not a file into its `content`.

        Raises
        ------
        NotebookUnreadableError
            It is not a notebook.
        """
        ...

    async def output(self, requested: Optional[str], overwrite: bool, source: Source) -> Output:
        """Return where the output goes: to the requested path, or beside the source.

        Raises
        ------
        InvalidArgumentError
            It cannot go there.
        """
        ...

    async def save(self, content: bytes, output: Output, source: Source) -> str:
        """Save an output notebook that a runner cannot save itself, and return its name.

        Raises
        ------
        OutputNotWrittenError
            It cannot be saved.
        """
        ...


class Refusal:
    """Makes errors about one output path."""

    def __init__(self, path: Optional[str]) -> None:
        self._path = path

    def __call__(self, expected: str) -> InvalidArgumentError:
        """Return the error that says what would be accepted."""
        return InvalidArgumentError("output_path", self._path, expected)
