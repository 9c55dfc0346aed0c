"""What all routes of the execution API have in common: who is let in, how a body is read and how an error looks."""

from __future__ import annotations

import json
import re
import sys
from functools import partialmethod
from http.client import responses
from typing import Any, Dict, List, Optional, Type

from notebook._tz import utcnow
from notebook.base.handlers import APIHandler
from tornado import web

from . import arguments, auth
from .errors import (
    DefinitionError,
    ExecutionNotFoundError,
    IdempotencyKeyReusedError,
    InvalidArgumentError,
    NbExecError,
    NotebookNotFoundError,
    NotebookUnreadableError,
    RequestBodyError,
    RequestTooLargeError,
    TooManyExecutionsError,
    UnauthorizedError,
)
from .manager import ExecutionManager
from .page_token import PageTokens

MAX_BODY = 1 << 20  # bytes
_MARGIN = 1 << 20  # bytes that are read and dropped, so that the answer can still be given
_STATUS: Dict[Type[NbExecError], int] = {
    RequestBodyError: 400,
    InvalidArgumentError: 400,
    DefinitionError: 400,
    NotebookUnreadableError: 400,
    UnauthorizedError: 401,
    NotebookNotFoundError: 404,
    ExecutionNotFoundError: 404,
    IdempotencyKeyReusedError: 409,
    RequestTooLargeError: 413,
    TooManyExecutionsError: 429,
}


