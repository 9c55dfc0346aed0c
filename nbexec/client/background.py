"""Waiting in an event loop for what a thread does.

Each call has a thread of its own, which is no obstacle to the end of the program: the pool of asyncio has a few
threads only, which streams that say nothing for hours would take from everybody else.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Callable, Optional, TypeVar

T = TypeVar("T")


async def in_thread(function: Callable[..., T], *args: Any, cancel: Optional[Callable[[], None]] = None,
                    **options: Any) -> T:
    """Call a function in a thread and return what it returns.

    Parameters
    ----------
    function : callable
        The function, with its arguments. It goes on when the waiting for it is cancelled, unless `cancel` ends it.
    cancel : callable, optional
        Called when the waiting is cancelled.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def call() -> None:
        try:
            result = function(*args, **options)
        except BaseException as error:
            _tell(loop, _set_exception, done, error)
        else:
            _tell(loop, _set_result, done, result)

    threading.Thread(target=call, daemon=True).start()
    try:
        return await done
    except asyncio.CancelledError:
        if cancel is not None:
            cancel()
        raise


def _tell(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *args: Any) -> None:
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:
        pass  # the loop is closed: nobody waits


def _set_result(done: asyncio.Future[Any], result: Any) -> None:
    if not done.done():
        done.set_result(result)


def _set_exception(done: asyncio.Future[Any], error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)
