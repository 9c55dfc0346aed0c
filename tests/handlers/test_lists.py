"""Lists of executions by HTTP: what a query selects, in which order, a page at a time."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Dict, List

import pytest
from helpers import Server, wait_for, write_notebook

WAIT = "import os, time\nwhile not os.path.exists('list-go'): time.sleep(0.005)"


@pytest.fixture(scope="module")
def ids(server: Server) -> Dict[str, str]:
    """Return the ids of executions in several states, by a name for each."""
    root = server.root
    good = write_notebook(root / "lists-good.ipynb", "# nbexec: params\nregion = 'South'")
    bad = write_notebook(root / "lists-bad.ipynb", "1 / 0")
    slow = write_notebook(root / "lists-slow.ipynb", WAIT)
    known = {"south": server.run(good)[0]["exec_id"], "north": server.run(good, region="NÖrth")[0]["exec_id"],
             "failed": server.run(bad)[0]["exec_id"], "stopped": server.start_run(slow)}
    wait_for(lambda: server.model(known["stopped"])["progress"], what="its cell")
    server.post(f"/{known['stopped']}", action="shutdown")
    server.wait_until_final(known["stopped"])
    return {**known, "running": server.start_run(slow)}


@pytest.fixture(scope="module", autouse=True)
def _let_go(server: Server, ids: Dict[str, str]) -> Any:
    wait_for(lambda: server.model(ids["running"])["progress"], what="its cell")
    yield
    (server.root / "list-go").touch()


def listed(server: Server, ids: Dict[str, str], **query: Any) -> List[str]:
    """Return the names of those listed that are known here, in the order of the list."""
    response = server.get(params=query)
    assert response.status_code == 200, response.text
    names = {exec_id: name for name, exec_id in ids.items()}
    return [names[model["exec_id"]] for model in response.json()["executions"] if model["exec_id"] in names]


def test_without_a_query_all_are_listed_and_nothing_else(server: Server, ids: Dict[str, str]) -> None:
    assert listed(server, ids) == ["south", "north", "failed", "stopped", "running"]
    assert set(server.get().json()) == {"executions"}
    assert listed(server, ids, color="red") == listed(server, ids)


@pytest.mark.parametrize("query, expected", [
    ({"text": "nöRTH"}, ["north"]), ({"text": "region=n"}, ["north"]), ({"text": "zerodivision"}, ["failed"]),
    ({"state": "failed"}, ["failed"]), ({"state": "stopped"}, ["stopped"]), ({"state": "completed,running"},
                                                                            ["south", "north", "running"]),
    ({"notebook": "lists-good.ipynb"}, ["south", "north"]), ({"notebook": "/lists-bad.ipynb"}, ["failed"]),
    ({"notebook": "lists-good.ipynb", "order": "newest"}, ["north", "south"]),
    ({"text": "lists-", "state": "running", "notebook": "lists-good.ipynb"}, [])], ids=str)
def test_a_query_selects(server: Server, ids: Dict[str, str], query: Dict[str, str], expected: List[str]) -> None:
    assert listed(server, ids, **query) == expected


def test_a_time_is_a_bound(server: Server, ids: Dict[str, str]) -> None:
    moment = server.model(ids["failed"])["requested_at"]
    text = datetime.fromtimestamp(moment, timezone.utc).replace(tzinfo=None).isoformat() + "Z"
    assert listed(server, ids, since=moment) == listed(server, ids, since=text) == ["failed", "stopped", "running"]
    assert listed(server, ids, until=moment) == ["south", "north"]
    assert listed(server, ids, since="2100-01-01") == []


def test_pages_have_all_of_them_once(server: Server, ids: Dict[str, str]) -> None:
    for order in ("oldest", "newest"):
        found: List[str] = []
        after: Dict[str, int] = {}
        while True:
            answer = server.get(params={"text": "lists-", "order": order, "limit": 2, **after}).json()
            found += [model["exec_id"] for model in answer["executions"]]
            assert len(answer["executions"]) <= 2
            if answer["next"] is None:
                break
            after = {"after": answer["next"]}
        expected = list(ids.values())
        assert found == (expected if order == "oldest" else expected[::-1])


@pytest.mark.parametrize("name, value", [
    ("state", "done"), ("state", ""), ("since", "yesterday"), ("until", "1e99"), ("order", "up"), ("limit", "0"),
    ("limit", "1001"), ("limit", "many"), ("after", "-1"), ("after", "9" * 19)])
def test_a_value_that_is_not_accepted_is_named(server: Server, name: str, value: str) -> None:
    response = server.get(params={name: value})
    assert (response.status_code, response.headers["X-Error-Field"]) == (400, name)
