"""Who has started, stopped and deleted what: a line of JSON in the log for each, with no value of a parameter."""

from __future__ import annotations

import json
import logging
from typing import Any, Optional

from .auth import Caller

_log = logging.getLogger("nbexec.audit")


def note(action: str, address: Optional[str], caller: Caller, **details: Any) -> None:
    """Log what somebody has done.

    Parameters
    ----------
    action : str
        What it was: start, shutdown, delete, page_token.
    address : str, optional
        Where the request came from; behind a proxy that the server trusts, what the proxy says.
    caller : Caller
        Whom the token belongs to.
    **details
        What it was done to.
    """
    who = {"action": action, "address": address, "credential": caller.credential, "user": caller.user}
    line = {name: value for name, value in {**who, **details}.items() if value is not None}
    _log.info("audit %s", json.dumps(line))
