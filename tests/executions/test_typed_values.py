"""Whose text the values of a page are; what that means for the trust in an output is in test_trust.py."""

from __future__ import annotations

from typing import Iterator

import pytest

from nbexec.execution import Execution
from nbexec.executions import typed_values
from nbexec.executions.store import ExecutionStore
from nbexec.executions.typed_values import TypedValues
from nbexec.run_arguments import RunArguments

CALLERS = {"title": "<b>a caller's</b>", "year": "2024"}


@pytest.fixture()
def store() -> Iterator[ExecutionStore]:
    store = ExecutionStore()
    store.save(Execution("by a caller", RunArguments("a.ipynb", CALLERS)))
    store.save(Execution("by a page", RunArguments("a.ipynb", {"title": "mine"})))
    yield store
    store.close()


@pytest.fixture()
def typed(store: ExecutionStore) -> TypedValues:
    typed = TypedValues(store)
    typed.add("by a page")
    return typed


def test_what_was_taken_over_from_nothing_was_typed(typed: TypedValues) -> None:
    assert typed.are_typed(CALLERS, None)


def test_what_was_typed_once_stays_so(typed: TypedValues) -> None:
    assert typed.are_typed({"title": "mine"}, "by a page")


def test_what_a_caller_gave_was_not_typed(typed: TypedValues) -> None:
    assert not typed.are_typed(CALLERS, "by a caller")
    assert not typed.are_typed({**CALLERS, "title": "mine"}, "by a caller"), "one of them is still the caller's"


def test_what_was_typed_over_it_was(typed: TypedValues) -> None:
    assert typed.are_typed({"title": "mine", "year": "2025"}, "by a caller")
    assert typed.are_typed({}, "by a caller"), "the defaults are the notebook's"


def test_of_an_execution_that_is_gone_nobody_knows(typed: TypedValues, store: ExecutionStore) -> None:
    store.delete_model("by a caller")
    assert not typed.are_typed({"title": "mine"}, "by a caller")


def test_of_old_ones_it_is_forgotten(store: ExecutionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed_values, "_REMEMBERED", 2)
    typed = TypedValues(store)
    for exec_id in ("by a page", "another", "a third"):
        typed.add(exec_id)
    assert not typed.are_typed({"title": "mine"}, "by a page")
    assert typed.are_typed({"title": "mine"}, "another")
