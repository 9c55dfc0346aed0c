"""The records of executions, in memory and in a file; what a whole server makes of them is in test_records.py."""

from __future__ import annotations

import json
import logging
import sqlite3
import stat
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import pytest

from nbexec.errors import ExecutionNotFoundError, StoreError
from nbexec.execution import COMPLETED, EXECUTING, Execution
from nbexec.executions.store import MEMORY, ExecutionStore, Key
from nbexec.run_arguments import RunArguments


@pytest.fixture(params=["in memory", "in a file"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return MEMORY if request.param == "in memory" else str(tmp_path / "executions")


@pytest.fixture()
def store(file: str) -> Iterator[ExecutionStore]:
    store = ExecutionStore(file)
    yield store
    store.close()


@pytest.fixture()
def reopened(tmp_path: Path) -> Iterator[Any]:
    """Close a store and open its file again, as the next server does."""
    stores: List[ExecutionStore] = []

    def reopen() -> ExecutionStore:
        for store in stores:
            store.close()
        stores.append(ExecutionStore(str(tmp_path / "executions")))
        return stores[-1]

    yield reopen
    stores[-1].close()


def executing(exec_id: str, params: Optional[Dict[str, str]] = None, **more: Any) -> Execution:
    return Execution(exec_id, RunArguments("a.ipynb", params or {}), status=EXECUTING, started_at=1.0, **more)


def completed(exec_id: str, at: float = 2.0) -> Execution:
    return Execution(exec_id, RunArguments("a.ipynb"), status=COMPLETED, started_at=1.0, completed_at=at)


def listed(store: ExecutionStore) -> List[str]:
    models = [json.loads(model) for page in store.pages() for _, model in page]
    return [model["exec_id"] for model in models]


def test_what_is_saved_can_be_read(store: ExecutionStore) -> None:
    execution = executing("one", params={"name": "Zoë"}, start_number=1, start_details={"warnings": ["w"]})
    store.save(execution)
    assert store.get_model("one") == execution.model()
    assert store.numbers("one") == (1, None)
    assert store.details("one") == ({"warnings": ["w"]}, {})


def test_what_is_saved_again_takes_the_place_of_what_was_there(store: ExecutionStore) -> None:
    store.save(executing("one"))
    store.save(executing("two"))
    store.save(completed("one"))
    assert listed(store) == ["one", "two"]
    assert store.get_model("one")["status"] == COMPLETED


def test_what_is_unknown_is_said_so(store: ExecutionStore) -> None:
    with pytest.raises(ExecutionNotFoundError):
        store.get_model("one")
    with pytest.raises(ExecutionNotFoundError):
        store.delete_model("one")
    assert store.numbers("one") == (None, None)
    assert store.details("one") == ({}, {})
    assert listed(store) == store.delete_all() == []


def test_what_is_deleted_is_gone(store: ExecutionStore) -> None:
    for exec_id in ("one", "two", "three"):
        store.save(executing(exec_id))
    store.delete_model("two")
    assert listed(store) == ["one", "three"]
    with pytest.raises(ExecutionNotFoundError):
        store.get_model("two")
    assert sorted(store.delete_all()) == ["one", "three"]
    assert listed(store) == []


def test_hundreds_are_listed_in_the_order_in_which_they_came(store: ExecutionStore) -> None:
    exec_ids = [f"e{number}" for number in range(250)]
    for exec_id in exec_ids:
        store.save(executing(exec_id))
    assert listed(store) == exec_ids
    assert len(list(store.pages())) > 1, "a single page holds up the loop"


def test_the_unfinished_are_found_with_all_that_is_known_of_them(store: ExecutionStore) -> None:
    arguments = RunArguments("a.ipynb", {"x": "1"}, cell_timeout=5)
    running = Execution("running", arguments, status=EXECUTING, started_at=1.0, start_number=1,
                        start_details={"warnings": ["w"]})
    store.save(completed("done"))
    store.save(running)
    assert store.unfinished() == [running]


# -- keys -----------------------------------------------------------------------------------------


def test_a_key_leads_to_its_execution_as_long_as_that_is_there(store: ExecutionStore) -> None:
    store.save(executing("one"), Key("key", "digest"))
    store.save(completed("one"))
    assert store.find_key("key") == ("digest", "one")
    assert store.find_key("another") is None
    store.delete_model("one")
    assert store.find_key("key") is None


# -- for how long ---------------------------------------------------------------------------------


def test_the_oldest_go_first(store: ExecutionStore) -> None:
    for number, at in enumerate((5.0, 3.0, 4.0, 6.0)):
        store.save(completed(f"e{number}", at))
    store.save(executing("running"))
    assert store.prune(3, None) == {"e1"}
    assert store.prune(3, None) == set()
    assert listed(store) == ["e0", "e2", "e3", "running"]


def test_what_was_completed_too_long_ago_goes(store: ExecutionStore) -> None:
    for number in range(4):
        store.save(completed(f"e{number}", float(number)))
    store.save(executing("running"))
    assert store.prune(0, 2.0) == {"e0", "e1"}
    assert listed(store) == ["e2", "e3", "running"]
    assert store.prune(1, 2.5) == {"e2"}
    assert listed(store) == ["e3", "running"]


# -- a file ---------------------------------------------------------------------------------------


def test_a_file_keeps_everything(reopened: Any) -> None:
    store = reopened()
    store.save(executing("one", start_number=1, start_details={"warnings": ["w"]}), Key("key", "digest"))
    store.save(completed("two"))
    store = reopened()
    assert listed(store) == ["one", "two"]
    assert store.find_key("key") == ("digest", "one")
    assert store.numbers("one") == (1, None) and store.details("one") == ({"warnings": ["w"]}, {})


def test_a_file_is_its_user_s_alone(reopened: Any, tmp_path: Path) -> None:
    reopened().save(executing("one"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("executions*")} == {0o600, 0o700}


def test_a_file_belongs_to_one_store(reopened: Any, tmp_path: Path) -> None:
    reopened()
    with pytest.raises(StoreError, match="another server is using it"):
        ExecutionStore(str(tmp_path / "executions"))


def test_a_file_of_a_newer_version_is_refused(reopened: Any, tmp_path: Path) -> None:
    reopened().close()
    with sqlite3.connect(str(tmp_path / "executions")) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StoreError, match="newer nbexec"):
        ExecutionStore(str(tmp_path / "executions"))


def test_a_damaged_file_is_set_aside(reopened: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "executions").write_bytes(b"no database" * 1000)
    (tmp_path / "executions").chmod(0o600)
    assert listed(reopened()) == []
    aside = list(tmp_path.glob("executions.damaged-*"))
    assert len(aside) == 1 and str(aside[0]) in caplog.text


# -- a file that cannot be written just now -------------------------------------------------------


@pytest.fixture()
def stuck(reopened: Any, monkeypatch: pytest.MonkeyPatch) -> ExecutionStore:
    """A store with "old" and "done" in its file, which cannot be written until SQLite has more than its few pages."""
    store: ExecutionStore = reopened()
    store.save(executing("old"), Key("old key", "digest"))
    store.save(completed("done"))
    pages, = store._database.execute("PRAGMA page_count").fetchone()
    store._database.execute(f"PRAGMA max_page_count = {pages}")
    fill(store)
    return store


def fill(store: ExecutionStore) -> None:
    """Save large models until there is no more room."""
    for number in range(100):
        store.save(executing(f"large{number}", last_cell_source="x" * 3000))
        if store._pending:
            store.delete_model(f"large{number}")
            return
    raise AssertionError("there is always room")


def make_room(store: ExecutionStore) -> None:
    store._database.execute("PRAGMA max_page_count = 100000")


LARGE = "x" * 50_000


def test_what_cannot_be_written_is_true_all_the_same(stuck: ExecutionStore) -> None:
    before = [exec_id for exec_id in listed(stuck) if exec_id.startswith("large")]
    new = executing("new", last_cell_source=LARGE, start_number=1, start_details={"warnings": ["w"]})
    stuck.save(new, Key("new key", "digest"))
    stuck.save(executing("old", last_cell_source=LARGE, progress="2/2"))
    assert stuck._pending, "it could be written"
    assert listed(stuck) == ["old", "done", *before, "new"]
    assert stuck.get_model("old")["progress"] == "2/2"
    assert stuck.get_model("new") == new.model()
    assert stuck.numbers("new") == (1, None) and stuck.details("new") == ({"warnings": ["w"]}, {})
    assert stuck.find_key("new key") == ("digest", "new")
    stuck.delete_model("done")
    stuck.delete_model("new")
    assert listed(stuck) == ["old", *before]
    assert stuck.find_key("new key") is None


def test_what_could_not_be_written_is_written_as_soon_as_it_can(stuck: ExecutionStore, reopened: Any,
                                                                caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    caplog.clear()
    for number in range(3):
        stuck.save(executing(f"new{number}", last_cell_source=LARGE), Key(f"key{number}", "digest"))
    make_room(stuck)
    stuck.save(completed("last"))
    assert caplog.text.count("cannot be written") <= 1 and caplog.text.count("are being written to") == 1
    there = listed(stuck)
    again = reopened()
    assert listed(again) == there and {"new0", "new1", "new2", "last"} < set(there)
    assert again.find_key("key2") == ("digest", "new2")


def test_all_are_forgotten_also_those_that_could_not_be_written(stuck: ExecutionStore, reopened: Any) -> None:
    there = listed(stuck)
    stuck.save(executing("new", last_cell_source=LARGE), Key("new key", "digest"))
    assert sorted(stuck.delete_all()) == sorted([*there, "new"])
    assert listed(stuck) == [] and stuck.find_key("new key") is None
    make_room(stuck)
    stuck.save(completed("later"))
    assert listed(reopened()) == ["later"]
