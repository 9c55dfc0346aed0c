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

from .page_token import LIFETIME, PageTokens

STATIC = Path(__file__).with_name("static")


class PageFileHandler(IPythonHandler, web.StaticFileHandler):  # type: ignore[misc]
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


class PageTokenHandler(APIHandler):  # type: ignore[misc]
    """``<base_url>nbexec/token``: a token for who is logged in and has none to show."""

    def initialize(self, page_tokens: PageTokens) -> None:
        """Take what the route has; called by tornado first of all."""
        self._page_tokens = page_tokens

    @web.authenticated
    def post(self) -> None:
        """Hand out a token; the server's own rules say who is logged in and from where one may ask."""
        self.set_header("Cache-Control", "no-store")
        self.finish({"token": self._page_tokens.issue(), "expires_in": LIFETIME})


Route = Tuple[str, Type[IPythonHandler], Dict[str, Any]]


def page_routes(base_url: str, page_tokens: PageTokens) -> List[Route]:
    """Return the routes for the pages of a server at `base_url`."""
    return [(url_path_join(base_url, r"nbextensions/nbexec/([\w.-]+)"), PageFileHandler, {"path": str(STATIC)}),
            (url_path_join(base_url, "nbexec/token"), PageTokenHandler, {"page_tokens": page_tokens})]
