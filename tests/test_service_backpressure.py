"""The gate, on an event loop whose clock the test owns: waiting takes no time."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from scenesearch.engine.remote.backend import BusyError, DeadlineError
from scenesearch.engine.remote.backpressure import PRESENT_S, Lane


class QuickSelector(selectors.DefaultSelector):
    """Instead of waiting for a timer, moves the clock to it."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits and nothing will ever happen"
            self.now += timeout
        return ready


def play(scene: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine function on a clock of its own."""
    selector = QuickSelector()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(scene())


def now() -> float:
    return asyncio.get_running_loop().time()


async def hold(
    lane: Lane, seconds: float, *, within_s: float = 1e6, client: str | None = None
) -> float:
    """Go through a lane; when the place was got."""
    place = await lane.enter(deadline=now() + within_s, client=client)
    begun = now()
    try:
        await asyncio.sleep(seconds)
    finally:
        place.leave()
    return begun


def later(*scenes: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
    return [asyncio.ensure_future(scene) for scene in scenes]


async def measured(lane: Lane, seconds: float) -> None:
    """Let the lane know how long a place is held."""
    for _ in range(50):
        await hold(lane, seconds)


def test_places_are_given_in_the_order_of_coming() -> None:
    async def scene() -> None:
        lane, order = Lane("x", places=2, limit=100), []

        async def one(number: int, seconds: float) -> None:
            await hold(lane, seconds)
            order.append(number)

        start = now()
        await asyncio.gather(*(one(n, 1.0) for n in range(7)))

        assert order == list(range(7))
        assert now() - start == pytest.approx(4.0)

    play(scene)


def test_never_more_hold_a_place_than_there_are_whatever_happens() -> None:
    async def scene() -> None:
        rng = random.Random(0)
        lane, running, most = Lane("x", places=3, limit=50), 0, 0

        async def one() -> None:
            nonlocal running, most
            await asyncio.sleep(rng.uniform(0, 30))
            place = await lane.enter(deadline=now() + rng.uniform(0.1, 5), client=rng.choice("ab"))
            running += 1
            most = max(most, running)
            try:
                await asyncio.sleep(rng.uniform(0, 1))
            finally:
                running -= 1
                place.leave()
                place.leave()

        tasks = later(*(one() for _ in range(400)))
        for task in rng.sample(tasks, 100):
            asyncio.get_running_loop().call_later(rng.uniform(0, 30), task.cancel)
        found = await asyncio.gather(*tasks, return_exceptions=True)

        kinds = {type(one) for one in found}
        assert kinds <= {type(None), BusyError, DeadlineError, asyncio.CancelledError}
        assert most == 3
        numbers = lane.numbers()
        assert (numbers.waiting, numbers.running, numbers.expected_wait_s) == (0, 0, 0)
        assert not lane._held
        assert sum(numbers.refused.values()) == sum(isinstance(one, BusyError) for one in found)

    play(scene)


def test_past_the_limit_is_busy_and_retry_after_is_the_measured_wait() -> None:
    async def scene() -> None:
        lane = Lane("x", places=2, limit=10)
        await measured(lane, 3.0)
        tasks = later(*(hold(lane, 3.0) for _ in range(10)))
        await asyncio.sleep(0)

        with pytest.raises(BusyError, match="10 requests wait or run") as caught:
            await hold(lane, 3.0)

        # 8 wait and 2 run: the eleventh would begin when nine have gone, two every 3 s
        assert caught.value.code == "busy"
        assert lane.numbers().expected_wait_s == pytest.approx(13.5)
        assert caught.value.retry_after_s == 14
        assert lane.numbers().refused == {"busy": 1}
        begun = await asyncio.gather(*tasks)
        assert max(begun) - min(begun) == pytest.approx(12.0)

    play(scene)


@pytest.mark.parametrize(
    ("within_s", "let_in"), [(20.0, True), (9.1, True), (8.9, False), (0.5, False)]
)
def test_what_would_be_answered_too_late_is_refused_at_once(within_s: float, let_in: bool) -> None:
    async def scene() -> None:
        lane = Lane("x", places=1, limit=10)
        await measured(lane, 3.0)
        tasks = later(*(hold(lane, 3.0) for _ in range(2)))
        await asyncio.sleep(0)
        start = now()

        # two are ahead, so it would be done after 9 s
        if let_in:
            assert await hold(lane, 0.0, within_s=within_s) - start == pytest.approx(6.0)
        else:
            with pytest.raises(BusyError, match="more than") as caught:
                await hold(lane, 0.0, within_s=within_s)
            assert now() == start
            assert caught.value.retry_after_s == max(1, -(-(9.0 - within_s) // 1))
        await asyncio.gather(*tasks)

    play(scene)


def test_a_free_place_is_given_even_if_answers_have_taken_too_long_so_far() -> None:
    async def scene() -> float:
        lane = Lane("x", places=1, limit=10)
        await measured(lane, 60.0)
        for _ in range(60):
            await hold(lane, 0.1, within_s=5.0)
        return lane.numbers().mean_s

    assert play(scene) < 0.5


def test_a_deadline_that_passes_while_waiting_frees_the_place_in_the_queue() -> None:
    async def scene() -> None:
        lane = Lane("x", places=1, limit=3)
        (first,) = later(hold(lane, 10.0))
        await asyncio.sleep(0)
        start = now()

        with pytest.raises(DeadlineError) as caught:
            await hold(lane, 1.0, within_s=2.0)

        assert now() - start == pytest.approx(2.0)
        assert caught.value.retry_after_s >= 1
        assert lane.numbers().waiting == 0
        assert lane.numbers().refused == {"deadline_exceeded": 1}
        await first

    play(scene)


def test_whoever_leaves_while_waiting_is_passed_over() -> None:
    async def scene() -> None:
        lane = Lane("x", places=1, limit=10)
        first, second, third = later(*(hold(lane, 1.0) for _ in range(3)))
        await asyncio.sleep(0.5)
        second.cancel()
        await asyncio.sleep(0)
        assert lane.numbers().waiting == 1

        assert await third - await first == pytest.approx(1.0)

    play(scene)


def test_whoever_leaves_in_the_moment_of_getting_a_place_passes_it_on() -> None:
    async def scene() -> None:
        lane = Lane("x", places=1, limit=10)
        place = await lane.enter(deadline=now() + 100)
        second, third = later(hold(lane, 1.0), hold(lane, 1.0))
        await asyncio.sleep(0)

        place.leave()
        second.cancel()

        await third
        assert lane.numbers().running == 0

    play(scene)


def test_one_client_gets_half_the_lane_while_others_ask_too_and_all_of_it_else() -> None:
    async def scene() -> None:
        lane = Lane("x", places=1, limit=8)
        alone = later(*(hold(lane, 1.0, client="greedy") for _ in range(8)))
        await asyncio.sleep(0)
        assert lane.numbers().waiting == 7
        with pytest.raises(BusyError) as full:
            await hold(lane, 1.0, client="modest")
        assert full.value.code == "busy"

        # its queue drains to its share, because somebody else was there
        await asyncio.sleep(3.5)
        with pytest.raises(BusyError, match="share") as caught:
            await hold(lane, 1.0, client="greedy")
        assert caught.value.code == "rate_limited"
        assert caught.value.retry_after_s >= 1
        modest = later(hold(lane, 1.0, client="modest"))
        nobody = later(hold(lane, 1.0))
        await asyncio.gather(*alone, *modest, *nobody)

        await asyncio.sleep(PRESENT_S + 1)
        await asyncio.gather(*(hold(lane, 1.0, client="greedy") for _ in range(8)))
        assert lane.numbers().refused == {"busy": 1, "rate_limited": 1}

    play(scene)


def test_a_closed_lane_lets_in_who_waits_and_nobody_else() -> None:
    async def scene() -> None:
        lane = Lane("x", places=1, limit=10)
        tasks = later(*(hold(lane, 1.0) for _ in range(4)))
        await asyncio.sleep(0)
        lane.close()
        with pytest.raises(BusyError) as caught:
            await hold(lane, 1.0)
        start = now()

        await lane.drained()

        assert caught.value.code == "stopping"
        assert now() - start == pytest.approx(4.0)
        assert all(task.done() or not task.cancelled() for task in tasks)
        await asyncio.gather(*tasks)
        await lane.drained()

    play(scene)


def test_at_four_times_what_it_can_do_a_lane_works_on_at_full_speed() -> None:
    async def scene() -> None:
        rng = random.Random(1)
        lane = Lane("x", places=3, limit=64)
        done: list[float] = []

        async def one() -> None:
            start = now()
            await hold(lane, rng.uniform(0.1, 0.3), within_s=4.0)
            done.append(now() - start)

        tasks = []
        for _ in range(3600):  # 60 a second for a minute, where 15 can be done
            tasks += later(one())
            await asyncio.sleep(1 / 60)
        found = await asyncio.gather(*tasks, return_exceptions=True)

        refused = [one for one in found if isinstance(one, BusyError)]
        assert len(done) + len(refused) == 3600
        assert len(done) > 0.95 * 60 * 15
        assert max(done) < 4.5
        late = [one for one in refused if isinstance(one, DeadlineError)]
        assert len(late) < 0.05 * len(done), "nearly all are refused when they come"
        assert lane.expected_wait_s() == 0

    play(scene)
