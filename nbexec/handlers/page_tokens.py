"""What the pages of the notebook server show instead of its token, where they have none.

A page token opens the execution API and nothing else. It ends with its time, with the login that it was given to, and
with the process that made it. It belongs to the loop thread.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections import OrderedDict
from typing import NamedTuple, Optional

LIFETIME = 3600  # seconds
PATTERN = re.compile("nbexec-page-[0-9a-f]{64}")
_MOST = 10_000  # tokens; the oldest goes, and its page asks for another one


class Login(NamedTuple):
    """Who is logged in to the notebook server.

    Parameters
    ----------
    key : str
        The same for all requests of one login; it is nobody else's.
    user : str, optional
        The name of the user, under JupyterHub.
    session : str, optional
        What the Hub calls the session of the browser, under JupyterHub. The key is a token of the Hub then.
    """

    key: str
    user: Optional[str] = None
    session: Optional[str] = None


class _Issued(NamedTuple):
    ends: float  # in monotonic seconds, because the wall clock may jump
    login: Login


class PageTokens:
    """Makes page tokens and knows its own again; of a token itself only a digest is kept."""

    def __init__(self) -> None:
        self._issued: OrderedDict[bytes, _Issued] = OrderedDict()

    def issue(self, login: Login) -> str:
        """Return a token that is good from now on for `LIFETIME` seconds, or until the end of the login."""
        token = f"nbexec-page-{secrets.token_hex(32)}"
        self._issued[_digest(token)] = _Issued(time.monotonic() + LIFETIME, login)
        self._forget_old()
        return token

    def accept(self, token: str) -> Optional[Login]:
        """Return whom this token was given to, or None if it is none, or not any more."""
        issued = self._issued.get(_digest(token)) if PATTERN.fullmatch(token) else None
        return issued.login if issued is not None and time.monotonic() < issued.ends else None

    def end(self, key: str) -> None:
        """Accept no token of this login any more."""
        for digest in [digest for digest, issued in self._issued.items() if issued.login.key == key]:
            del self._issued[digest]

    def _forget_old(self) -> None:
        now = time.monotonic()
        while len(self._issued) > _MOST or next(iter(self._issued.values())).ends < now:
            self._issued.popitem(last=False)


def _digest(token: str) -> bytes:
    """Return what a token is looked up by, so that the time of the look-up tells nothing about it."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
