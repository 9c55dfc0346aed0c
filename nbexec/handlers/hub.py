"""What JupyterHub says of a token.

It is asked over the network, so it is asked without waiting in the loop, where the version of JupyterHub can do that.
"""

from __future__ import annotations

import inspect
from typing import Any, Optional

from tornado import web


async def ask(hub_auth: Any, handler: web.RequestHandler) -> None:
    """Have the Hub tell who a request comes from; the handler remembers the answer."""
    if _can_wait(hub_auth.get_user):
        try:
            await hub_auth.get_user(handler, sync=False)
        except web.HTTPError:
            pass  # the handler is told the same when it asks


async def knows(hub_auth: Any, token: str, session: str) -> bool:
    """Whether a token is still good; the Hub takes back those of a session when that is logged out of."""
    try:
        user = hub_auth.user_for_token(token, session_id=session, **_without_waiting(hub_auth.user_for_token))
        return bool(await user if inspect.isawaitable(user) else user)
    except web.HTTPError:
        return False


def name_of(user: Any) -> Optional[str]:
    """Return the name in what the Hub says of a user."""
    return user.get("name") if isinstance(user, dict) else None


def _can_wait(function: Any) -> bool:
    return "sync" in inspect.signature(function).parameters


def _without_waiting(function: Any) -> Any:
    return {"sync": False} if _can_wait(function) else {}
