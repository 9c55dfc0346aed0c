"""Tokens for the pages of the notebook server that do not contain the server's token.

A page token is valid for the execution API only. It expires after an hour, with the login for which it was issued, and
with the process that issued it. It belongs to the loop thread.
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
_MOST = 10_000  # tokens; beyond, the oldest is dropped, and its page requests another one


class Login(NamedTuple):
    """A login at the notebook server.

    Parameters
    ----------
    key : str
        Identifies the login: the same in all its requests, and unique.
    user : str, optional
        The name of the user, under JupyterHub.
    session : str, optional
        The Hub's id of the browser session, under JupyterHub. The key is then a token of the Hub.
    """

    key: str
    user: Optional[str] = None
    session: Optional[str] = None


class _Issued(NamedTuple):
    ends: float  # in monotonic seconds, because the wall clock may jump
    login: Login


class PageTokens:
    """Issues and checks page tokens; it stores only their digests."""

    def __init__(self) -> None:
        self._issued: OrderedDict[bytes, _Issued] = OrderedDict()

    def issue(self, login: Login) -> str:
        """Return a token that is valid for `LIFETIME` seconds, or until the login ends."""
        token = f"nbexec-page-{secrets.token_hex(32)}"
        self._issued[_digest(token)] = _Issued(time.monotonic() + LIFETIME, login)
        self._forget_old()
        return token

    def accept(self, token: str) -> Optional[Login]:
        """Return the login for which a token was issued, or None if the token is not valid."""
        issued = self._issued.get(_digest(token)) if PATTERN.fullmatch(token) else None
        return issued.login if issued is not None and time.monotonic() < issued.ends else None

    def end(self, key: str) -> None:
        """Revoke all tokens of a login."""
        for digest in [digest for digest, issued in self._issued.items() if issued.login.key == key]:
            del self._issued[digest]

    def _forget_old(self) -> None:
        now = time.monotonic()
        while len(self._issued) > _MOST or next(iter(self._issued.values())).ends < now:
            self._issued.popitem(last=False)


def _digest(token: str) -> bytes:
    """Return the digest by which a token is looked up, so that the time of the look-up reveals nothing."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
