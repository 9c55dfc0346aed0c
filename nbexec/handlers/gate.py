"""What all routes share to decide who is let in, and how much of those who are not is kept."""

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
        Requests of which nobody knows yet whether they are let in.
    secrets : SecretFilter
        Keeps what lets in out of the log.
    streams : OpenStreams
        How many streams are open.
    """

    page_tokens: PageTokens
    strangers: Strangers
    secrets: SecretFilter
    streams: OpenStreams
