"""The records of executions: an SQLite database, in memory or in a file that only this server uses.

It belongs to the loop thread. What cannot be written now is kept in memory and written later: a full disk neither
stops an execution nor makes an answer wrong.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from ..errors import ExecutionNotFoundError, StoreError
from ..execution import Execution, is_model
from ..files.end_notes import Notes
from ..files.private_files import check_file, check_parent

_log = logging.getLogger("nbexec")
Model = Dict[str, Any]
_BUSY = 5  # SQLITE_BUSY, which sqlite3 does not name before Python 3.11
MEMORY = ":memory:"
_PAGE = 100  # models to read at once, in well below a millisecond
_AT_ONCE = 500  # records to delete at once
_LARGEST = 1 << 26  # bytes of a model
_SUFFIXES = ("", "-wal", "-shm", "-journal")  # of the files of a database
# Each takes a database to the next version. Never change one; add another.
_MIGRATIONS = [
    """
    CREATE TABLE executions (number INTEGER PRIMARY KEY, exec_id TEXT UNIQUE NOT NULL, model TEXT NOT NULL,
                             completed_at REAL);
    """,
    """
    CREATE TABLE keys (name TEXT PRIMARY KEY, request TEXT NOT NULL,
                       exec_id TEXT NOT NULL REFERENCES executions (exec_id) ON DELETE CASCADE);
    CREATE INDEX keys_of ON keys (exec_id);
    CREATE INDEX finished ON executions (completed_at) WHERE completed_at IS NOT NULL;
    """,
    """
    ALTER TABLE executions ADD COLUMN start_number INTEGER;
    ALTER TABLE executions ADD COLUMN end_number INTEGER;
    """,
    """
    ALTER TABLE executions ADD COLUMN facts TEXT NOT NULL DEFAULT '[{}, {}]';
    """,
]
_UNWRITTEN = 1 << 62  # above the numbers of all records
_PAGE_UP = "SELECT number, exec_id, model FROM executions WHERE number > ? ORDER BY number LIMIT ?"
_PAGE_DOWN = "SELECT number, exec_id, model FROM executions WHERE number < ? ORDER BY number DESC LIMIT ?"
_WRITE = ("INSERT INTO executions (exec_id, model, completed_at, start_number, end_number, facts) "
          "VALUES (?, ?, ?, ?, ?, ?) "
          "ON CONFLICT (exec_id) DO UPDATE SET model = excluded.model, completed_at = excluded.completed_at, "
          "start_number = excluded.start_number, end_number = excluded.end_number, facts = excluded.facts")
_WRITE_KEY = "INSERT OR REPLACE INTO keys (name, request, exec_id) VALUES (?, ?, ?)"


class Key(NamedTuple):
    """The Idempotency-Key of a request, and a digest of the request."""

    name: str
    request: str


class ExecutionStore:
    """Keeps the models of executions, in the order of their start.

    Parameters
    ----------
    file : str
        The database file; `MEMORY` for a database that ends with the process.

    Raises
    ------
    StoreError
        The file is used by another server, was written by a newer nbexec, or cannot be used.
    """

    def __init__(self, file: str = MEMORY) -> None:
        self.file = file
        self._database = _open(file)
        self.notes = None if file == MEMORY else _open_notes(file, self._database)
        # What is not written yet: executions by id, None for a deleted one, and their keys.
        self._pending: Dict[str, Optional[Execution]] = {}
        self._pending_keys: Dict[str, Key] = {}
        self._failing = False

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    # -- one execution ----------------------------------------------------------------------------

    def save(self, execution: Execution, key: Optional[Key] = None) -> None:
        """Add an execution, with the key of its request, or update it."""
        self._pending[execution.exec_id] = execution
        if key is not None:
            self._pending_keys[execution.exec_id] = key
        self._flush()

    def get_model(self, exec_id: str) -> Model:
        """Return one model.

        Raises
        ------
        ExecutionNotFoundError
            There is none with this id.
        """
        if exec_id in self._pending:
            pending = self._pending[exec_id]
            if pending is None:
                raise ExecutionNotFoundError(exec_id)
            return pending.model()
        row = self._database.execute("SELECT model FROM executions WHERE exec_id = ?", (exec_id,)).fetchone()
        if row is None:
            raise ExecutionNotFoundError(exec_id)
        model: Model = json.loads(row[0])
        return model

    def numbers(self, exec_id: str) -> Tuple[Optional[int], Optional[int]]:
        """Return the numbers of `notebook_start` and of the last event, as far as they are known."""
        pending = self._pending.get(exec_id)
        if pending is not None:
            return pending.start_number, pending.end_number
        row: Optional[Tuple[Optional[int], Optional[int]]] = self._database.execute(
            "SELECT start_number, end_number FROM executions WHERE exec_id = ?", (exec_id,)).fetchone()
        return row or (None, None)

    def details(self, exec_id: str) -> Tuple[Dict[str, Any], Dict[str, Any]]:
        """Return the fields of `notebook_start` and of the last event that are not in the model."""
        pending = self._pending.get(exec_id)
        if pending is not None:
            return pending.start_details, pending.end_details
        row = self._database.execute("SELECT facts FROM executions WHERE exec_id = ?", (exec_id,)).fetchone()
        start, end = json.loads(row[0]) if row else ({}, {})
        return start, end

    def delete_model(self, exec_id: str) -> None:
        """Delete one execution.

        Raises
        ------
        ExecutionNotFoundError
            There is none with this id.
        """
        self.get_model(exec_id)
        self._pending[exec_id] = None
        self._flush()

    # -- all of them ------------------------------------------------------------------------------

    def pages(self, after: Optional[int] = None, newest_first: bool = False) -> Iterator[List[Tuple[int, str]]]:
        """Yield numbers and models as JSON, a page at a time; later changes may show or not.

        Parameters
        ----------
        after : int, optional
            Begin behind this number.
        newest_first : bool
            The order.
        """
        if newest_first:
            yield [(number, model) for number, model in reversed(self._unwritten()) if after is None or number < after]
        number = after if after is not None else _UNWRITTEN if newest_first else 0
        while True:
            rows = self._database.execute(_PAGE_DOWN if newest_first else _PAGE_UP, (number, _PAGE)).fetchall()
            if not rows:
                break
            number = rows[-1][0]
            models = [(record, model if exec_id not in self._pending else self._pending_json(exec_id))
                      for record, exec_id, model in rows]
            yield [(record, model) for record, model in models if model]
        if not newest_first:
            yield [(number, model) for number, model in self._unwritten() if after is None or number > after]

    def delete_all(self) -> List[str]:
        """Delete all executions and return their ids."""
        added = [exec_id for exec_id, execution in self._pending.items() if execution is not None]
        self._pending = {exec_id: None for exec_id, in self._database.execute("SELECT exec_id FROM executions")}
        deleted = list({**dict.fromkeys(self._pending), **dict.fromkeys(added)})
        self._pending_keys.clear()  # a key of an execution that is not there could never be written
        self._flush()
        return deleted

    def unfinished(self) -> List[Execution]:
        """Return the executions without a final status."""
        rows = self._database.execute(
            "SELECT model, start_number, end_number, facts FROM executions WHERE completed_at IS NULL").fetchall()
        return [Execution.from_model(json.loads(model), start_number=start, end_number=end,
                                     start_details=json.loads(details)[0]) for model, start, end, details in rows]

    def prune(self, number: int, before: Optional[float]) -> Set[str]:
        """Delete finished executions, the oldest first, and return their ids.

        Parameters
        ----------
        number : int
            How many to keep; 0 keeps all.
        before : float, optional
            Delete those completed before this time, in seconds since the epoch.
        """
        finished = "SELECT exec_id FROM executions WHERE completed_at IS NOT NULL"
        old: List[Tuple[str]] = []
        if number:
            old += self._database.execute(f"{finished} ORDER BY completed_at DESC, number DESC LIMIT ? OFFSET ?",
                                          (_AT_ONCE, number))
        if before is not None:
            old += self._database.execute(f"{finished} AND completed_at < ? LIMIT ?", (before, _AT_ONCE))
        ids = {exec_id for exec_id, in old}
        self._pending.update(dict.fromkeys(ids))
        if ids:
            self._flush()
        return ids

    def find_key(self, name: str) -> Optional[Tuple[str, str]]:
        """Return the digest of the request with this key and the id of its execution, or None.

        A key is kept as long as its execution.
        """
        for exec_id, key in self._pending_keys.items():
            if key.name == name and exec_id not in self._deleted():
                return key.request, exec_id
        found: Optional[Tuple[str, str]] = self._database.execute(
            "SELECT request, exec_id FROM keys JOIN executions USING (exec_id) WHERE name = ?", (name,)).fetchone()
        return None if found is None or found[1] in self._deleted() else found

    # -- writing ----------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Write what is not in the database yet: all of it or nothing."""
        try:
            if len(self._pending) == 1 and not self._pending_keys:
                self._write(*next(iter(self._pending.items())))
            else:
                self._write_all()
        except sqlite3.Error as error:
            return self._complain(error)
        self._pending.clear()
        self._pending_keys.clear()
        if self._failing:
            self._failing = False
            _log.warning("The records of executions are being written to %s again.", self.file)

    def _write_all(self) -> None:
        self._database.execute("BEGIN")
        try:
            for exec_id, execution in self._pending.items():
                self._write(exec_id, execution)
            for exec_id, key in self._pending_keys.items():
                if exec_id not in self._deleted():
                    self._database.execute(_WRITE_KEY, (*key, exec_id))
            self._database.execute("COMMIT")
        except sqlite3.Error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def _write(self, exec_id: str, execution: Optional[Execution]) -> None:
        if execution is None:
            self._database.execute("DELETE FROM executions WHERE exec_id = ?", (exec_id,))
        else:
            self._database.execute(
                _WRITE, (exec_id, json.dumps(execution.model()), execution.completed_at, execution.start_number,
                         execution.end_number, json.dumps([execution.start_details, execution.end_details])))

    def _deleted(self) -> Set[str]:
        return {exec_id for exec_id, execution in self._pending.items() if execution is None}

    def _complain(self, error: sqlite3.Error) -> None:
        if not self._failing:
            self._failing = True
            _log.error("The records of executions cannot be written to %s: %s. Keeping them in memory for now.",
                       self.file, error)

    def _unwritten(self) -> List[Tuple[int, str]]:
        """Return numbers and models of the executions that could not be added to the database yet."""
        known = "SELECT 1 FROM executions WHERE exec_id = ?"
        models = [self._pending_json(exec_id) for exec_id in list(self._pending)
                  if not self._database.execute(known, (exec_id,)).fetchone()]
        return list(enumerate(filter(None, models), _UNWRITTEN))

    def _pending_json(self, exec_id: str) -> str:
        pending = self._pending.get(exec_id)
        return "" if pending is None else json.dumps(pending.model())


