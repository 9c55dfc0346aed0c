"""Authenticates requests by the server's token.

Cookies never count, so other sites cannot use the login of a browser, and the origin and XSRF checks of the notebook
server are not needed. Anybody can send requests here, so checking one takes linear time and reads no more than it
needs.
"""

from __future__ import annotations

import hmac
from typing import List, NamedTuple, Optional
from urllib.parse import unquote_to_bytes

from tornado import httputil

from ..errors import UnauthorizedError
from .arguments import FORM, MAX_FIELDS, TOKEN

SERVER_TOKEN = "server token"
PAGE_TOKEN = "page token"
HUB_TOKEN = "Hub token"
_SCHEMES = ("token", "bearer")
_LONGEST_NAME = 3 * len(TOKEN)  # characters of its name, if all are URL-encoded
_LONGEST_LOGGED = 2000  # characters of a URL
_LONGEST = 4096  # bytes of a token


class Caller(NamedTuple):
    """The sender of a request, as far as its token tells.

    Parameters
    ----------
    credential : str
        The kind of token.
    user : str, optional
        The name of the user, under JupyterHub.
    """

    credential: str
    user: Optional[str] = None


def parameter_tokens(form: bytes) -> List[bytes]:
    """Return every token parameter in URL-encoded text; one that is too long becomes a wrong one.

    Text with more fields than a request may have is refused for that, and is not looked into.
    """
    if form.count(b"&") >= MAX_FIELDS:
        return []
    fields = [field.partition(b"=") for field in form.split(b"&")]
    values = [value for name, _, value in fields if len(name) <= _LONGEST_NAME and _decoded(name) == TOKEN.encode()]
    return [_decoded(value) if len(value) <= 3 * _LONGEST else b"" for value in values[:2]]  # two are refused unseen


def cut(url: str) -> str:
    """Return a URL no longer than it may be logged; no part of it is cut in two, for it may be a secret."""
    if len(url) <= _LONGEST_LOGGED:
        return url
    kept = url[:_LONGEST_LOGGED]
    return kept[:max(map(kept.rfind, "/?&=")) + 1] + "…"


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def header_tokens(headers: httputil.HTTPHeaders) -> List[str]:
    """Return the token of the Authorization header; another scheme is a wrong token, not no token."""
    return [_header_token(value) for value in headers.get_list("Authorization")[:2]]


def _header_token(value: str) -> str:
    scheme, *rest = value.split(None, 1) or [""]
    token = rest[0].strip() if rest and scheme.lower() in _SCHEMES else ""
    return token if len(token) <= _LONGEST else ""


def check_token(expected: str, parameters: List[bytes], headers: List[str]) -> None:
    """Let a request pass that gives the expected token, at most once as a parameter and once in the header.

    Parameters
    ----------
    expected : str
        The token of the server, empty if it has none.
    parameters : list of bytes
        The tokens that the request gives as a parameter.
    headers : list of str
        The tokens that it gives in the header.

    Raises
    ------
    UnauthorizedError
        The request does not pass.
    """
    if not expected:
        raise UnauthorizedError("This server has no token, and this API requires one: set c.NotebookApp.token.")
    given = parameters + [token.encode("utf-8", "replace") for token in headers]
    if not given:
        raise UnauthorizedError("A token is required: send the Jupyter token in the header 'Authorization: token "
                                "<token>', or as the parameter 'token' in the URL or in a body of type "
                                f"{FORM} (curl -d, not curl -F).")
    if len(parameters) > 1 or len(headers) > 1:
        raise UnauthorizedError("The token is given more than once.")
    # All are compared, so that the time tells nothing.
    if not all([hmac.compare_digest(token, expected.encode("utf-8")) for token in given]):
        raise UnauthorizedError("The token is not valid for this server.")
