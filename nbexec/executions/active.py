"""An execution as long as something of it is there.

It belongs to the loop thread; only the manager changes it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Collection, Optional

from ..engines.local.connection import Connection
from ..errors import ExecutionStoppedError
from ..execution import Execution, RunArguments
from ..protocol import End, Watch
from ..secret_values import masked
from .contents import Output, Source
from .event_log import EventLog
from .kernelspecs import Spec
from .slots import Place
from .store import Key

_log = logging.getLogger("nbexec")
_STUBBORN = 15.0  # seconds that a runner may take to stop before it is killed


class Run:
    """An execution of which something is still there: its runner, its kernel.

    Parameters
    ----------
    execution : Execution
        Its model.
    arguments : RunArguments
        What its request asked for, with the values of its parameters.
    source : Source
        The notebook.
    output : Output
        Where the output notebook goes.
    spec : dict, optional
        The kernelspec that was asked for.
    place : Place
        Its slot, or its place in the line for one.
    key : str, optional
        The key that its request came with.
    is_typed : bool
        Whether somebody who is logged in has typed the values of its parameters into a page of this server.
    """

    def __init__(self, execution: Execution, arguments: RunArguments, source: Source, output: Output,
                 spec: Optional[Spec], place: Place[None], key: Optional[str], is_typed: bool = False) -> None:
        loop = asyncio.get_event_loop()
        self.execution = execution
        self.arguments = arguments
        self.source = source
        self.output = output
        self.spec = spec
        self.place = place
        self._key_name = key
        self.key: Optional[Key] = None  # as long as it is not recorded
        self.is_typed = is_typed
        self.log = EventLog(self._watch_outputs)
        self.connection: Optional[Connection] = None
        self.accepted: asyncio.Future[None] = loop.create_future()
        self.gone: asyncio.Future[None] = loop.create_future()
        self.requested = time.monotonic()
        self.began = self.requested  # when it got its slot
        self.stop_reason: Optional[str] = None
        self.refused = False
        self.deleted = False
        self.is_known = False  # to those who are told of changes
        self._has_outputs = False  # that its runner can tell of
        self.hide(arguments.params)  # all, until somebody has read which ones are secret

    def hide(self, secret: Collection[str]) -> None:
        """Show the values of all parameters but these."""
        self.execution.params = masked(self.arguments.params, secret)
        if self._key_name is not None and not self.is_known:
            self.key = Key(self._key_name, self.arguments.digest(secret))

    def begin_outputs(self) -> None:
        """Have the output of running cells told from now on, if somebody wants it."""
        self._has_outputs = True
        if self.log.is_watched:
            self._watch_outputs(True)

    def end_outputs(self) -> None:
        """Ask for no more output."""
        self._has_outputs = False

    def _watch_outputs(self, wanted: bool) -> None:
        if self._has_outputs and self.connection is not None:
            self.connection.send(Watch(wanted))

    def stop(self, reason: str) -> None:
        """Let the runner end, now if it has to be."""
        if self.stop_reason is not None:
            return
        self.stop_reason = reason
        if not self.place.done():
            self.place.set_exception(ExecutionStoppedError(reason))
        if self.connection is not None:
            self.connection.send(End(reason))
        asyncio.get_event_loop().call_later(_STUBBORN, self._kill)

    def _kill(self) -> None:
        if self.connection is not None and not self.gone.done():
            _log.warning("The runner of execution %s does not stop; killing it.", self.execution.exec_id)
            self.connection.kill()