# -- opening a file -------------------------------------------------------------------------------


def _open(file: str) -> sqlite3.Connection:
    """Return the database, in the current version and locked for this process.

    A damaged file is set aside and replaced by an empty one.
    """
    if file == MEMORY:
        return _migrated(_connect(file))
    try:
        _make_private(file)
        return _open_file(file)
    except (OSError, ValueError) as error:
        raise StoreError(file, getattr(error, "strerror", None) or str(error)) from error
    except sqlite3.OperationalError as error:  # a kind of DatabaseError that says nothing about the content
        raise StoreError(file, "another server is using it" if _is_locked(error) else str(error)) from error


def _is_locked(error: sqlite3.OperationalError) -> bool:
    code: Optional[int] = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return "locked" in str(error)  # before Python 3.11, only the text says so
    return code & 0xFF == _BUSY


def _open_file(file: str) -> sqlite3.Connection:
    try:
        return _weeded(_migrated(_checked(_connect(file), file)), file)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        aside = _set_aside(file)
        _log.error("The records of executions in %s cannot be read: %s. The file is now %s; starting a new one.",
                   file, error, aside)
        _make_private(file)
        return _migrated(_checked(_connect(file), file))


def _make_private(file: str) -> None:
    """Make sure that nobody else can read or write the file or its companions: it has the values of parameters.

    Raises
    ------
    OSError
        Others can write to it, or could have.
    """
    os.makedirs(os.path.dirname(file), mode=0o700, exist_ok=True)
    check_parent(file)
    for suffix in _SUFFIXES:
        check_file(file + suffix)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))


