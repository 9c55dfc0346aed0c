"""What is kept of requests and logins is bounded; with a server: test_attacks_http.py, test_page_token.py."""

from __future__ import annotations

import time
from typing import Callable, List

import pytest

from nbexec.handlers import page_tokens, strangers
from nbexec.handlers.page_tokens import LIFETIME, Login, PageTokens
from nbexec.handlers.strangers import Strangers


def turner(turned: List[int], number: int) -> Callable[[], None]:
    return lambda: turned.append(number)


def test_the_oldest_stranger_gives_way_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "_MOST", 3)
    held = Strangers()
    turned: List[int] = []
    for number in range(5):
        held.hold(turner(turned, number), 1)
    assert turned == [0, 1]


def test_the_oldest_stranger_gives_way_when_they_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "_MOST_BYTES", 100)
    held = Strangers()
    turned: List[int] = []
    first, second = turner(turned, 1), turner(turned, 2)
    held.hold(first, 60)
    held.hold(second, 30)
    held.hold(second, 30)
    assert turned == [1], "it counts what a request has sent in all"
    held.release(second)
    held.hold(first, 100)
    assert turned == [1], "what has arrived counts no longer"


def test_releasing_twice_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "_MOST_BYTES", 100)
    held = Strangers()
    turned: List[int] = []
    first = turner(turned, 1)
    held.hold(first, 60)
    held.release(first)
    held.release(first)
    held.hold(first, 90)
    held.hold(first, 20)
    assert turned == [1]


def test_a_page_token_names_its_login() -> None:
    tokens = PageTokens()
    ada, bob = Login("a", "ada"), Login("b")
    issued = tokens.issue(ada)
    assert tokens.accept(issued) == ada and tokens.accept(tokens.issue(bob)) == bob
    assert PageTokens().accept(issued) is None, "another process accepts it"


@pytest.mark.parametrize("odd", ["", "nbexec-page-", "nbexec-page-" + "0" * 64, "\ud800", "nbexec-page-" + "é" * 64])
def test_other_text_is_not_a_page_token(odd: str) -> None:
    tokens = PageTokens()
    issued = tokens.issue(Login("a"))
    assert tokens.accept(odd) is None
    assert tokens.accept(issued[:-1]) is tokens.accept(issued + "0") is tokens.accept(issued.upper()) is None


def test_all_page_tokens_of_a_login_end_with_it() -> None:
    tokens = PageTokens()
    of_ada, of_bob = [tokens.issue(Login("a")) for _ in range(3)], tokens.issue(Login("b"))
    tokens.end("a")
    assert [tokens.accept(token) for token in of_ada] == [None] * 3
    assert tokens.accept(of_bob) == Login("b")


def test_a_page_token_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = PageTokens()
    issued, now = tokens.issue(Login("a")), time.monotonic()
    monkeypatch.setattr(page_tokens.time, "monotonic", lambda: now + LIFETIME - 1)
    assert tokens.accept(issued) == Login("a")
    monkeypatch.setattr(page_tokens.time, "monotonic", lambda: now + LIFETIME + 1)
    assert tokens.accept(issued) is None
    tokens.issue(Login("b"))
    assert len(tokens._issued) == 1, "the expired one is forgotten"


def test_the_oldest_page_token_is_dropped_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_tokens, "_MOST", 2)
    tokens = PageTokens()
    issued = [tokens.issue(Login(str(number))) for number in range(3)]
    assert [tokens.accept(token) is not None for token in issued] == [False, True, True]
