"""Talking to the execution API from Python: `nbexec.client.Client`."""

from .client import (
    FINAL_EVENTS,
    RESERVED,
    ApiError,
    CertificateError,
    Client,
    Event,
    Model,
    StreamEndedError,
    token_in,
)

__all__ = ["ApiError", "CertificateError", "Client", "Event", "FINAL_EVENTS", "Model", "RESERVED", "StreamEndedError",
           "token_in"]
