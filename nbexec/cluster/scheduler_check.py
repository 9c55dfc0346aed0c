"""What a scheduler has to be before anything is asked of it.

Dask of different versions fails with errors that say nothing about versions, so they are compared first.
"""

from __future__ import annotations

import json

from distributed.comm import connect
from distributed.security import Security
from distributed.versions import get_versions


class WrongVersionError(Exception):
    """The scheduler has another version of Dask."""


async def check_scheduler(scheduler: str, timeout: float) -> None:
    """Compare the version of a scheduler, given by its address or file, with that of this process.

    Raises
    ------
    WrongVersionError
        They are different.
    OSError
        There is no scheduler.
    """
    comm = await connect(address_of(scheduler), timeout=timeout, **Security().get_connection_args("client"))
    try:
        await comm.write({"op": "versions", "reply": True})
        packages = dict((await comm.read())["packages"])
    finally:
        comm.abort()
    there, own = packages["distributed"], get_versions()["packages"]["distributed"]
    if there != own:
        raise WrongVersionError(f"it has distributed {there}, and the notebook server has {own}")


def address_of(scheduler: str) -> str:
    """Return the address of a scheduler, which may be in a file."""
    if "://" in scheduler:
        return scheduler
    with open(scheduler, encoding="utf-8") as file:
        return str(json.load(file)["address"])
