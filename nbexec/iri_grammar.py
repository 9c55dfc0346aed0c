"""Keeps the grammar of IRIs from being compiled until somebody checks one.

jsonschema 4.25 and later take it from rfc3987_syntax, which compiles it when it is imported: about a second in each
process that reads a notebook. This is for processes of nbexec alone, before their first import of jsonschema.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

_MODULE = "rfc3987_syntax"


def defer() -> None:
    """Import jsonschema, but not the grammar; format checks load that when they need it, and work as ever."""
    if _MODULE in sys.modules or importlib.util.find_spec(_MODULE) is None:
        return
    sys.modules[_MODULE] = _StandIn(_MODULE)
    try:
        importlib.import_module("jsonschema")
    finally:
        sys.modules.pop(_MODULE, None)  # whoever imports it from now on gets the real one


class _StandIn(ModuleType):
    """What jsonschema gets; a name that is not here is that of the real module, compiled there and then."""

    @staticmethod
    def is_valid_syntax(term: str, value: str) -> bool:
        """Check whether `value` is a `term` of the grammar; called by jsonschema."""
        return bool(importlib.import_module(_MODULE).is_valid_syntax(term=term, value=value))

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        sys.modules.pop(_MODULE, None)
        return getattr(importlib.import_module(_MODULE), name)
