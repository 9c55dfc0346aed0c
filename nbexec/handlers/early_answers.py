"""Answers that are sent before the whole request has been read.

After such an answer tornado closes the connection without saying so: a client that keeps connections sends its next
request there, and gets no answer. A proxy then answers 503 in our place.
"""

from __future__ import annotations

from tornado.web import RequestHandler


def announce_early_end(handler: RequestHandler) -> None:
    """Say that the connection is closed after this answer, if part of the request is still to come.

    Parameters
    ----------
    handler : RequestHandler
        One that reads its body piece by piece (``stream_request_body``), about to finish its answer.
    """
    if not handler.request._body_future.done():
        handler.set_header("Connection", "close")
