"""Delays compiling the grammar of IRIs until an IRI is checked.

jsonschema 4.25 and later import it from rfc3987_syntax, which compiles it on import: about a second in each process
that reads a notebook. Only processes of nbexec do this, before their first import of jsonschema.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

_MODULE = "rfc3987_syntax"


def defer() -> None:
    """Import jsonschema without the grammar, which format checks then load when they need it."""
    if _MODULE in sys.modules or importlib.util.find_spec(_MODULE) is None:
        return
    sys.modules[_MODULE] = _StandIn(_MODULE)
    try:
        importlib.import_module("jsonschema")
    finally:
        sys.modules.pop(_MODULE, None)  # from now on, an import gets the real module


class _StandIn(ModuleType):
    """Stands in for the module in jsonschema; any other attribute loads and compiles the real one."""

    @staticmethod
    def is_valid_syntax(term: str, value: str) -> bool:
        """Return whether `value` is a `term` of the grammar; called by jsonschema."""
        return bool(importlib.import_module(_MODULE).is_valid_syntax(term=term, value=value))

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        sys.modules.pop(_MODULE, None)
        return getattr(importlib.import_module(_MODULE), name)
