"""The line of executions that wait for a slot."""

from __future__ import annotations

from typing import Callable, List

import pytest

from nbexec.errors import TooManyExecutionsError
from nbexec.executions.slots import Slots, Ticket, has_slot


def held(tickets: List[Ticket[None]]) -> List[bool]:
    return [has_slot(ticket) for ticket in tickets]


async def test_there_are_as_many_slots_as_the_limit_says() -> None:
    slots = Slots(limit=2)
    tickets = [slots.take() for _ in range(4)]
    assert held(tickets) == [True, True, False, False]
    assert (slots.taken, slots.waiting) == (2, 2)
    assert [slots.position(ticket) for ticket in tickets] == [0, 0, 1, 2]


async def test_without_a_limit_nobody_waits() -> None:
    slots = Slots()
    assert all(held([slots.take() for _ in range(1000)]))
    assert (slots.taken, slots.waiting) == (1000, 0)


async def test_a_slot_that_is_given_back_goes_to_the_first_in_line() -> None:
    slots = Slots(limit=1)
    first, second, third = (slots.take() for _ in range(3))
    slots.leave(first, 1.0)
    assert held([second, third]) == [True, False]
    assert (slots.taken, slots.position(third)) == (1, 1)
    slots.leave(second, 1.0)
    slots.leave(third, 1.0)
    assert (slots.taken, slots.waiting) == (0, 0)


async def test_nobody_overtakes_those_who_wait() -> None:
    slots = Slots(limit=1)
    first, second = slots.take(), slots.take()
    slots.leave(first, 1.0)
    assert held([second, slots.take()]) == [True, False]


@pytest.mark.parametrize("give_up", [
    lambda slots, ticket: slots.leave(ticket, 0.0), lambda slots, ticket: ticket.cancel(),
    lambda slots, ticket: (ticket.set_exception(ValueError("shut down")), ticket.exception())],
    ids=["left", "cancelled", "an exception"])
async def test_who_gives_up_is_passed_over(give_up: Callable[[Slots, Ticket[None]], None]) -> None:
    slots = Slots(limit=1)
    first, second, third = (slots.take() for _ in range(3))
    give_up(slots, second)
    assert (slots.waiting, slots.position(third), slots.position(second)) == (1, 1, 0)
    slots.leave(first, 1.0)
    assert held([second, third]) == [False, True]
    assert slots.taken == 1


async def test_who_gives_up_frees_no_slot_that_is_another_s() -> None:
    slots = Slots(limit=1)
    first, second, third = (slots.take() for _ in range(3))
    slots.leave(second, 0.0)
    assert held([first, third]) == [True, False]


@pytest.mark.parametrize("max_waiting", [0, 1, 3])
async def test_the_line_has_an_end(max_waiting: int) -> None:
    slots = Slots(limit=1, max_waiting=max_waiting)
    tickets = [slots.take() for _ in range(1 + max_waiting)]
    with pytest.raises(TooManyExecutionsError) as refused:
        slots.take()
    assert str(max_waiting) in str(refused.value)
    if max_waiting:
        tickets[-1].cancel()
        assert slots.position(slots.take()) == max_waiting


async def test_the_advice_when_to_come_again_follows_how_long_executions_take() -> None:
    async def advice(*durations: float) -> float:
        slots = Slots(limit=1, max_waiting=0)
        for duration in durations:
            slots.leave(slots.take(), duration)
        slots.take()
        with pytest.raises(TooManyExecutionsError) as refused:
            slots.take()
        return refused.value.retry_after

    unknown, short, long = await advice(), await advice(*[0.01] * 50), await advice(*[100.0] * 50)
    assert 1 <= short < unknown < 90 < long <= 101
    assert unknown < await advice(100.0) < long
