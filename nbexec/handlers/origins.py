"""Which pages of other sites may read an answer."""

from __future__ import annotations

import re
from typing import Optional

from notebook.base.handlers import IPythonHandler

_LONGEST = 300  # characters; a pattern of the owner may take long for more


class OriginPattern:
    """The pattern of the owner, for the whole of an origin: one that only begins like it is somebody else's."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern

    def match(self, origin: str) -> Optional[re.Match[str]]:
        """Return whether this is one of the origins that are meant."""
        return self._pattern.fullmatch(origin) if len(origin) <= _LONGEST else None


class WholeOrigins(IPythonHandler):  # type: ignore[misc]
    """A handler whose notebook server matches origins as a whole, which it does not do by itself."""

    @property
    def allow_origin_pat(self) -> Optional[OriginPattern]:
        """What notebook's own checks of an origin use, too."""
        pattern = super().allow_origin_pat
        return OriginPattern(pattern) if pattern else None
