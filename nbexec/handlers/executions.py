"""The routes of the execution API.

A handler translates: request to arguments, errors to status codes, events to lines. It runs nothing itself, so
that it makes no difference to an execution whether its client is slow, or gone.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any, Dict, List, Tuple, Type

from notebook.utils import url_path_join
from tornado import web

from ..errors import ExecutionNotFoundError, InvalidArgumentError
from ..executions.event_log import LogReader, ended_log, pieces_of
from ..executions.manager import ExecutionManager
from . import arguments, auth
from .base import ExecutionAPIHandler
from .gate import Gate
from .streams import LINES, StreamHandler

_IN_ONE_LINE = 100  # ids of executions
YAML = "application/yaml"
OPENAPI = Path(__file__).parents[1] / "openapi.yaml"


class ExecutionRootHandler(StreamHandler):
    """``/api/executions``: all executions."""

    async def on_get(self) -> None:
        """List the executions."""
        self.set_header("Content-Type", arguments.JSON)
        self.finish(f'{{"executions": {await self.manager.list_executions()}}}')

    async def on_post(self) -> None:
        """Execute a notebook."""
        with self.gate.streams.one_more() if self.wants_stream else nullcontext():
            await self._execute_notebook()

    async def _execute_notebook(self) -> None:
        arguments.heartbeat(self.request.headers.get("X-Heartbeat"))
        wanted = arguments.run_arguments(self.fields())
        wanted.failed_apart = arguments.failed_apart(self.request.headers.get("X-Failed-Output"), wanted.output_path)
        key = arguments.idempotency_key(self.request.headers.get("Idempotency-Key"))
        exec_id = None if key is None else await self.manager.started_before(key, wanted)
        if exec_id is not None:
            return await self._tell(exec_id)
        run = await self.manager.start_execution(wanted, key, self._is_typed(wanted.params))
        self.audit("start", exec_id=run.execution.exec_id, path=run.execution.path)
        self.set_status(202)
        await self._follow(run.execution.exec_id, run.log.subscribe())

    def _is_typed(self, params: Dict[str, str]) -> bool:
        """Whether the values were typed into a page of this server, which alone has such a token by itself."""
        taken_from = self.request.headers.get("X-Values-From")
        return self.caller.credential == auth.PAGE_TOKEN and self.manager.typed_values.are_typed(params, taken_from)

    async def _tell(self, exec_id: str) -> None:
        """Answer a request that came before: how its execution is now, and what happens from here on."""
        state, run = self.manager.current_event(exec_id), self.manager.run_of(exec_id)
        log = ended_log() if run is None else run.log
        await self._follow(exec_id, log.subscribe(since=log.last_number, first=state))

    async def on_delete(self) -> None:
        """Delete all executions."""
        gone, deleted = self.manager.delete_executions()
        for start in range(0, len(deleted), _IN_ONE_LINE):
            self.audit("delete", exec_ids=deleted[start:start + _IN_ONE_LINE])
        if self.wants_stream:
            await gone
        self.accept()

    async def _follow(self, exec_id: str, reader: LogReader) -> None:
        """Answer with the first event, or with all of them if the client waits for what happens."""
        self.set_header("Location", url_path_join(self.base_url, "api/executions", exec_id))
        if self.wants_stream:
            return await self.stream(reader, arguments.heartbeat(self.request.headers.get("X-Heartbeat")), LINES)
        first = await reader.next()
        assert first is not None
        self.write(b"".join(pieces_of(first[1])))
        await reader.close()
        self.finish()


class SlashHandler(ExecutionRootHandler):
    """``/api/executions/``: the list, but nothing that changes it.

    An id that a script has forgotten to set leaves this URL, and must not mean all executions.
    """

    async def on_post(self) -> None:
        """Find no execution that has no id."""
        raise ExecutionNotFoundError("")

    on_delete = on_post


class ExecutionHandler(ExecutionAPIHandler):
    """``/api/executions/<exec_id>``: one execution."""

    async def on_get(self, exec_id: str) -> None:
        """Show the execution."""
        self.finish({"execution": self.manager.get_execution(exec_id)})

    async def on_post(self, exec_id: str) -> None:
        """Do something with the execution; the one thing to do is to shut it down."""
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
    """``/api/executions/parameters``: what a notebook can be given."""

    async def on_get(self) -> None:
        """List the parameters of a notebook."""
        path = arguments.required(self.fields(), "notebook", arguments.NOTEBOOK)
        self.finish({"parameters": await self.manager.inspector.parameters(path)})


class DescriptionHandler(ExecutionAPIHandler):
    """``/api/executions/openapi.yaml``: this API, for programs."""

    async def on_get(self) -> None:
        """Show the OpenAPI document."""
        self.set_header("Content-Type", YAML)
        self.finish(OPENAPI.read_bytes())


class UnknownHandler(ExecutionAPIHandler):
    """Whatever else is below ``/api/executions``."""

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
        (r"/openapi\.yaml/?", DescriptionHandler),
        (r"/([^/]+)/?", ExecutionHandler),
        (r"/.*", UnknownHandler),
    ]
    return [(url_path_join(base_url, "api/executions") + pattern, handler,
             {"manager": manager, "gate": gate})
            for pattern, handler in patterns]
