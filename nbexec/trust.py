"""Signing an output notebook as trusted, as *Run All* and *Save* in the notebook page do.

Trust follows code, not data: the text of a caller is data, and HTML that it flows into could act with the login of
whoever opens the notebook. The signatures are those of the notebook server: same secret, same database, so that its
pages believe them.
"""

from __future__ import annotations

import base64
import logging
from typing import Any, Dict, Optional

from nbformat import NotebookNode
from nbformat.sign import NotebookNotary, SQLiteSignatureStore

_log = logging.getLogger("nbexec")


def settings_of(notary: Optional[NotebookNotary]) -> Optional[Dict[str, str]]:
    """Return what another process needs to sign like `notary`, or None if it cannot."""
    if notary is None or not isinstance(notary.store, SQLiteSignatureStore) or notary.store.db_file == ":memory:":
        return None
    return {"db_file": notary.store.db_file, "algorithm": notary.algorithm,
            "secret": base64.b64encode(notary.secret).decode("ascii")}


class Trust:
    """Signs notebooks, and knows those that are signed.

    Parameters
    ----------
    settings : dict, optional
        What `settings_of` gave; without it nothing is trusted.
    """

    def __init__(self, settings: Optional[Dict[str, str]]) -> None:
        self._settings = settings

    def is_signed(self, nb: NotebookNode) -> bool:
        """Whether the server trusts `nb`, which has to be as it was read."""
        if self._settings is None:
            return False
        notary = self._notary()
        try:
            return bool(notary.check_signature(nb))
        except Exception as error:  # odd notebooks fail anywhere; what is wrong with them is found out later
            _log.debug("The signature of a notebook cannot be checked: %r", error)
            return False
        finally:
            notary.store.close()

    def sign(self, nb: NotebookNode) -> None:
        """Sign `nb` as trusted."""
        if self._settings is None:
            return
        notary = self._notary()
        try:
            notary.sign(nb)
        except Exception as error:  # whatever is wrong with the database, the notebook is to be saved
            _log.warning("The output notebook cannot be signed as trusted: %r", error)
        finally:
            notary.store.close()  # a failure may leave it locked

    def _notary(self) -> NotebookNotary:
        settings: Dict[str, Any] = dict(self._settings or {})
        settings["secret"] = base64.b64decode(settings["secret"])
        return NotebookNotary(data_dir="", **settings)
