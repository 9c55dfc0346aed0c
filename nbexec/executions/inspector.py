"""Has runners read notebooks, which the server never parses itself.

It belongs to the loop thread. No kernel is needed for any of this.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, AsyncIterator, Dict, Optional

from ..engines.local.connection import Frame
from ..engines.local.launcher import Launcher
from ..errors import (
    DefinitionError,
    InvalidArgumentError,
    NbExecError,
    NotebookUnreadableError,
    RunnerDiedError,
)
from ..protocol import (
    BadDefinition,
    Checked,
    DefinedParameters,
    Failed,
    Message,
    ParametersRequest,
    Refused,
    Request,
    RunRequest,
    Settings,
    Unreadable,
)
from .places import Notebooks, Source

_CHECKS = 4  # requests to check at once
_ATTEMPTS = 2  # after which a lost runner is an error


class Inspector:
    """Reads notebooks.

    Parameters
    ----------
    launcher : Launcher
        Starts runners.
    contents : Notebooks
        Finds notebooks.
    settings : Settings
        The part of the configuration that runners need.
    """

    def __init__(self, launcher: Launcher, contents: Notebooks, settings: Settings) -> None:
        self._launcher = launcher
        self._contents = contents
        self._settings = settings
        self._checks = asyncio.Semaphore(_CHECKS)

    def common(self, source: Source) -> Dict[str, Any]:
        """Return the fields that all requests about a notebook have."""
        return {"path": source.path, "source": source.file, "like": source.like, "cwd": source.cwd,
                "settings": self._settings}

    async def parameters(self, path: str) -> DefinedParameters:
        """Return the parameters that a notebook defines.

        Raises
        ------
        NotebookNotFoundError, NotebookUnreadableError, DefinitionError
            There is no such notebook, or its parameters cannot be read.
        """
        source = await self._contents.source(path)
        await self._contents.load(source)
        answer = await self._answer(ParametersRequest(**self.common(source)), source)
        assert isinstance(answer, DefinedParameters)
        return answer

    async def check(self, request: RunRequest, source: Source) -> Checked:
        """Check a request to run a notebook, by a runner that does not run it.

        Raises
        ------
        InvalidArgumentError, DefinitionError
            The request is not accepted.
        ExecutionError
            The notebook cannot be read, or the runner died.
        """
        async with self._checks:
            answer = await self._answer(replace(request, check_only=True), source)
        assert isinstance(answer, Checked)
        return answer

    async def ask(self, request: Request, source: Source, more: bytes = b"") -> AsyncIterator[Frame]:
        """Yield the answers of a runner to a request, which gets `more` after the notebook.

        Raises
        ------
        RunnerDiedError
            No runner can be started.
        """
        connection = await self._launcher.launch(needs_kernel=False)
        connection.send(request, source.content + more)
        async for frame in connection.messages():
            yield frame

    async def _answer(self, request: Request, source: Source) -> Message:
        for _ in range(_ATTEMPTS):
            answers = [message async for message, _ in self.ask(request, source)]
            if answers:
                break
        else:
            raise RunnerDiedError("the runner process that reads the notebook died")
        error = error_in(answers[-1])
        if error is not None:
            raise error
        return answers[-1]


def error_in(message: Message) -> Optional[NbExecError]:
    """Return the error in the message of a runner, None if there is none."""
    if isinstance(message, Refused):
        return InvalidArgumentError(message.field, message.value, message.expected, message.error)
    if isinstance(message, BadDefinition):
        return DefinitionError(message.error)
    if isinstance(message, Unreadable):
        return NotebookUnreadableError(message.error)
    return RunnerDiedError(message.error) if isinstance(message, Failed) else None
