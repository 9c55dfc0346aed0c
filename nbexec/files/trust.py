"""Signing an output notebook as trusted, as *Run All* and *Save* in the notebook page do.

Trust follows code, not data: the text of a caller is data, and HTML that it flows into could act with the login of
whoever opens the notebook. The signatures are those of the notebook server: same secret, same database, so that its
pages believe them.
"""

from __future__ import annotations

import base64
import logging
import os
import sqlite3
import threading
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, Optional

from nbformat import NotebookNode
from nbformat.sign import NotebookNotary, SQLiteSignatureStore

_log = logging.getLogger("nbexec")


def settings_of(contents_manager: Any) -> Optional[Dict[str, str]]:
    """Return what another process needs to sign like a contents manager, or None if it cannot.

    A server whose user has no home, such as a container's, may have no place for signatures: then nothing is trusted.
    """
    return _usable_settings(lambda: getattr(contents_manager, "notary", None))


def _settings_in(data_dir: str) -> Optional[Dict[str, str]]:
    """Return what is needed to sign like a server that has no configuration for that."""
    def notary() -> NotebookNotary:
        os.makedirs(data_dir, mode=0o700, exist_ok=True)
        return NotebookNotary(data_dir=data_dir)

    return _usable_settings(notary)


def _usable_settings(notary: Callable[[], Optional[NotebookNotary]]) -> Optional[Dict[str, str]]:
    try:
        return _settings_of(notary())
    except (OSError, sqlite3.Error) as error:
        _log.warning("Output notebooks will not be trusted, because signatures cannot be stored: %s. Set "
                     "JUPYTER_DATA_DIR to a directory that this user can write to.", error)
        return None


def _settings_of(notary: Optional[NotebookNotary]) -> Optional[Dict[str, str]]:
    if notary is None or not isinstance(notary.store, SQLiteSignatureStore) or notary.db_file == ":memory:":
        return None
    # nbformat keeps them in memory if it cannot open the file; one that can only be read, it opens.
    if notary.store.db_file == ":memory:" or not _can_write(notary.store.db_file):
        raise OSError(f"{notary.db_file} is not writable")
    return {"db_file": notary.store.db_file, "algorithm": notary.algorithm,
            "secret": base64.b64encode(notary.secret).decode("ascii")}


def _can_write(file: str) -> bool:
    """Whether SQLite can write a file, which takes another one beside it."""
    effective = os.access in os.supports_effective_ids
    return os.access(file, os.W_OK, effective_ids=effective) and os.access(
        os.path.dirname(file) or ".", os.W_OK | os.X_OK, effective_ids=effective)


class Trust:
    """Signs notebooks, and knows those that are signed.

    Parameters
    ----------
    settings : dict, optional
        What `settings_of` gave, or as `data_dir` Jupyter's data directory, whose signatures are used then; without
        settings nothing is trusted.
    """

    def __init__(self, settings: Optional[Dict[str, str]]) -> None:
        self._settings = _settings_in(settings["data_dir"]) if settings and "data_dir" in settings else settings

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

    @contextmanager
    def signing(self, nb: NotebookNode) -> Iterator[None]:
        """Sign `nb`, which must not change meanwhile, while the block writes it: both wait for the disk."""
        thread = threading.Thread(target=self.sign, args=[nb])
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads
            self.sign(nb)
            yield
            return
        try:
            yield
        finally:
            thread.join()

    def _notary(self) -> NotebookNotary:
        settings: Dict[str, Any] = dict(self._settings or {})
        settings["secret"] = base64.b64decode(settings["secret"])
        return NotebookNotary(data_dir="", **settings)
