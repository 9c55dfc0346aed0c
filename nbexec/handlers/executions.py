"""The routes of the execution API.

A handler translates: requests to arguments, errors to status codes, events to lines. Executions do not run in it, so a
slow client, or one that is gone, makes no difference to them.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Dict, List, Tuple, Type

from notebook.utils import url_path_join
from tornado import web

from ..errors import ExecutionNotFoundError, InvalidArgumentError
from ..executions.event_log import LogReader, pieces_of
from ..executions.manager import ExecutionManager
from . import arguments, auth, list_arguments
from .base import ExecutionAPIHandler
from .gate import Gate
from .outputs import OutputHandler
from .streams import LINES, StreamHandler

_IN_ONE_LINE = 100  # ids of executions
YAML = "application/yaml"
OPENAPI = Path(__file__).parents[1] / "openapi.yaml"


class ExecutionRootHandler(StreamHandler):
    """``/api/executions``: all executions."""

    async def on_get(self) -> None:
        """List the executions."""
        selection = list_arguments.selection(self.fields())
        page = await self.manager.list_executions(selection)
        more = "" if selection.limit is None else f', "next": {json.dumps(page.last)}'
        self.set_header("Content-Type", arguments.JSON)
        self.finish(f'{{"executions": [{", ".join(page.models)}]{more}}}')

    async def on_post(self) -> None:
        """Execute a notebook."""
        with self.gate.streams.one_more() if self.wants_stream else nullcontext():
            await self._execute_notebook()

    async def _execute_notebook(self) -> None:
        headers = self.request.headers
        heartbeat = arguments.heartbeat(headers.get("X-Heartbeat"))
        started = await self.manager.start_execution(
            arguments.run_arguments(self.fields(), headers), arguments.idempotency_key(headers.get("Idempotency-Key")),
            is_from_page=self.caller.credential == auth.PAGE_TOKEN,  # no other caller has such a token by itself
            values_from=headers.get("X-Values-From"))
        if started.is_new:
            self.audit("start", exec_id=started.exec_id, path=started.path)
            self.set_status(202)
        self.set_header("Location", url_path_join(self.base_url, "api/executions", started.exec_id))
        if self.wants_stream:
            return await self.stream(started.subscribe(), heartbeat, LINES)
        await self._answer_first_event(started.subscribe())

    async def _answer_first_event(self, reader: LogReader) -> None:
        first = await reader.next()
        assert first is not None
        self.write(b"".join(pieces_of(first.line)))
        await reader.close()
        self.finish()

    async def on_delete(self) -> None:
        """Delete all executions."""
        gone, deleted = self.manager.delete_executions()
        for start in range(0, len(deleted), _IN_ONE_LINE):
            self.audit("delete", exec_ids=deleted[start:start + _IN_ONE_LINE])
        if self.wants_stream:
            await gone
        self.accept()


class SlashHandler(ExecutionRootHandler):
    """``/api/executions/``: the list, read-only.

    A script that forgets to set an id ends up at this URL, and must not change all executions.
    """

    async def on_post(self) -> None:
        """Answer 404: there is no execution without an id."""
        raise ExecutionNotFoundError("")

    on_delete = on_post


class ExecutionHandler(ExecutionAPIHandler):
    """``/api/executions/<exec_id>``: one execution."""

    async def on_get(self, exec_id: str) -> None:
        """Show the execution."""
        self.finish({"execution": self.manager.get_execution(exec_id)})

    async def on_post(self, exec_id: str) -> None:
        """Perform an action on the execution; the only one is to shut it down."""
        self.manager.get_execution(exec_id)
        expected = "'shutdown'"
        action = arguments.required(self.fields(), "action", expected)
        if action != "shutdown":
            raise InvalidArgumentError("action", action, expected)
        self.audit("shutdown", exec_id=exec_id)
        model = await self.manager.shutdown_execution(exec_id, wait=self.wants_stream)
        self.accept({"execution": model})

    async def on_delete(self, exec_id: str) -> None:
        """Delete the execution."""
        gone = self.manager.delete_execution(exec_id)
        self.audit("delete", exec_ids=[exec_id])
        if self.wants_stream:
            await gone
        self.accept()


class ParametersHandler(ExecutionAPIHandler):
    """``/api/executions/parameters``: the parameters of a notebook."""

    async def on_get(self) -> None:
        """List the parameters of a notebook."""
        path = arguments.required(self.fields(), "notebook", arguments.NOTEBOOK)
        details = arguments.flag(self.fields(), "details")
        defined = await self.manager.read_parameters(path)
        self.finish(defined.model(details))


class EngineHandler(ExecutionAPIHandler):
    """``/api/executions/engine``: where executions run."""

    async def on_get(self) -> None:
        """Show where executions run, and what is wrong there."""
        self.finish(self.manager.engine_state())


class DescriptionHandler(ExecutionAPIHandler):
    """``/api/executions/openapi.yaml``: the description of this API for programs."""

    async def on_get(self) -> None:
        """Show the OpenAPI document."""
        self.set_header("Content-Type", YAML)
        self.finish(OPENAPI.read_bytes())


class UnknownHandler(ExecutionAPIHandler):
    """Everything else below ``/api/executions``."""

    async def _unknown(self, *args: str) -> None:
        raise web.HTTPError(404)

    on_get = on_post = on_delete = _unknown


Route = Tuple[str, Type[ExecutionAPIHandler], Dict[str, Any]]


def routes(base_url: str, manager: ExecutionManager, gate: Gate) -> List[Route]:
    """Return the routes of the API for a server at `base_url`."""
    patterns: List[Tuple[str, Type[ExecutionAPIHandler]]] = [
        (r"", ExecutionRootHandler),
        (r"/", SlashHandler),
        (r"/parameters/?", ParametersHandler),
        (r"/engine/?", EngineHandler),
        (r"/openapi\.yaml/?", DescriptionHandler),
        (r"/([^/]+)/output/?", OutputHandler),
        (r"/([^/]+)/?", ExecutionHandler),
        (r"/.*", UnknownHandler),
    ]
    return [(url_path_join(base_url, "api/executions") + pattern, handler,
             {"manager": manager, "gate": gate})
            for pattern, handler in patterns]
