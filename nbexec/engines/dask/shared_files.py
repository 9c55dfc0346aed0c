"""Which files of the notebook server its workers have, and under which paths.

Workers that have none get the notebook along with the request, and send the output back.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Dict, Mapping, Optional, Tuple, Union

from ...protocol import RunRequest


class SharedFiles:
    """The files that the server and all workers have in common.

    Parameters
    ----------
    shared : bool or dict
        Whether workers have all files under the same paths, or which directories they have under which paths.
    """

    def __init__(self, shared: Union[bool, Mapping[str, str]]) -> None:
        prefixes = {os.sep: os.sep} if shared is True else dict(shared or {})
        self._prefixes = sorted(prefixes.items(), key=lambda pair: -len(pair[0]))
        self._is_same = shared is True

    def path(self, path: Optional[str]) -> Optional[str]:
        """Return the path that a file has for workers, None if they do not have it."""
        for here, there in self._prefixes:
            if path is not None and (path + os.sep).startswith(os.path.join(here, "")):
                return os.path.normpath(os.path.join(there, os.path.relpath(path, here)))
        return None

    def adapt(self, request: RunRequest, content: bytes) -> Tuple[RunRequest, bytes]:
        """Return a request as workers can fulfil it, and the notebook if they do not have its file.

        Raises
        ------
        OSError
            The notebook cannot be read.
        """
        source = self.path(request.source)
        if request.source is not None and source is None:
            with open(request.source, "rb") as file:
                content = file.read()
        output = request.output
        if output is not None:
            directory = self._directory(output.directory)
            output = None if directory is None else replace(output, directory=directory)
        settings = request.settings if self._is_same else replace(request.settings, notary=None)
        return replace(request, source=source, output=output, settings=settings, like=self.path(request.like),
                       cwd=self.path(request.cwd) or "", note=self.path(request.note)), content

    def _directory(self, directory: Dict[str, Any]) -> Optional[Dict[str, Any]]:
        """Return the directory for output with the paths that it has for workers, None if they do not have it."""
        paths = {name: self.path(directory[name]) for name in ("asked", "base", "path")}
        return None if None in paths.values() else {**directory, **paths}
