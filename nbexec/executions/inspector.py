"""Lets runners look into notebooks, which the server never parses itself.

It belongs to the loop thread. Nothing of this needs a kernel.
"""

from __future__ import annotations

import asyncio
from typing import Any, AsyncIterator, Dict, List

from ..engines.local.connection import Frame
from ..engines.local.launcher import Launcher
from ..errors import (
    DefinitionError,
    ExecutionError,
    InvalidArgumentError,
    NbExecError,
    NotebookUnreadableError,
    RunnerDiedError,
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
    settings : dict
        What every runner is told besides: its limits, and `notary`.
    """

    def __init__(self, launcher: Launcher, contents: Contents, settings: Dict[str, Any]) -> None:
        self._launcher = launcher
        self._contents = contents
        self._settings = settings
        self._checks = asyncio.Semaphore(_CHECKS)

    def request(self, task: str, source: Source, **more: Any) -> Dict[str, Any]:
        """Return what a runner is sent that has something to do with a notebook."""
        return {"task": task, "path": source.path, "source": source.file, "like": source.like, "cwd": source.cwd,
                **self._settings, **more}

    async def parameters(self, path: str) -> List[Dict[str, Any]]:
        """Return the parameters that a notebook defines.

        Raises
        ------
        NotebookNotFoundError, NotebookUnreadableError, DefinitionError
            They cannot be found out.
        """
        source = await self._contents.source(path)
        await self._contents.load(source)
        return list(await self._answer(self.request("parameters", source), source))

    async def check(self, request: Dict[str, Any], source: Source) -> Dict[str, Any]:
        """Have a request to run a notebook checked, by a runner that does not run it.

        Returns
        -------
        dict
            The kernel that the notebook wants, and its secret parameters.

        Raises
        ------
        InvalidArgumentError, DefinitionError
            The request cannot be followed.
        ExecutionError
            The notebook cannot be read, or the runner died.
        """
        async with self._checks:
            return dict(await self._answer({**request, "task": "check"}, source))

    async def facts(self, request: Dict[str, Any], source: Source) -> AsyncIterator[Frame]:
        """Yield what a runner has to say to a request.

        Raises
        ------
        RunnerDiedError
            It cannot be started.
        """
        connection = await self._launcher.launch(needs_kernel=False)
        connection.send(request, source.content)
        async for frame in connection.facts():
            yield frame

    async def _answer(self, request: Dict[str, Any], source: Source) -> Any:
        for _ in range(_ATTEMPTS):
            answers = [_ANSWERS[fact["fact"]](fact) async for fact, _ in self.facts(request, source)]
            if answers:
                break
        else:
            raise RunnerDiedError("the process that reads the notebook died")
        if isinstance(answers[-1], Exception):
            raise answers[-1]
        return answers[-1]


def refusal(fact: Dict[str, Any]) -> NbExecError:
    """Return the error by which a runner refuses a request."""
    if "message" in fact:
        return DefinitionError(fact["message"])
    return InvalidArgumentError(fact["name"], fact["value"], fact["accepted"])


def failure(fact: Dict[str, Any]) -> ExecutionError:
    """Return the error that kept a runner from its task."""
    kind = NotebookUnreadableError if fact["fact"] == "unreadable" else RunnerDiedError
    return kind(fact["error"])


_ANSWERS = {"parameters": lambda fact: fact["parameters"], "checked": lambda fact: fact, "refused": refusal,
            "unreadable": failure, "failed": failure}
