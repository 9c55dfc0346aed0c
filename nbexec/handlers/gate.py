"""What all routes share to authenticate requests, and to limit those that are not authenticated yet."""

from __future__ import annotations

from typing import NamedTuple

from .open_streams import OpenStreams
from .page_tokens import PageTokens
from .secret_filter import SecretFilter
from .strangers import Strangers


class Gate(NamedTuple):
    """What all routes share.

    Parameters
    ----------
    page_tokens : PageTokens
        The tokens of the pages.
    strangers : Strangers
        Requests that are not authenticated yet.
    secrets : SecretFilter
        Keeps tokens out of the log.
    streams : OpenStreams
        Counts the open streams.
    """

    page_tokens: PageTokens
    strangers: Strangers
    secrets: SecretFilter
    streams: OpenStreams