def _open_notes(file: str, database: sqlite3.Connection) -> Notes:
    try:
        return Notes(f"{file}-notes")
    except OSError as error:
        database.close()
        raise StoreError(file, error.strerror or str(error)) from error


def _connect(file: str) -> sqlite3.Connection:
    database = sqlite3.connect(file, isolation_level=None, timeout=1.0)
    database.execute("PRAGMA foreign_keys = ON")
    return database


def _checked(database: sqlite3.Connection, file: str) -> sqlite3.Connection:
    """Lock the file for the life of this process, however it ends, and check that it is intact."""
    try:
        _check_version(database, file)
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("BEGIN EXCLUSIVE")
        database.execute("COMMIT")
        verdict, = database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
    except (sqlite3.Error, StoreError):
        database.close()
        raise
    return database


def _check_version(database: sqlite3.Connection, file: str) -> None:
    version, = database.execute("PRAGMA user_version").fetchone()
    if version > len(_MIGRATIONS):
        raise StoreError(file, f"it was written by a newer nbexec (version {version} of its tables, this nbexec knows "
                               f"{len(_MIGRATIONS)})")


def _migrated(database: sqlite3.Connection) -> sqlite3.Connection:
    version, = database.execute("PRAGMA user_version").fetchone()
    for number, script in enumerate(_MIGRATIONS[version:], version + 1):
        database.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")
    return database


