"""The pump: bounded both ways, awake at once, and no thread left behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Iterable

import pytest

from domain.errors import IncompleteBody, RateLimited, TooLarge
from transfer.pump import Pump, run_in_thread


@pytest.fixture
def pump():
    pump = Pump(2)
    yield pump
    assert pump.running == 0
    pump.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("transfer") and thread.is_alive()]


def joined(chunks: Iterable[bytes]) -> bytes:
    return b"".join(chunks)


def cancelling() -> int:
    """Cancellations of this task that nobody has taken back."""
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


async def test_what_is_put_comes_out_in_order(pump):
    pieces = [bytes([number % 256]) * (number * 7 % 50) for number in range(2000)]
    with pump.take() as slot:
        async with slot.inlet(joined, batch=1000) as inlet:
            for piece in pieces:
                await inlet.put(piece)
            assert await inlet.finish() == b"".join(pieces)


async def test_an_empty_body_is_a_body(pump):
    with pump.take() as slot:
        async with slot.inlet(joined) as inlet:
            assert await inlet.finish() == b""


async def test_small_chunks_cross_in_batches(pump):
    with pump.take() as slot:
        async with slot.inlet(lambda chunks: [len(chunk) for chunk in chunks], batch=100) as inlet:
            for _ in range(25):
                await inlet.put(b"x" * 10)
            assert await inlet.finish() == [100, 100, 50]


async def test_a_slow_reader_holds_the_writer_up(pump):
    go = threading.Event()

    def read_late(chunks: Iterable[bytes]) -> int:
        go.wait()
        return sum(len(chunk) for chunk in chunks)

    put = 0
    with pump.take() as slot:
        async with slot.inlet(read_late, depth=3, batch=10) as inlet:

            async def fill() -> None:
                nonlocal put
                for _ in range(10):
                    await inlet.put(b"x" * 10)
                    put += 1

            filling = asyncio.ensure_future(fill())
            await asyncio.sleep(0.05)
            assert put == 3
            go.set()
            await filling
            assert await inlet.finish() == 100


async def test_a_failing_reader_interrupts_whatever_the_writer_waits_for(pump):
    def refuse(chunks: Iterable[bytes]) -> None:
        for _ in chunks:
            raise TooLarge

    with pump.take() as slot:
        with pytest.raises(TooLarge):
            async with slot.inlet(refuse, batch=1) as inlet:
                await inlet.put(b"x")
                await asyncio.Event().wait()  # a client that sends nothing more
        assert cancelling() == 0
        await asyncio.sleep(0)  # no interruption is left on its way


async def test_a_failing_reader_interrupts_a_writer_that_waits_for_room(pump):
    go = threading.Event()

    def refuse(chunks: Iterable[bytes]) -> None:
        go.wait()
        raise TooLarge

    async def release() -> None:
        await asyncio.sleep(0.02)
        go.set()

    with pump.take() as slot:
        releasing = asyncio.ensure_future(release())
        with pytest.raises(TooLarge):
            async with slot.inlet(refuse, depth=1, batch=1) as inlet:
                for _ in range(5):
                    await inlet.put(b"x")
        await releasing
        assert cancelling() == 0


async def test_a_failure_at_the_end_is_told_by_finish(pump):
    def refuse(chunks: Iterable[bytes]) -> None:
        joined(chunks)
        raise TooLarge

    with pump.take() as slot:
        async with slot.inlet(refuse) as inlet:
            await inlet.put(b"x")
            with pytest.raises(TooLarge):
                await inlet.finish()
        assert cancelling() == 0


@pytest.mark.parametrize("turns", range(6))
async def test_a_failure_at_any_moment_leaves_no_cancellation_behind(pump, turns):
    def refuse(chunks: Iterable[bytes]) -> None:
        next(iter(chunks))
        raise TooLarge

    with pump.take() as slot:
        with pytest.raises(TooLarge):
            async with slot.inlet(refuse, batch=1) as inlet:
                await inlet.put(b"x")
                for _ in range(turns):
                    await asyncio.sleep(0)
                await inlet.finish()
        assert cancelling() == 0
        await asyncio.sleep(0)


async def test_the_writers_own_error_goes_before_the_interruption(pump):
    def refuse(chunks: Iterable[bytes]) -> None:
        next(iter(chunks))
        raise TooLarge

    with pump.take() as slot:
        with pytest.raises(ConnectionResetError):
            async with slot.inlet(refuse, batch=1) as inlet:
                await inlet.put(b"x")
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    raise ConnectionResetError from None
        assert cancelling() == 0


async def test_leaving_early_tells_the_reader_that_the_body_is_incomplete(pump):
    seen: list[BaseException] = []

    def read(chunks: Iterable[bytes]) -> None:
        try:
            joined(chunks)
        except IncompleteBody as error:
            seen.append(error)
            raise

    with pump.take() as slot, pytest.raises(ConnectionResetError):
        async with slot.inlet(read) as inlet:
            await inlet.put(b"x")
            raise ConnectionResetError
    assert len(seen) == 1


async def test_fail_tells_the_reader_why(pump):
    def read(chunks: Iterable[bytes]) -> str:
        try:
            joined(chunks)
        except TimeoutError:
            return "slow"
        return "whole"

    with pump.take() as slot:
        async with slot.inlet(read) as inlet:
            inlet.fail(TimeoutError())
            assert await inlet.finish() == "slow"


async def test_a_cancelled_request_waits_for_its_worker(pump):
    ended = threading.Event()

    def read(chunks: Iterable[bytes]) -> None:
        try:
            joined(chunks)
        finally:
            time.sleep(0.05)  # a commit that must run to its end
            ended.set()

    async def request() -> None:
        with pump.take() as slot:
            async with slot.inlet(read) as inlet:
                await inlet.put(b"x")
                await asyncio.Event().wait()

    task = asyncio.ensure_future(request())
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0.01)
    task.cancel()  # impatient
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_a_request_cancelled_at_the_end_waits_for_its_worker(pump):
    ended = threading.Event()

    def read(chunks: Iterable[bytes]) -> None:
        joined(chunks)
        time.sleep(0.05)
        ended.set()

    async def request() -> None:
        with pump.take() as slot:
            async with slot.inlet(read) as inlet:
                await inlet.finish()

    task = asyncio.ensure_future(request())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_a_worker_that_needs_no_more_holds_nobody_up(pump):
    with pump.take() as slot:
        async with slot.inlet(lambda chunks: "enough", depth=1, batch=1) as inlet:
            for _ in range(20):
                await inlet.put(b"x")
            assert await inlet.finish() == "enough"


async def test_slots_are_refused_above_the_number_and_given_back(pump):
    with pump.take() as one, pump.take():
        assert pump.running == 2
        with pytest.raises(RateLimited) as refused:
            pump.take()
        assert refused.value.facts == {"retry_after": 5}
        one.release()
        one.release()
        assert pump.running == 1
        with pump.take():
            pass


async def test_an_outlet_gives_items_in_order_and_ends(pump):
    with pump.take() as slot:
        async with slot.outlet(lambda: iter(range(500))) as outlet:
            assert [item async for item in outlet] == list(range(500))


async def test_an_outlet_produces_only_so_far_ahead(pump):
    made = 0

    def items():
        nonlocal made
        for number in range(100):
            made += 1
            yield number

    with pump.take() as slot:
        async with slot.outlet(items, depth=2) as outlet:
            await asyncio.sleep(0.05)
            assert made == 2
            assert await anext(outlet) == 0
            await asyncio.sleep(0.05)
            assert made == 3


async def test_a_producers_error_comes_after_what_it_made(pump):
    def items():
        yield 1
        yield 2
        raise TooLarge

    with pump.take() as slot:
        async with slot.outlet(items) as outlet:
            assert [await anext(outlet), await anext(outlet)] == [1, 2]
            with pytest.raises(TooLarge):
                await anext(outlet)


async def test_leaving_an_outlet_closes_its_producer_in_its_own_thread(pump):
    closed_in: list[str] = []

    def items():
        try:
            while True:
                yield b"x"
        finally:
            closed_in.append(threading.current_thread().name)

    with pump.take() as slot:
        async with slot.outlet(items) as outlet:
            await anext(outlet)
    assert len(closed_in) == 1
    assert closed_in[0].startswith("transfer")


async def test_a_cancelled_download_leaves_no_thread(pump):
    closed = threading.Event()

    def items():
        try:
            while True:
                yield b"x"
        finally:
            closed.set()

    async def request() -> None:
        with pump.take() as slot:
            async with slot.outlet(items) as outlet:
                async for _ in outlet:
                    await asyncio.sleep(1)

    task = asyncio.ensure_future(request())
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed.is_set()


async def test_work_of_a_cancelled_request_runs_to_its_end_and_is_undone():
    undone: list[str] = []
    begun = threading.Event()

    def claim() -> str:
        begun.set()
        time.sleep(0.05)
        return "claim"

    task = asyncio.ensure_future(run_in_thread(claim, undo=undone.append))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert undone == ["claim"]


async def test_work_that_failed_has_nothing_to_undo(pump):
    undone: list[object] = []

    def refuse() -> None:
        raise TooLarge

    with pump.take() as slot, pytest.raises(TooLarge):
        await slot.run(refuse, undo=undone.append)
    assert undone == []


async def test_work_that_waits_is_told_to_stop_and_its_failure_is_nobodys_surprise(pump, caplog):
    told = threading.Event()

    def wait() -> None:
        told.wait()
        raise IncompleteBody

    async def request() -> None:
        with pump.take() as slot:
            await slot.run(wait, stop=told.set)

    task = asyncio.ensure_future(request())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    gc.collect()
    assert caplog.messages == []


async def test_work_gives_its_result():
    assert await run_in_thread(lambda a, b: a + b, 1, 2) == 3
