"""The event streams of the API: of one execution, and of what changes in the list of all.

Whoever reads them, and how often, makes no difference to an execution.
"""

from __future__ import annotations

from typing import List, Optional, Tuple, Type, Union

from notebook.utils import url_path_join

from ..executions.change_feed import ChangesReader
from ..executions.event_log import Numbered
from ..executions.manager import ExecutionManager
from . import arguments
from .base import ExecutionAPIHandler
from .executions import Route
from .gate import Gate
from .streams import LINES, SERVER_SENT_EVENTS, Lines, ServerSentEvents, StreamHandler

_HEARTBEAT = 15.0  # seconds


class EventStreamHandler(StreamHandler):
    """A route that is a stream."""

    def _form(self) -> Union[Lines, ServerSentEvents]:
        kinds = [kind.partition(";")[0].strip().lower() for kind in self.request.headers.get("Accept", "").split(",")]
        return SERVER_SENT_EVENTS if SERVER_SENT_EVENTS.content_type in kinds else LINES

    def _heartbeat(self) -> float:
        return min(arguments.heartbeat(self.request.headers.get("X-Heartbeat")) or _HEARTBEAT, _HEARTBEAT)


class EventsHandler(EventStreamHandler):
    """``/api/executions/<exec_id>/events``: what happens in one execution, from its start to its end."""

    async def on_get(self, exec_id: str) -> None:
        """Tell the events there are, and those to come."""
        fields, form, heartbeat = self.fields(), self._form(), self._heartbeat()
        since = arguments.since(fields, self.request.headers.get("Last-Event-ID"))
        outputs = arguments.flag(fields, "outputs")
        if form is SERVER_SENT_EVENTS and self.manager.is_over(exec_id, since):
            return self._answer_over()
        with self.gate.streams.one_more():
            await self.stream(self.manager.log_of(exec_id).subscribe(since, outputs), heartbeat, form, hello=True)

    def _answer_over(self) -> None:
        """Answer 204: a browser opens a stream that has ended again, unless it is told not to."""
        self.set_status(204)
        self.clear_header("Content-Type")
        self.finish()


class ChangesHandler(EventStreamHandler):
    """``/api/executions/events``: what changes in the list of executions."""

    async def on_get(self) -> None:
        """Tell what changes, as long as somebody listens."""
        form, heartbeat = self._form(), self._heartbeat()
        with self.gate.streams.one_more():
            await self.stream(_ChangeLines(self.manager), heartbeat, form, hello=True)


class _ChangeLines:
    """Reads changes as events."""

    def __init__(self, manager: ExecutionManager) -> None:
        self._manager = manager
        self._reader: ChangesReader = manager.changes.subscribe()

    async def next(self) -> Optional[Numbered]:
        line = b""
        while not line:
            change = await self._reader.next()
            if change is None:
                return None
            line = self._manager.change_event(change)
        return 0, line

    def stop(self) -> None:
        self._reader.stop()

    async def close(self) -> None:
        self._manager.changes.unsubscribe(self._reader)


def event_routes(base_url: str, manager: ExecutionManager, gate: Gate) -> List[Route]:
    """Return the routes of the streams for a server at `base_url`; they come before the others of the API."""
    patterns: List[Tuple[str, Type[ExecutionAPIHandler]]] = [
        (r"/events/?", ChangesHandler),
        (r"/([^/]+)/events/?", EventsHandler),
    ]
    return [(url_path_join(base_url, "api/executions") + pattern, handler,
             {"manager": manager, "gate": gate})
            for pattern, handler in patterns]
