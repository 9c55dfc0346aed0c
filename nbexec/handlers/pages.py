"""What the pages of the notebook server need besides the API: their JavaScript, and a token.

These routes are for the browser, and keep to the rules of the notebook server: its login, its XSRF check, its origins.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Type

from notebook.base.handlers import APIHandler, IPythonHandler
from notebook.utils import url_path_join
from tornado import web

from . import audit, auth, hub
from .early_answers import announce_early_end
from .gate import Gate
from .origins import WholeOrigins
from .page_tokens import LIFETIME, Login, PageTokens

STATIC = Path(__file__).parents[1] / "static"


class NoBodyHandler(IPythonHandler):  # type: ignore[misc]
    """A route without a request body; tornado would buffer one of any size from anybody."""

    def data_received(self, chunk: bytes) -> None:
        """Keep nothing; called by tornado."""

    def finish(self, chunk: Any = None) -> Any:
        """End the answer, which comes early if the XSRF check fails; called by tornado too."""
        announce_early_end(self)
        return super().finish(chunk)


@web.stream_request_body
class PageFileHandler(NoBodyHandler, web.StaticFileHandler):  # type: ignore[misc]
    """``<base_url>nbextensions/nbexec/<file>``: the JavaScript, from the same package as the server's part.

    A browser asks each time whether a file is still the same, by its content, so that no page ever has the one half
    of one version and the other half of another.
    """

    def set_extra_headers(self, path: str) -> None:
        """Let nothing be used without asking; called by tornado."""
        self.set_header("Cache-Control", "no-cache")

    def get_modified_time(self) -> None:
        """Tell no time: that of a file says when it was packed, and an older version is another one too."""

    def should_return_304(self) -> bool:
        """Whether the browser has the same content; what it says of times means nothing."""
        return "If-None-Match" in self.request.headers and self.check_etag_header()

    def compute_etag(self) -> Optional[str]:
        """Return what stands for the content now; tornado would not look again as long as it runs."""
        assert self.absolute_path is not None
        return f'"{hashlib.sha256(Path(self.absolute_path).read_bytes()).hexdigest()}"'


@web.stream_request_body
class PageTokenHandler(WholeOrigins, NoBodyHandler, APIHandler):  # type: ignore[misc]
    """``<base_url>nbexec/token``: a token for who is logged in and has none to show."""

    def initialize(self, gate: Gate) -> None:
        """Take what the route has; called by tornado first of all."""
        self._gate = gate

    @web.authenticated
    def post(self) -> None:
        """Hand out a token; the server's own rules say who is logged in and from where one may ask."""
        login = login_of(self)
        self.set_header("Cache-Control", "no-store, no-transform")
        audit.note("page_token", self.request.remote_ip, auth.Caller("login", login.user))
        self.finish({"token": self._gate.page_tokens.issue(login), "expires_in": LIFETIME})


def login_of(handler: IPythonHandler) -> Login:
    """Return who is logged in; under JupyterHub that is a token which the Hub has given to this browser."""
    user = handler.current_user
    if "hub_auth" not in handler.settings:
        return Login(repr(user))
    hub_auth = handler.settings["hub_auth"]
    return Login(hub_auth.get_token(handler) or repr(user), hub.name_of(user), hub_auth.get_session_id(handler))


def logout_handler(of_server: Type[IPythonHandler], page_tokens: PageTokens) -> Type[IPythonHandler]:
    """Return the handler by which one logs out of the server, which takes back the page tokens of the login too."""
    class LogoutHandler(of_server):  # type: ignore[misc,valid-type]
        def prepare(self) -> Any:
            if self.current_user and self.login_available:
                page_tokens.end(login_of(self).key)
            return super().prepare()

    return LogoutHandler


Route = Tuple[str, Type[IPythonHandler], Dict[str, Any]]


def page_routes(base_url: str, gate: Gate, logout: Optional[Type[IPythonHandler]]) -> List[Route]:
    """Return the routes for the pages of a server at `base_url`, whose own handler of a logout is `logout`."""
    routes: List[Route] = [
        (url_path_join(base_url, r"nbextensions/nbexec/([\w.-]+)"), PageFileHandler, {"path": str(STATIC)}),
        (url_path_join(base_url, "nbexec/token"), PageTokenHandler, {"gate": gate})]
    if logout is not None:
        routes.append((url_path_join(base_url, "logout"), logout_handler(logout, gate.page_tokens), {}))
    return routes
