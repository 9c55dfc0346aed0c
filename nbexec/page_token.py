"""What the pages of the notebook server show instead of its token, where they have none.

A page token opens the execution API and nothing else, and ends with the process that made it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import time

LIFETIME = 3600  # seconds
_TOKEN = re.compile("nbexec-page-([0-9]{1,12})-([0-9a-f]{64})")


class PageTokens:
    """Makes page tokens and knows its own again; none is kept anywhere."""

    def __init__(self) -> None:
        self._secret = os.urandom(32)

    def issue(self) -> str:
        """Return a token that is good from now on for `LIFETIME` seconds."""
        ends = f"{int(time.monotonic()) + LIFETIME}"  # the wall clock may jump
        return f"nbexec-page-{ends}-{self._sign(ends)}"

    def accept(self, token: str) -> bool:
        """Whether this is one of them, and its time is not over."""
        match = _TOKEN.fullmatch(token)
        if match is None or not hmac.compare_digest(match[2], self._sign(match[1])):
            return False
        return time.monotonic() < int(match[1])

    def _sign(self, ends: str) -> str:
        return hmac.new(self._secret, ends.encode("ascii"), hashlib.sha256).hexdigest()
