"""The notebook of a request: reading it, and putting the parameters into it."""

from __future__ import annotations

import os
import stat
from typing import Any, Dict, List, Optional, Tuple

from nbformat import NotebookNode

from .. import parameters
from ..errors import DefinitionError, NotebookUnreadableError
from ..files import notebooks
from ..files.permissions import Permissions
from ..files.trust import Trust
from ..protocol import DefinedParameters, Request, RunRequest
from ..run_variables import are_harmless
from ..secret_values import SecretValues


class SourceNotebook:
    """A notebook that is ready to run.

    Parameters
    ----------
    request : Request
        Says where it is.
    content : bytes
        What came along with the request.
    trust : Trust
        Knows whether its output is trusted.

    Attributes
    ----------
    nb : NotebookNode
        The notebook.
    permissions : Permissions
        Who may do what with it.
    values : dict
        The values that were given for parameters.
    effective : list of dict, optional
        The values of all parameters, as the execution model shows them.
    secret_names : list of str
        The parameters whose values are secret.
    secrets : SecretValues
        Those values.
    is_ours : bool
        Whether all text in it is of the user who runs it.

    Raises
    ------
    NotebookUnreadableError
        It cannot be read, or is not valid.
    """

    def __init__(self, request: Request, content: bytes, trust: Trust) -> None:
        self.nb, self.permissions = read(request, content)
        # Cells that earlier callers filled are theirs, unless the output that they come from was trusted.
        self._has_foreign_text = parameters.has_injected_text(self.nb) and not trust.is_signed(self.nb)
        self.is_ours = not self._has_foreign_text
        self.values: Dict[str, object] = {}
        self.effective: Optional[List[Dict[str, Any]]] = None
        self.secret_names: List[str] = []
        self.secrets = SecretValues()
        notebooks.clean(self.nb)

    def defined_parameters(self) -> DefinedParameters:
        """Return the parameters that it defines."""
        defined = parameters.read_parameters(self.nb.cells) or {}
        return DefinedParameters([parameter.model() for parameter in defined.values()],
                                 parameters.reserved_names(self.nb.cells))

    def parameterize(self, request: RunRequest) -> None:
        """Put the given values into it; without any, it does not matter how it defines parameters.

        Raises
        ------
        InvalidArgumentError, DefinitionError
            They do not fit.
        """
        arguments = request.arguments
        values: Dict[str, object] = {}
        defined = self._defined(is_needed=bool(arguments.params))
        if arguments.params:
            values = parameters.parse_values(defined, arguments.params, arguments.structures)
            self.secret_names = parameters.secret_names(defined, values)
            self.secrets = parameters.inject(self.nb, values, self.secret_names)
        self.effective = None if defined is None else [parameter.effective(values) for parameter in defined.values()]
        has_text = parameters.have_text(defined, values) or not are_harmless(request.variables)
        is_ours = request.is_typed or not has_text
        # Values that are given take the place of those from earlier callers.
        self.is_ours = is_ours and (bool(values) or not self._has_foreign_text)
        self.values = values
        if request.arguments.report_mode:
            notebooks.hide_sources(self.nb)

    def _defined(self, is_needed: bool) -> Optional[Dict[str, parameters.Parameter]]:
        """Return the parameters that it defines; None without a parameter cell, or without one that can be read."""
        try:
            return parameters.read_parameters(self.nb.cells)
        except DefinitionError:
            if is_needed:
                raise
            return None


def read(request: Request, content: bytes) -> Tuple[NotebookNode, Permissions]:
    """Return the notebook of a request as it is, and the permissions that its output takes.

    Raises
    ------
    NotebookUnreadableError
        It cannot be read.
    """
    permissions = Permissions.usual()
    if request.source is not None:
        content, permissions = read_file(request.source)
    elif request.like is not None:
        permissions = _permissions_of(request.like)
    return notebooks.parse(content), permissions


def read_file(path: str) -> Tuple[bytes, Permissions]:
    """Return what is in a file, and who may do what with it.

    Raises
    ------
    NotebookUnreadableError
        It cannot be read.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise NotebookUnreadableError("the file is not a notebook: it is no longer a regular file")
            return file.read(), Permissions.of(file.fileno())
    except OSError as error:
        raise NotebookUnreadableError(f"the file cannot be read: {error.strerror or error}") from error


def _permissions_of(path: str) -> Permissions:
    """Return those of the file that a notebook was read from by somebody else."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            return Permissions.of(file.fileno())
    except OSError:
        return Permissions.usual()  # the file does not exist


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting, as a FIFO that has taken its place meanwhile would have it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
