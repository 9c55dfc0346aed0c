"""The keys of requests that come again; what a client is answered then is in test_records.py."""

from __future__ import annotations

import asyncio
from typing import Iterator

import pytest

from nbexec.errors import IdempotencyKeyReusedError, NotebookNotFoundError
from nbexec.execution import Execution
from nbexec.executions.idempotency import IdempotencyKeys
from nbexec.executions.store import ExecutionStore, Key
from nbexec.run_arguments import RunArguments

ARGUMENTS = RunArguments("a.ipynb", {"x": "1", "password": "hunter2"})
OTHERS = RunArguments("a.ipynb", {"x": "2", "password": "hunter2"})


@pytest.fixture()
def store() -> Iterator[ExecutionStore]:
    store = ExecutionStore()
    yield store
    store.close()


@pytest.fixture()
def keys(store: ExecutionStore) -> IdempotencyKeys:
    return IdempotencyKeys(store)


async def test_a_new_key_leads_nowhere(keys: IdempotencyKeys) -> None:
    assert await keys.find("key", ARGUMENTS) is None


async def test_a_key_in_the_records_leads_to_its_execution(keys: IdempotencyKeys, store: ExecutionStore) -> None:
    store.save(Execution("one", ARGUMENTS), Key("key", ARGUMENTS.digest()))
    assert await keys.find("key", ARGUMENTS) == "one"
    with pytest.raises(IdempotencyKeyReusedError) as refused:
        await keys.find("key", OTHERS)
    assert (refused.value.key, refused.value.exec_id) == ("key", "one")


async def test_who_comes_meanwhile_waits_for_the_first(keys: IdempotencyKeys) -> None:
    with keys.claim("key", ARGUMENTS) as answer:
        waiting = [asyncio.ensure_future(keys.find("key", ARGUMENTS)) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(one.done() for one in waiting)
        answer.set_result("one")
    assert await asyncio.gather(*waiting) == ["one"] * 3


async def test_another_request_does_not_wait_to_be_refused(keys: IdempotencyKeys) -> None:
    with keys.claim("key", ARGUMENTS):
        with pytest.raises(IdempotencyKeyReusedError) as refused:
            await keys.find("key", OTHERS)
    assert refused.value.exec_id is None


async def test_who_waits_is_refused_as_the_first_is(keys: IdempotencyKeys) -> None:
    with pytest.raises(NotebookNotFoundError), keys.claim("key", ARGUMENTS):
        waiting = asyncio.ensure_future(keys.find("key", ARGUMENTS))
        await asyncio.sleep(0)
        raise NotebookNotFoundError("a.ipynb")
    with pytest.raises(NotebookNotFoundError):
        await waiting
    assert await keys.find("key", OTHERS) is None, "the key is free again"


async def test_who_goes_away_takes_nothing_from_the_others(keys: IdempotencyKeys) -> None:
    with keys.claim("key", ARGUMENTS) as answer:
        going, staying = (asyncio.ensure_future(keys.find("key", ARGUMENTS)) for _ in range(2))
        await asyncio.sleep(0)
        going.cancel()
        await asyncio.sleep(0)
        answer.set_result("one")
    assert await staying == "one"


# -- what is remembered of a request --------------------------------------------------------------


def test_a_digest_tells_requests_apart_and_gives_no_value_away() -> None:
    digest = ARGUMENTS.digest()
    assert "hunter2" not in digest
    assert digest == RunArguments("a.ipynb", {"password": "hunter2", "x": "1"}).digest(), "the order does not matter"
    assert ARGUMENTS.has_digest(digest) and not OTHERS.has_digest(digest)
    for name, value in {"notebook": "b.ipynb", "output_path": "o.ipynb", "overwrite": True, "jupyter_kernel": "k",
                        "cell_timeout": 1, "failed_apart": True}.items():
        other = RunArguments(**{**vars(ARGUMENTS), name: value})
        assert not other.has_digest(digest), name


def test_the_value_of_a_secret_parameter_does_not_count() -> None:
    digest = ARGUMENTS.digest(["password"])
    assert RunArguments("a.ipynb", {"x": "1", "password": "another"}).has_digest(digest)
    assert not RunArguments("a.ipynb", {"x": "2", "password": "hunter2"}).has_digest(digest)
    assert not RunArguments("a.ipynb", {"x": "1"}).has_digest(digest), "whether there is one counts"