@web.stream_request_body
class ExecutionAPIHandler(APIHandler):  # type: ignore[misc]
    """A route; a subclass has a coroutine `on_<verb>` for each verb that it knows."""

    def initialize(self, manager: ExecutionManager, page_tokens: PageTokens) -> None:
        """Take what the route has; called by tornado first of all."""
        self.manager = manager
        self._page_tokens = page_tokens
        self._body = bytearray()
        self._received = 0  # bytes of the body
        self._is_read = False
        self._hide_token()

    def _hide_token(self) -> None:
        """Let no log line have the token: tornado and notebook log the URI and the referer of errors."""
        self.request.uri = auth.without_token(self.request.uri or "")
        if "Referer" in self.request.headers:
            self.request.headers["Referer"] = auth.without_token(self.request.headers["Referer"])

    # -- instead of the user of the notebook server -----------------------------------------------

    def set_default_headers(self) -> None:
        """Set the headers of every answer, without asking who the user is: the body is not here yet."""
        self.set_header("Content-Type", arguments.JSON)
        self.set_header("Content-Security-Policy", self.content_security_policy)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")
        if self.allow_origin:
            self.set_header("Access-Control-Allow-Origin", self.allow_origin)
        elif self.allow_origin_pat and self.allow_origin_pat.match(self.request.headers.get("Origin", "")):
            self.set_header("Access-Control-Allow-Origin", self.request.headers["Origin"])
        for name, value in self.settings.get("headers", {}).items():
            self.set_header(name, value)

    def decode_argument(self, value: bytes, name: Optional[str] = None) -> str:
        """Decode a part of the path; one that cannot be decoded is simply unknown."""
        return value.decode("utf-8", "replace")

    def check_xsrf_cookie(self) -> None:
        """Do without: a cookie is no credential here."""

    def check_origin(self, origin: str = "") -> bool:
        """Do without, for the same reason."""
        return True

    def get_current_user(self) -> Optional[str]:
        """Return nobody: who has the token is let in, whoever it is."""
        return None

    # -- who is let in ----------------------------------------------------------------------------

    def prepare(self) -> None:
        """Turn a request away as early as possible; called by tornado when the headers are here."""
        # Counted in `data_received` instead: tornado would answer without asking who it is, and not in JSON.
        self.request.connection.set_max_body_size(sys.maxsize)  # type: ignore[union-attr]
        if not self._is_preflight() and not self._may_have_token_in_body():
            self._turn_away()

    def data_received(self, chunk: bytes) -> None:
        """Keep a piece of the body, as long as it is not too much; called by tornado."""
        self._received += len(chunk)
        if self._received <= MAX_BODY:
            self._body += chunk
        elif self._received > MAX_BODY + _MARGIN and not self._finished:
            self._turn_away()  # after which tornado closes the connection

    def _turn_away(self) -> None:
        """Answer now if it is clear that the request cannot be served, whatever may be in its body."""
        try:
            self._let_in("")
            self._check_size()
        except NbExecError as error:
            self._answer(error)

    def _may_have_token_in_body(self) -> bool:
        headers = self.request.headers
        given = auth.parameter_tokens(self.request.query) or auth.header_tokens(headers)
        return not given and arguments.is_form(headers.get("Content-Type", "")) and self._declared_size() <= MAX_BODY

    def _declared_size(self) -> int:
        size = self.request.headers.get("Content-Length", "0")
        return int(size) if re.fullmatch("[0-9]{1,18}", size) else 0  # tornado refuses anything else by itself

    def _check_size(self) -> None:
        if max(self._received, self._declared_size()) > MAX_BODY:
            raise RequestTooLargeError(MAX_BODY)

    def _let_in(self, form: str) -> None:
        """Let the request pass, or raise UnauthorizedError."""
        in_parameters = auth.parameter_tokens(self.request.query) + auth.parameter_tokens(form)
        in_header = auth.header_tokens(self.request.headers)
        if len(in_header) == 1 and not in_parameters and self._page_tokens.accept(in_header[0]):
            return
        if "hub_auth" in self.settings and in_header and not in_parameters and self._hub_knows():
            return
        auth.check_token(self.token or "", in_parameters, in_header)

    def _hub_knows(self) -> bool:
        """Whether this runs under a JupyterHub which takes the token in the header for one of this user."""
        try:
            return super().get_current_user() is not None and bool(self.token_authenticated)
        except web.HTTPError:
            return False

    # -- verbs ------------------------------------------------------------------------------------

    async def _serve(self, verb: str, *args: str) -> None:
        """Serve a request whose body is here."""
        self._is_read = True
        if verb == "options" and self._is_preflight():
            return self._answer_preflight()
        try:
            is_form = arguments.is_form(self.request.headers.get("Content-Type", ""))
            self._let_in(self._body.decode("utf-8", "replace") if is_form and self._received <= MAX_BODY else "")
            self._check_size()
            if not self.check_host():
                raise web.HTTPError(403, "The Host header does not name this server.")
            self.settings["api_last_activity"] = utcnow()
            respond = getattr(self, f"on_{verb}", None)
            if respond is None:
                raise web.HTTPError(405)
            await respond(*args)
        except NbExecError as error:
            self._answer(error)

    get = partialmethod(_serve, "get")
    head = partialmethod(_serve, "head")
    post = partialmethod(_serve, "post")
    put = partialmethod(_serve, "put")
    patch = partialmethod(_serve, "patch")
    delete = partialmethod(_serve, "delete")
    options = partialmethod(_serve, "options")

    def fields(self) -> Dict[str, str]:
        """Return the parameters of the request, those of the query and those of the body.

        Raises
        ------
        RequestBodyError, InvalidArgumentError
            They cannot be decoded, or contradict each other.
        """
        in_query = arguments.decode_query(self.request.query)
        in_body = arguments.decode_body(bytes(self._body), self.request.headers.get("Content-Type", ""))
        return arguments.merge(in_query + in_body)

    @property
    def wants_stream(self) -> bool:
        """Whether the client waits for what happens."""
        return bool(self.request.headers.get("X-Response-Encoding", "").strip().lower() == "chunked")

    # -- preflights: a browser sends no token with them, and learns nothing ------------------------

    def _is_preflight(self) -> bool:
        return (self.request.method == "OPTIONS" and "Access-Control-Request-Method" in self.request.headers
                and "Access-Control-Allow-Origin" in self._headers)

    def _answer_preflight(self) -> None:
        self.set_header("Access-Control-Allow-Methods", "GET, POST, DELETE")
        self.set_header("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, "
                        "X-Heartbeat, X-Response-Encoding")
        self.set_status(204)
        self.clear_header("Content-Type")
        self.finish()

    # -- answers ----------------------------------------------------------------------------------

    def finish(self, chunk: Any = None) -> Any:
        """End the answer, without the content type that notebook gives to all of its API."""
        return super(APIHandler, self).finish(chunk)

    def accept(self, answer: Optional[Dict[str, Any]] = None) -> None:
        """Answer 202, with JSON or nothing."""
        self.set_status(202)
        if answer is None:
            self.clear_header("Content-Type")
        self.finish(answer)

    @classmethod
    def _verbs(cls) -> List[str]:
        return [verb for verb in cls.SUPPORTED_METHODS if hasattr(cls, f"on_{verb.lower()}")]

    def _answer(self, error: NbExecError) -> None:
        status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
        self.send_error(status, message=str(error), retry_after=getattr(error, "retry_after", None))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error as JSON; called by tornado too."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        reason = getattr(error, "reason", None)
        message = (kwargs.get("message") or getattr(error, "log_message", None)
                   or responses.get(status_code, "Unknown error"))
        self.set_header("Content-Type", arguments.JSON)
        if not self._is_read:
            self.set_header("Connection", "close")  # tornado does so then, but does not tell
        if kwargs.get("retry_after") is not None:
            self.set_header("Retry-After", str(kwargs["retry_after"]))
        if status_code == 401:
            self.set_header("WWW-Authenticate", "token")
        if status_code == 405:
            self.set_header("Allow", ", ".join(self._verbs()))
        self.finish(json.dumps({"message": message, "reason": reason}))
