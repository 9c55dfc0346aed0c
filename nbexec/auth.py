"""Who is let in: whoever has the server's token, and nobody else.

A cookie never counts here, so that no foreign page can use the login of a browser; that is what makes it safe to
do without the origin and XSRF checks of the notebook server.
"""

from __future__ import annotations

import hmac
import re
from typing import List
from urllib.parse import parse_qsl, urlencode

from tornado import httputil

from .arguments import TOKEN
from .errors import UnauthorizedError

_HEADER = re.compile(r"\s*(?:token|bearer)\s+(.*?)\s*", re.IGNORECASE | re.DOTALL)
HIDDEN = "[secret]"


def parameter_tokens(form: str) -> List[str]:
    """Return every token parameter in URL-encoded text; what cannot be decoded stays a wrong token."""
    return [value for name, value in parse_qsl(form, keep_blank_values=True, errors="replace") if name == TOKEN]


def header_tokens(headers: httputil.HTTPHeaders) -> List[str]:
    """Return the token of the Authorization header; another scheme is a wrong token, not no token."""
    values = headers.get_list("Authorization")
    matches = [_HEADER.fullmatch(value) for value in values]
    return [match[1] if match else "" for match in matches]


def check_token(expected: str, parameters: List[str], headers: List[str]) -> None:
    """Let a request pass that gives the expected token, at most once as a parameter and once in the header.

    Parameters
    ----------
    expected : str
        The token of the server, empty if it has none.
    parameters, headers : list of str
        The tokens that the request gives.

    Raises
    ------
    UnauthorizedError
        The request does not pass.
    """
    if not expected:
        raise UnauthorizedError("This server has no token, and the execution API lets nobody in without one: "
                                "set c.NotebookApp.token.")
    given = parameters + headers
    if not given:
        raise UnauthorizedError("A token is needed: give the Jupyter token as the parameter 'token' or in the header "
                                "'Authorization: token <token>'.")
    if len(parameters) > 1 or len(headers) > 1:
        raise UnauthorizedError("The token is given more than once.")
    # All are compared, so that the time tells nothing.
    if not all([hmac.compare_digest(token.encode("utf-8", "replace"), expected.encode("utf-8")) for token in given]):
        raise UnauthorizedError("The token is not that of this server.")


def without_token(uri: str) -> str:
    """Return `uri` as it may be logged, without what looks like a token.

    That may also stand within a value, as in the address of a login page that leads back to where one came from,
    or in the path, by a slip of the pen.
    """
    path, separator, query = uri.partition("?")
    path = re.sub("token=.*", f"token={HIDDEN}", path, flags=re.IGNORECASE)
    if not re.search("token|%", query, re.IGNORECASE):
        return path + separator + query
    pairs = [(name, HIDDEN if TOKEN in f"{name}={value}".lower() else value)
             for name, value in parse_qsl(query, keep_blank_values=True, errors="replace")]
    return path + separator + urlencode(pairs)
