"""Decides which other sites may read a response."""

from __future__ import annotations

import re
from typing import Optional

from notebook.base.handlers import IPythonHandler

_LONGEST = 300  # characters of an origin; the configured pattern may be slow for longer ones


class OriginPattern:
    """The configured pattern, matched against whole origins: a matching beginning is not enough."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern

    def match(self, origin: str) -> Optional[re.Match[str]]:
        """Return a match if the pattern matches the whole origin."""
        return self._pattern.fullmatch(origin) if len(origin) <= _LONGEST else None


class WholeOrigins(IPythonHandler):  # type: ignore[misc]
    """A handler that matches whole origins, which notebook itself does not."""

    @property
    def allow_origin_pat(self) -> Optional[OriginPattern]:
        """The pattern, which notebook's own origin checks use too."""
        pattern = super().allow_origin_pat
        return OriginPattern(pattern) if pattern else None
