"""The first exchange with a kernel."""

from __future__ import annotations

import time
from typing import Any, Dict

from .client import IOPUB, SHELL, KernelClient

_ASK_AGAIN = 0.2  # seconds after which a kernel that answers, but is not yet heard on iopub, is asked again


def handshake(client: KernelClient, deadline: float) -> Dict[str, Any]:
    """Return the `kernel_info` of a kernel as soon as it is heard on both channels.

    Raises
    ------
    TimeoutError
        That did not happen until `deadline` (monotonic seconds).
    """
    info: Dict[str, Any] = {}
    heard = False
    while True:
        client.send(SHELL, "kernel_info_request", {})
        ask_again = deadline
        while not (info and heard):
            messages = client.receive(ask_again)
            if not messages:
                break
            for message in messages:
                heard = heard or message.channel == IOPUB
                if message.channel == SHELL and message.type == "kernel_info_reply":
                    info = message.content
                    # If it is not heard by then, the subscription came too late for what it published.
                    ask_again = min(deadline, time.monotonic() + _ASK_AGAIN)
        if info and heard:
            return info
        if time.monotonic() >= deadline:
            raise TimeoutError
