"""What a notebook can learn about its run, from environment variables of its kernel.

None of them is ever a secret.
"""

from __future__ import annotations

import re
from typing import Dict, Mapping, Optional

EXEC_ID = "NBEXEC_EXEC_ID"
NOTEBOOK = "NBEXEC_NOTEBOOK"
OUTPUT = "NBEXEC_OUTPUT"

# What can turn a name into HTML: an element, the end of an attribute and another one, a character reference, a URL
# that runs JavaScript, an escape in JavaScript. An apostrophe or an ampersand alone, as in "John's Q&A", cannot.
_ACTIVE = re.compile(r"[<>\"\\\x00-\x1f\x7f\u2028\u2029]|['`].*=|&#?\w+;|script\s*:", re.IGNORECASE)


def run_variables(exec_id: str, path: str, output_path: Optional[str]) -> Dict[str, str]:
    """Return the variables of an execution.

    Parameters
    ----------
    exec_id : str
        The execution.
    path : str
        API path of its notebook.
    output_path : str, optional
        API path that was requested for the output notebook.
    """
    found = {EXEC_ID: exec_id, NOTEBOOK: path}
    return found if output_path is None else {**found, OUTPUT: output_path}


def are_harmless(variables: Mapping[str, str]) -> bool:
    """Whether none of the values could act in a page, if a notebook puts it into HTML as it is."""
    return not any(_ACTIVE.search(value) for value in variables.values())