def _weeded(database: sqlite3.Connection, file: str) -> sqlite3.Connection:
    """Move records that nbexec cannot have written into a table of their own."""
    database.execute(f"EXPLAIN {_WRITE}", [None] * 6)  # which fails if a table is missing or different
    database.execute(f"EXPLAIN {_WRITE_KEY}", [None] * 3)
    odd = [(number,) for number, row in _rows(database) if not _is_record(row)]
    if odd:
        database.execute("BEGIN")
        database.execute("CREATE TABLE IF NOT EXISTS odd (exec_id, model, completed_at)")
        database.executemany(
            "INSERT INTO odd SELECT exec_id, model, completed_at FROM executions WHERE number = ?", odd)
        database.executemany("DELETE FROM executions WHERE number = ?", odd)
        database.execute("COMMIT")
        _log.warning("Ignoring %d invalid records in %s; they were moved to its table odd.",
                     len(odd), file)
    return database


def _rows(database: sqlite3.Connection) -> Iterator[Tuple[int, Tuple[Any, ...]]]:
    """Yield the number and the values of all records; text as bytes, because it may not be valid text."""
    database.text_factory = bytes
    try:
        for number, *row in database.execute(
                "SELECT number, exec_id, CASE WHEN typeof(exec_id) = 'text' AND typeof(model) = 'text' "
                "AND length(CAST(model AS BLOB)) <= ? THEN model END, completed_at, start_number, end_number, "
                "CASE WHEN typeof(facts) = 'text' AND length(facts) <= ? THEN facts END FROM executions",
                (_LARGEST, _LARGEST)):
            yield number, tuple(row)
    finally:
        database.text_factory = str


def _is_record(row: Tuple[Any, ...]) -> bool:
    exec_id, text, completed_at, start_number, end_number, facts = row
    try:
        model = json.loads(text, parse_constant=_refuse)
        start, end = json.loads(facts, parse_constant=_refuse)
        return (is_model(model) and exec_id == model["exec_id"].encode() and completed_at == model["completed_at"]
                and isinstance(start, dict) and isinstance(end, dict)
                and all(number is None or type(number) is int for number in (start_number, end_number)))
    except (ValueError, TypeError, RecursionError):
        return False


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _set_aside(file: str) -> str:
    """Rename a damaged database and its companions, and return the new name."""
    aside = f"{file}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
    while os.path.lexists(aside):
        aside += "x"
    for suffix in _SUFFIXES:
        if os.path.exists(file + suffix):
            os.replace(file + suffix, aside + suffix)
    return aside
