"""Asks JupyterHub about tokens.

The Hub answers over the network, so the loop does not block, if the version of JupyterHub supports that.
"""

from __future__ import annotations

import inspect
from typing import Any, Optional

from tornado import web


async def ask(hub_auth: Any, handler: web.RequestHandler) -> None:
    """Ask the Hub who has sent a request; the handler caches the answer."""
    if _can_wait(hub_auth.get_user):
        try:
            await hub_auth.get_user(handler, sync=False)
        except web.HTTPError:
            pass  # the handler gets the same error when it asks


async def knows(hub_auth: Any, token: str, session: str) -> bool:
    """Whether a token is still valid; the Hub revokes those of a session at its logout."""
    try:
        user = hub_auth.user_for_token(token, session_id=session, **_without_waiting(hub_auth.user_for_token))
        return bool(await user if inspect.isawaitable(user) else user)
    except web.HTTPError:
        return False


def name_of(user: Any) -> Optional[str]:
    """Return the name in the Hub's model of a user."""
    return user.get("name") if isinstance(user, dict) else None


def _can_wait(function: Any) -> bool:
    return "sync" in inspect.signature(function).parameters


def _without_waiting(function: Any) -> Any:
    return {"sync": False} if _can_wait(function) else {}
