"""The event streams of the API: of one execution, and of the changes in the list.

Their readers make no difference to an execution.
"""

from __future__ import annotations

from typing import List, Tuple, Type, Union

from notebook.utils import url_path_join

from ..executions.manager import ExecutionManager
from . import arguments
from .base import ExecutionAPIHandler
from .executions import Route
from .gate import Gate
from .streams import LINES, SERVER_SENT_EVENTS, Lines, ServerSentEvents, StreamHandler

_HEARTBEAT = 15.0  # seconds


class EventStreamHandler(StreamHandler):
    """A route that answers with a stream."""

    def _form(self) -> Union[Lines, ServerSentEvents]:
        kinds = [kind.partition(";")[0].strip().lower() for kind in self.request.headers.get("Accept", "").split(",")]
        return SERVER_SENT_EVENTS if SERVER_SENT_EVENTS.content_type in kinds else LINES

    def _heartbeat(self) -> float:
        return min(arguments.heartbeat(self.request.headers.get("X-Heartbeat")) or _HEARTBEAT, _HEARTBEAT)


class EventsHandler(EventStreamHandler):
    """``/api/executions/<exec_id>/events``: the events of one execution, from its start to its end."""

    async def on_get(self, exec_id: str) -> None:
        """Send the events so far, and those to come."""
        fields, form, heartbeat = self.fields(), self._form(), self._heartbeat()
        since = arguments.since(fields, self.request.headers.get("Last-Event-ID"))
        outputs = arguments.flag(fields, "outputs")
        if form is SERVER_SENT_EVENTS and not self.manager.has_more_events(exec_id, since):
            return self._answer_over()
        with self.gate.streams.one_more():
            await self.stream(self.manager.follow_execution(exec_id, since, outputs), heartbeat, form, hello=True)

    def _answer_over(self) -> None:
        """Answer 204, which tells a browser not to reopen a stream that has ended."""
        self.set_status(204)
        self.clear_header("Content-Type")
        self.finish()


class ChangesHandler(EventStreamHandler):
    """``/api/executions/events``: the changes in the list of executions."""

    async def on_get(self) -> None:
        """Send the changes for as long as the client listens."""
        form, heartbeat = self._form(), self._heartbeat()
        with self.gate.streams.one_more():
            await self.stream(self.manager.follow_changes(), heartbeat, form, hello=True)


def event_routes(base_url: str, manager: ExecutionManager, gate: Gate) -> List[Route]:
    """Return the routes of the streams for a server at `base_url`; they come before the others of the API."""
    patterns: List[Tuple[str, Type[ExecutionAPIHandler]]] = [
        (r"/events/?", ChangesHandler),
        (r"/([^/]+)/events/?", EventsHandler),
    ]
    return [(url_path_join(base_url, "api/executions") + pattern, handler,
             {"manager": manager, "gate": gate})
            for pattern, handler in patterns]
