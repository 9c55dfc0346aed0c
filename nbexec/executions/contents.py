"""The notebooks of the server, by their API paths and the rules of its contents manager.

Runners read and write files themselves, so that an execution survives its server. A contents manager that keeps
notebooks elsewhere, or has its own way to read and save them, is used instead.
"""

from __future__ import annotations

import json
import os
import posixpath
import stat
from typing import Any, Optional, Sequence, Set, Tuple, Type

from notebook.services.contents.filemanager import FileContentsManager
from notebook.services.contents.largefilemanager import LargeFileManager
from notebook.services.contents.manager import ContentsManager
from notebook.utils import maybe_future
from tornado.web import HTTPError

from ..errors import NotebookNotFoundError, NotebookUnreadableError, OutputNotWrittenError
from ..files.accepted_directory import AcceptedDirectory, is_hidden, is_within
from ..files.output_names import SUFFIX, output_names
from .places import Output, Refusal, Source

# The methods by which notebook's own contents manager reads and writes a notebook.
_READING = ("get", "_base_model", "_notebook_model", "_read_notebook", "open")
_WRITING = ("_save_notebook", "atomic_writing")


class Contents:
    """Finds source notebooks, and decides where output notebooks go.

    Parameters
    ----------
    manager : ContentsManager
        The contents manager of the server.
    output_directories : list of str
        Directories outside the root where output may go, if a link in the root leads there.
    """

    def __init__(self, manager: ContentsManager, output_directories: Sequence[str] = ()) -> None:
        self._manager = manager
        self._output_directories = [os.path.realpath(os.path.expanduser(path)) for path in output_directories]
        self._has_files = hasattr(manager, "_get_os_path")
        self._reads_files = _has_methods_of(manager, FileContentsManager, _READING)
        self._writes_files = _has_methods_of(manager, FileContentsManager, _WRITING) and type(manager).save in (
            FileContentsManager.save, LargeFileManager.save)
        self._claimed: Set[str] = set()

    # -- sources ----------------------------------------------------------------------------------

    async def source(self, path: str) -> Source:
        """Return the notebook at an API path, without reading it.

        Raises
        ------
        NotebookNotFoundError
            It does not exist, is hidden, is a directory or lies outside the root.
        """
        normal = _normal(path)
        if normal is None or not await self._exists(normal):
            raise NotebookNotFoundError(path)
        file = self._manager._get_os_path(normal) if self._has_files else None
        if file is not None and self._reads_files:
            return Source(normal, file, b"", os.path.dirname(file), file)
        return Source(normal, None, b"", self._cwd(normal), file)

    async def load(self, source: Source) -> None:
        """Read a source that is not a file into its `content`.

        Raises
        ------
        NotebookUnreadableError
            The contents manager cannot make a notebook of it.
        """
        if source.file is not None:
            return
        try:
            model = await maybe_future(self._manager.get(source.path, content=True, type="notebook"))
        except HTTPError as error:
            raise NotebookUnreadableError(f"the file is not a notebook: {error.log_message or error}") from error
        source.content = json.dumps(model["content"]).encode("ascii")

    async def _exists(self, path: str) -> bool:
        try:
            return (bool(await maybe_future(self._manager.file_exists(path)))
                    and not await self._is_hidden(path))
        except (HTTPError, OSError, ValueError):
            return False

    @property
    def _shows_hidden(self) -> bool:
        return bool(getattr(self._manager, "allow_hidden", False))

    async def _is_hidden(self, path: str) -> bool:
        return not self._shows_hidden and bool(await maybe_future(self._manager.is_hidden(path)))

    def _cwd(self, path: str) -> str:
        """Return the best working directory for a notebook that is not a file."""
        root = getattr(self._manager, "root_dir", "") or os.path.expanduser("~")
        directory = os.path.join(root, *posixpath.dirname(path).split("/"))
        return directory if os.path.isdir(directory) else root

    # -- outputs ----------------------------------------------------------------------------------

    async def output(self, requested: Optional[str], overwrite: bool, source: Source) -> Output:
        """Return where the output goes: to the requested path, or beside the source.

        Raises
        ------
        InvalidArgumentError
            It cannot go there.
        """
        if requested is None:
            return await self._output_in(posixpath.dirname(source.path), None, False, source)
        refuse = Refusal(requested)
        path = _normal(requested)
        if not requested.endswith(SUFFIX) or requested.endswith("/" + SUFFIX) or requested == SUFFIX:
            raise refuse(f"the path of a file that ends in {SUFFIX}")
        if path is None:
            raise refuse("a path below the server's root directory")
        directory = posixpath.dirname(path)
        try:
            await self._check_output(path, directory, refuse)
        except (HTTPError, OSError, ValueError) as error:
            raise refuse("the path of a file in an existing directory") from error
        if self._is_source(path, source):
            raise refuse("a path other than that of the source notebook")
        return await self._output_in(directory, posixpath.basename(path), overwrite, source)

    async def _check_output(self, path: str, directory: str, refuse: Refusal) -> None:
        if await maybe_future(self._manager.dir_exists(path)):
            raise refuse("the path of a file, not of a directory")
        if directory and not await maybe_future(self._manager.dir_exists(directory)):
            raise refuse("the path of a file in an existing directory")
        if await self._is_hidden(directory) or (
                not self._shows_hidden and posixpath.basename(path).startswith(".")):
            raise refuse("a path that is not hidden, because this server does not serve hidden files")

    def _is_source(self, path: str, source: Source) -> bool:
        if path == source.path:
            return True
        if source.like is None:
            return False
        target = self._manager._get_os_path(path)
        return os.path.exists(target) and os.path.exists(source.like) and os.path.samefile(target, source.like)

    async def _output_in(self, directory: str, name: Optional[str], overwrite: bool, source: Source) -> Output:
        if not self._has_files:
            return Output(directory, name, overwrite, None)
        os_directory = self._manager._get_os_path(directory)
        refuse = Refusal(None if name is None else posixpath.join(directory, name))
        base = await self._base(os.path.realpath(os_directory), refuse)
        if name is not None:
            await self._check_target(os.path.join(os_directory, name), overwrite, refuse)
        if not self._writes_files:
            return Output(directory, name, overwrite, None)
        if not os.access(os_directory, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            raise refuse("the path of a file in a directory that the server may write to")
        accepted = AcceptedDirectory.of(os_directory, base, self._shows_hidden)
        if name is not None and len(os.fsencode(name)) > accepted.longest_name:
            raise refuse(f"a file name of at most {accepted.longest_name} bytes")
        return Output(directory, name, overwrite, accepted)

    async def _base(self, path: str, refuse: Refusal) -> str:
        """Return the directory, free of links, that contains `path` and where output may go.

        Raises
        ------
        InvalidArgumentError
            Links lead out of all such directories, or into a hidden one.
        """
        root = os.path.realpath(self._manager.root_dir)
        base = next((base for base in (root, *self._output_directories) if is_within(base, path)), None)
        if base is None:
            raise refuse("a path that no link leads out of the server's root directory")
        relative = os.path.relpath(path, base).replace(os.sep, "/")
        if not self._shows_hidden and (is_hidden(base, path) or (
                base == root and relative != "." and await self._is_hidden(relative))):
            raise refuse("a path that no link leads to a hidden file, because this server does not serve hidden files")
        return base

    async def _check_target(self, target: str, overwrite: bool, refuse: Refusal) -> None:
        """Refuse a target that may not be replaced, such as a link to a file that is out of reach."""
        if os.path.lexists(target) and not stat.S_ISREG(_mode(target)):
            raise refuse("the path of a regular file, or of none yet")
        if overwrite and os.path.islink(target):
            await self._base(os.path.realpath(target), refuse)
            if not self._writes_files:
                raise refuse("a path that is not a link, because this server would write through it")

    # -- contents managers of another kind --------------------------------------------------------

    async def save(self, content: bytes, output: Output, source: Source) -> str:
        """Save an output notebook through the contents manager and return its name.

        Raises
        ------
        OutputNotWrittenError
            It did not take it.
        """
        name, claim = await self._claim(output, source)
        try:
            await self._output_in(output.api_directory, name, output.overwrite, source)  # for new links
            model = {"type": "notebook", "format": "json", "content": _notebook(content)}
            await maybe_future(self._manager.save(model, output.path(name)))
        except Exception as error:  # foreign managers raise anything
            raise OutputNotWrittenError(f"the output notebook could not be saved: {error}") from error
        finally:
            self._claimed.discard(claim)
        return name

    async def _claim(self, output: Output, source: Source) -> Tuple[str, str]:
        for name in output_names(output.name, posixpath.basename(source.path)):
            path = output.path(name)
            if path in self._claimed:
                continue
            self._claimed.add(path)
            if output.overwrite or not await self._is_taken(path):
                return name, path
            self._claimed.discard(path)
        raise AssertionError("names never end")

    async def _is_taken(self, path: str) -> bool:
        """Whether the path is in use, if only by a dangling link."""
        return bool(await maybe_future(self._manager.file_exists(path))) or (
            self._has_files and os.path.lexists(self._manager._get_os_path(path)))


def _notebook(content: bytes) -> Any:
    import nbformat

    return nbformat.reads(content.decode("utf-8"), as_version=4)


def _normal(path: str) -> Optional[str]:
    """Return an API path in normal form, or None if it leaves the root."""
    if "\0" in path:
        return None
    normal = posixpath.normpath(path.lstrip("/") or ".")
    return None if normal in (".", "..") or normal.startswith("../") else normal


def _has_methods_of(manager: ContentsManager, kind: Type[ContentsManager], names: Sequence[str]) -> bool:
    """Whether a manager has these methods unchanged from its base class."""
    return isinstance(manager, kind) and all(
        name not in vars(manager) and getattr(type(manager), name) is getattr(kind, name) for name in names)


def _mode(target: str) -> int:
    try:
        return os.stat(target).st_mode
    except OSError:
        return 0  # a dangling link
