"""Reading a stream of events to its end, while its progress is shown."""

from __future__ import annotations

import threading
from typing import Callable, Optional, Union

from .api_error import WaitTimeoutError
from .event_stream import EventStream
from .result import Event, Tally
from .run_view import RunView, following

Progress = Union[bool, RunView]


def follow(stream: EventStream, timeout: Optional[float] = None, progress: Progress = False,
           on_event: Optional[Callable[[Event], None]] = None) -> Tally:
    """Read a stream to its end, and return what it adds up to.

    Raises
    ------
    WaitTimeoutError
        The end did not come in time.
    """
    tally = Tally()
    alarm = None if timeout is None else threading.Timer(max(0.0, timeout), stream.close)
    with stream, following(progress) as view:
        if alarm is not None:
            alarm.daemon = True
            alarm.start()
        try:
            for event in stream:
                tally.add(event)
                if view is not None:
                    view.show(event)
                if on_event is not None:
                    on_event(event)
        finally:
            if alarm is not None:
                alarm.cancel()
    if tally.final is None:
        raise WaitTimeoutError(stream.exec_id, timeout or 0.0)
    return tally
