"""Lets runners look into notebooks, which the server never parses itself.

It belongs to the loop thread. Nothing of this needs a kernel.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, AsyncIterator, Dict, List, Optional

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
from .contents import Contents, Source

_CHECKS = 4  # requests that are checked at once
_ATTEMPTS = 2  # as often a runner may be lost


class Inspector:
    """Looks into notebooks.

    Parameters
    ----------
    launcher : Launcher
        Starts runners.
    contents : Contents
        Finds notebooks.
    settings : Settings
        What every runner is told besides.
    """

    def __init__(self, launcher: Launcher, contents: Contents, settings: Settings) -> None:
        self._launcher = launcher
        self._contents = contents
        self._settings = settings
        self._checks = asyncio.Semaphore(_CHECKS)

    def common(self, source: Source) -> Dict[str, Any]:
        """Return what all requests about a notebook have in common."""
        return {"path": source.path, "source": source.file, "like": source.like, "cwd": source.cwd,
                "settings": self._settings}

    async def parameters(self, path: str) -> List[Dict[str, Any]]:
        """Return the parameters that a notebook defines.

        Raises
        ------
        NotebookNotFoundError, NotebookUnreadableError, DefinitionError
            They cannot be found out.
        """
        source = await self._contents.source(path)
        await self._contents.load(source)
        answer = await self._answer(ParametersRequest(**self.common(source)), source)
        assert isinstance(answer, DefinedParameters)
        return answer.parameters

    async def check(self, request: RunRequest, source: Source) -> Checked:
        """Have a request to run a notebook checked, by a runner that does not run it.

        Raises
        ------
        InvalidArgumentError, DefinitionError
            The request cannot be followed.
        ExecutionError
            The notebook cannot be read, or the runner died.
        """
        async with self._checks:
            answer = await self._answer(replace(request, check_only=True), source)
        assert isinstance(answer, Checked)
        return answer

    async def ask(self, request: Request, source: Source) -> AsyncIterator[Frame]:
        """Yield what a runner has to say to a request.

        Raises
        ------
        RunnerDiedError
            It cannot be started.
        """
        connection = await self._launcher.launch(needs_kernel=False)
        connection.send(request, source.content)
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
    """Return the error that a runner tells instead of an answer, None if it is an answer."""
    if isinstance(message, Refused):
        return InvalidArgumentError(message.field, message.value, message.expected, message.error)
    if isinstance(message, BadDefinition):
        return DefinitionError(message.error)
    if isinstance(message, Unreadable):
        return NotebookUnreadableError(message.error)
    return RunnerDiedError(message.error) if isinstance(message, Failed) else None
