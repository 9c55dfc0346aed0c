"""The base of all routes of the execution API: authentication, reading of the body, and errors."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from functools import partialmethod
from http.client import responses
from typing import Any, Dict, List, Optional
from urllib.parse import quote

from notebook._tz import utcnow
from notebook.base.handlers import APIHandler
from tornado import web

from ..errors import (
    ERROR_FIELD,
    NbExecError,
    RequestTooLargeError,
    RequestTooSlowError,
    TooManyStreamsError,
    UnauthorizedError,
)
from ..executions import metrics
from ..executions.manager import ExecutionManager
from ..run_arguments import HEADER_FIELDS
from . import arguments, audit, auth, hub
from .early_answers import announce_early_end
from .gate import Gate
from .origins import WholeOrigins
from .secret_filter import SecretFilter
from .statuses import status_of

MAX_BODY = 1 << 20  # bytes
_MARGIN = 1 << 26  # bytes beyond MAX_BODY to read and drop, so that the client gets its answer
_BODY_SECONDS = 30
_LONGEST_FIELD = 1000  # characters of a header
NEITHER_KEPT_NOR_CHANGED = "no-store, no-transform"  # a proxy that compresses holds events back
_HUB_TOKEN_NEEDED = ("A JupyterHub token is required: create one on its 'Token' page, with access to this server, and "
                     "send it in the header 'Authorization: token <token>'.")
_HEADERS = {"Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "X-Heartbeat", "X-Response-Encoding",
            *(field.header for field in HEADER_FIELDS)}


@web.stream_request_body
class ExecutionAPIHandler(WholeOrigins, APIHandler):  # type: ignore[misc]
    """A route; a subclass has a coroutine `on_<verb>` for each verb that it supports."""

    def initialize(self, manager: ExecutionManager, gate: Gate) -> None:
        """Take the arguments of the route; called by tornado before all else."""
        self.manager = manager
        self.gate = gate
        self._body = bytearray()
        self._received = 0  # bytes of the body
        self._caller: Optional[auth.Caller] = None
        self._refusal: Optional[NbExecError] = None
        self._body_deadline: Optional[asyncio.TimerHandle] = None
        self._hide_tokens()

    def _hide_tokens(self) -> None:
        """Keep the tokens and parameters of this request out of every log; the log filter does not know them all."""
        secrets = SecretFilter(auth.header_tokens(self.request.headers))
        self.request.uri = arguments.without_values(secrets.hide(auth.cut(self.request.uri or "")))
        if "Referer" in self.request.headers:
            self.request.headers["Referer"] = secrets.hide(auth.cut(self.request.headers["Referer"]))

    # -- instead of the user of the notebook server -----------------------------------------------

    def set_default_headers(self) -> None:
        """Set the headers of every answer, without looking the user up: the body has not arrived."""
        self.set_header("Content-Type", arguments.JSON)
        self.set_header("Content-Security-Policy", self.content_security_policy)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", NEITHER_KEPT_NOR_CHANGED)
        origin = self.request.headers.get("Origin", "")
        if self.allow_origin:
            self.set_header("Access-Control-Allow-Origin", self.allow_origin)
        elif self.allow_origin_pat is not None and self.allow_origin_pat.match(origin):
            self.set_header("Access-Control-Allow-Origin", origin)
        for name, value in self.settings.get("headers", {}).items():
            self.set_header(name, value)

    def decode_argument(self, value: bytes, name: Optional[str] = None) -> str:
        """Decode a part of the path; one that cannot be decoded is an unknown id."""
        return value.decode("utf-8", "replace")

    def check_xsrf_cookie(self) -> None:
        """Check nothing: cookies are no credentials here, so there is nothing to forge."""

    def check_origin(self, origin: str = "") -> bool:
        """Accept every origin: without cookies, a foreign page has no credentials to exploit."""
        return True

    def get_current_user(self) -> Optional[str]:
        """Return None: the token alone decides who is let in."""
        return None

    # -- who is let in ----------------------------------------------------------------------------

    async def prepare(self) -> None:
        """Turn a request away as early as possible; called by tornado after the headers."""
        # Counted in `data_received` instead: tornado would answer without authentication, and not in JSON.
        self.request.connection.set_max_body_size(sys.maxsize)  # type: ignore[union-attr]
        if self._has_body():
            self._body_deadline = asyncio.get_event_loop().call_later(_BODY_SECONDS, self._turn_away)
        if self._is_preflight():
            return self._answer_preflight() if self._has_body() else None
        try:
            if self._may_have_token_in_body():
                self.gate.strangers.hold(self._turn_away, self._head_size())
            else:
                self._caller = await self._let_in([])
                self._check_size()
        except NbExecError as error:
            self._refuse(error)

    async def data_received(self, chunk: bytes) -> None:
        """Keep a piece of the body, up to the limit; called by tornado."""
        self._received += len(chunk)
        if self._finished:
            return
        if self._received > MAX_BODY + _MARGIN:
            self._turn_away()  # after which tornado closes the connection
        elif self._refusal is None and self._received > MAX_BODY:
            self._refuse(self._no_token() if self._caller is None else RequestTooLargeError(MAX_BODY))
        elif self._refusal is None:
            self._body += chunk
            if self._caller is None:
                self.gate.strangers.hold(self._turn_away, len(chunk))
        await asyncio.sleep(0)  # let others be served between two pieces

    def _refuse(self, error: NbExecError) -> None:
        """Answer once the body has been read and dropped: to a proxy still sending, an early answer is a fault.

        A client that asks first (``Expect``), or announces too much, is answered at once.
        """
        self._refusal = error
        self._body = bytearray()
        if not self._has_body() or "Expect" in self.request.headers or self._declared_size() > MAX_BODY + _MARGIN:
            return self._answer(error)
        self.gate.strangers.release(self._turn_away)
        if self._caller is None:
            self.gate.strangers.hold(self._turn_away, self._head_size())

    def _turn_away(self) -> None:
        """Stop waiting for a body that is too large, too slow, or in the way of others."""
        late = self._no_token() if self._caller is None else RequestTooSlowError(_BODY_SECONDS)
        self._answer(self._refusal or late)

    def _no_token(self) -> UnauthorizedError:
        """Return the error for a body in which no token is looked for."""
        return UnauthorizedError(
            f"A token is required. In a form, it counts only if the form has at most {MAX_BODY} bytes and arrives "
            "without delay; it is better sent in the header 'Authorization: token <token>'.")

    def _forget_body(self) -> None:
        """Drop what is kept of the body."""
        self._body = bytearray()
        self.gate.strangers.release(self._turn_away)
        if self._body_deadline is not None:
            self._body_deadline.cancel()

    def on_finish(self) -> None:
        """Drop the body after the answer; called by tornado."""
        self._forget_body()

    def on_connection_close(self) -> None:
        """Drop the body of a client that is gone; called by tornado."""
        self._forget_body()
        super().on_connection_close()

    def _may_have_token_in_body(self) -> bool:
        headers = self.request.headers
        given = self._query_tokens() or auth.header_tokens(headers)
        is_form = self._has_body() and arguments.is_form(headers.get("Content-Type", ""))
        return not given and is_form and self._declared_size() <= MAX_BODY

    def _query_tokens(self) -> List[bytes]:
        return auth.parameter_tokens(self.request.query.encode("latin-1", "replace"))

    def _has_body(self) -> bool:
        return self._declared_size() > 0 or "Transfer-Encoding" in self.request.headers

    def _declared_size(self) -> int:
        size = self.request.headers.get("Content-Length", "0")
        return int(size) if re.fullmatch("[0-9]{1,18}", size) else 0  # tornado itself refuses anything else

    def _head_size(self) -> int:
        """Return the approximate memory for the head of the request, which tornado keeps in several forms."""
        sizes = (len(name) + len(value) for name, value in self.request.headers.get_all())
        return 4 * (len(self.request.uri or "") + sum(sizes))

    def _check_size(self) -> None:
        if max(self._received, self._declared_size()) > MAX_BODY:
            raise RequestTooLargeError(MAX_BODY)

    def _form_tokens(self) -> List[bytes]:
        is_form = arguments.is_form(self.request.headers.get("Content-Type", ""))
        return auth.parameter_tokens(bytes(self._body)) if is_form and self._received <= MAX_BODY else []

    async def _let_in(self, in_form: List[bytes]) -> auth.Caller:
        """Return the caller, or raise UnauthorizedError."""
        in_parameters = self._query_tokens() + in_form
        in_header = auth.header_tokens(self.request.headers)
        if len(in_header) == 1 and not in_parameters:
            caller = await self._page_caller(in_header[0]) or await self._hub_caller(in_header[0])
            if caller is not None:
                return caller
        if "hub_auth" in self.settings and not self.token:
            raise UnauthorizedError(_HUB_TOKEN_NEEDED)
        auth.check_token(self.token or "", in_parameters, in_header)
        return auth.Caller(auth.SERVER_TOKEN)

    async def _page_caller(self, token: str) -> Optional[auth.Caller]:
        login = self.gate.page_tokens.accept(token)
        if login is None:
            return None
        if login.session is not None and not await hub.knows(self.settings["hub_auth"], login.key, login.session):
            self.gate.page_tokens.end(login.key)
            return None
        return auth.Caller(auth.PAGE_TOKEN, login.user)

    async def _hub_caller(self, token: str) -> Optional[auth.Caller]:
        """Return the caller if JupyterHub accepts this token for this server."""
        if "hub_auth" not in self.settings or not token:
            return None
        await hub.ask(self.settings["hub_auth"], self)
        try:
            user = super().get_current_user()
        except web.HTTPError:
            return None
        if user is None or not self.token_authenticated:
            return None
        self.gate.secrets.add(token)
        return auth.Caller(auth.HUB_TOKEN, hub.name_of(user))

    @property
    def caller(self) -> auth.Caller:
        """The caller, once let in."""
        assert self._caller is not None
        return self._caller

    def audit(self, action: str, **details: Any) -> None:
        """Log an action of the caller."""
        audit.note(action, self.request.remote_ip, self.caller, **details)

    # -- verbs ------------------------------------------------------------------------------------

    async def _serve(self, verb: str, *args: str) -> None:
        """Serve a request whose body has arrived."""
        if self._body_deadline is not None:
            self._body_deadline.cancel()
        if self._refusal is not None:
            return self._answer(self._refusal)
        if verb == "options" and self._is_preflight():
            return self._answer_preflight()
        try:
            in_form = self._form_tokens()
            if in_form or self._caller is None:
                self._caller = await self._let_in(in_form)
            self._check_size()
            self.gate.strangers.release(self._turn_away)
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
        """Return the parameters of the request, from its query and its body.

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
        """Whether the client asks for a stream of events."""
        return bool(self.request.headers.get("X-Response-Encoding", "").strip().lower() == "chunked")

    # -- preflights: they have no token, and tell nothing ------------------------------------------

    def _is_preflight(self) -> bool:
        return (self.request.method == "OPTIONS" and "Access-Control-Request-Method" in self.request.headers
                and "Access-Control-Allow-Origin" in self._headers)

    def _answer_preflight(self) -> None:
        self.set_header("Access-Control-Allow-Methods", "GET, POST, DELETE")
        self.set_header("Access-Control-Allow-Headers", ", ".join(sorted(_HEADERS)))
        self.set_status(204)
        self.clear_header("Content-Type")
        self.finish()

    # -- answers ----------------------------------------------------------------------------------

    def finish(self, chunk: Any = None) -> Any:
        """End the answer, without the content type that notebook sets for its own API."""
        announce_early_end(self)
        return super(APIHandler, self).finish(chunk)

    def accept(self, answer: Optional[Dict[str, Any]] = None) -> None:
        """Answer 202, with JSON or an empty body."""
        self.set_status(202)
        if answer is None:
            self.clear_header("Content-Type")
        self.finish(answer)

    @classmethod
    def _verbs(cls) -> List[str]:
        return [verb for verb in cls.SUPPORTED_METHODS if hasattr(cls, f"on_{verb.lower()}")]

    def _answer(self, error: NbExecError) -> None:
        status = status_of(error)
        if status == 429:
            metrics.REFUSED.inc()
        self.send_error(status, message=str(error), retry_after=getattr(error, "retry_after", None),
                        field=getattr(error, "field", None), closes=isinstance(error, TooManyStreamsError))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with an error as JSON; also called by tornado."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        reason = getattr(error, "reason", None)
        message = (kwargs.get("message") or getattr(error, "log_message", None)
                   or responses.get(status_code, "Unknown error"))
        self.set_header("Content-Type", arguments.JSON)
        closes = bool(kwargs.get("closes"))  # to free the descriptor
        if closes:
            self.set_header("Connection", "close")
        if kwargs.get("retry_after") is not None:
            self.set_header("Retry-After", str(kwargs["retry_after"]))
        field = quote(kwargs.get("field") or "", safe="", errors="replace")
        if 0 < len(field) <= _LONGEST_FIELD:
            self.set_header(ERROR_FIELD, field)
        if status_code == 401:
            self.set_header("WWW-Authenticate", "token")
        if status_code == 405:
            self.set_header("Allow", ", ".join(self._verbs()))
        sent = self.finish(json.dumps({"message": message, "reason": reason}))
        if closes:
            sent.add_done_callback(self._close_when_sent)

    def _close_when_sent(self, sent: asyncio.Future[None]) -> None:
        sent.exception()  # the client may be gone
        self.request.connection.stream.close()  # type: ignore[union-attr]
