import hashlib
import io

import pytest

from crypto import SEGMENT_SIZE, DataKey, Sealer, sealed_size, unseal_stream
from crypto.format import MAX_PLAINTEXT, Header
from domain.errors import StorageFull, TooLarge
from tests.unit.crypto.blobs import CONTEXT, KEY, seal
from tests.vectors import reference

FIRST, STEP = 64 - 56, 64 - 16
LENGTHS = [0, 1, FIRST - 1, FIRST, FIRST + 1, FIRST + STEP - 1, FIRST + STEP, FIRST + STEP + 1, FIRST + 2 * STEP, 500]
ALIGNED = SEGMENT_SIZE - 56, SEGMENT_SIZE - 16


def by_the_book(sealed, plain, segment_size):
    header = Header.parse(bytes(sealed[:40]))
    return reference.seal(KEY.reveal(), header.salt, header.prefix, CONTEXT.encode(), plain, segment_size=segment_size)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("write_size", [1, 3, FIRST, STEP, STEP + 1, 64, 1000])
def test_any_length_in_any_pieces_is_sealed_by_the_book(length, write_size):
    plain = bytes(number % 251 for number in range(length))
    sealed = bytearray()
    sealer = Sealer(KEY, CONTEXT, sealed.extend, segment_size=64)
    for at in range(0, length, write_size):
        sealer.write(plain[at : at + write_size])
    done = sealer.finish()
    assert sealed == by_the_book(sealed, plain, 64)
    assert done.plaintext_size == length
    assert done.sealed_size == len(sealed) == sealed_size(length, 64)
    assert done.sealed_sha256 == hashlib.sha256(sealed).digest()
    assert done.commitment == KEY.commitment(Header.parse(bytes(sealed[:40])).salt, CONTEXT)


@pytest.mark.parametrize(
    "length", [0, 1, ALIGNED[0] - 1, ALIGNED[0], ALIGNED[0] + 1, sum(ALIGNED), sum(ALIGNED) + 1, 3 * SEGMENT_SIZE]
)
@pytest.mark.parametrize("write_size", [65_537, ALIGNED[0], SEGMENT_SIZE, 1 << 30])
def test_whole_segments_of_one_mebibyte_are_sealed_by_the_book(length, write_size):
    plain = hashlib.shake_128(b"plain").digest(length)
    sealed = bytearray()
    sealer = Sealer(KEY, CONTEXT, sealed.extend)
    for at in range(0, length, write_size):
        sealer.write(plain[at : at + write_size])
    sealer.finish()
    assert sealed == by_the_book(sealed, plain, SEGMENT_SIZE)


def test_each_segment_is_written_once_and_whole():
    pieces: list[bytes] = []
    sealer = Sealer(KEY, CONTEXT, lambda view: pieces.append(bytes(view)), segment_size=64)
    for _ in range(10):
        sealer.write(bytes(20))
    sealer.finish()
    assert [len(piece) for piece in pieces] == [64, 64, 64, 64, 64]  # 8 + 4·48 = 200 bytes fill five exactly


def test_a_full_segment_waits_until_it_is_known_whether_it_is_the_last():
    pieces: list[memoryview] = []
    sealer = Sealer(KEY, CONTEXT, pieces.append, segment_size=64)
    sealer.write(bytes(FIRST))
    assert not pieces
    sealer.write(b"")
    assert not pieces
    sealer.write(b"\x00")
    assert len(pieces) == 1


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("write_size", [3, FIRST, STEP, 64, 1000])
def test_a_stream_of_an_expected_length_is_the_same_stream(length, write_size):
    plain = bytes(number % 251 for number in range(length))
    sealed = bytearray()
    sealer = Sealer(KEY, CONTEXT, sealed.extend, segment_size=64, expected=length)
    for at in range(0, length, write_size):
        sealer.write(plain[at : at + write_size])
    sealer.finish()
    assert sealed == by_the_book(sealed, plain, 64)


def test_a_full_segment_goes_at_once_where_more_is_expected_and_the_last_one_waits():
    pieces: list[memoryview] = []
    sealer = Sealer(KEY, CONTEXT, pieces.append, segment_size=64, expected=FIRST + STEP)
    sealer.write(bytes(FIRST))
    assert len(pieces) == 1
    sealer.write(bytes(STEP))
    assert len(pieces) == 1
    sealer.finish()
    assert len(pieces) == 2


@pytest.mark.parametrize("length", [0, FIRST, FIRST + 1, FIRST + STEP])
def test_a_stream_that_is_shorter_than_was_expected_has_no_end(length):
    sealed = bytearray()
    sealer = Sealer(KEY, CONTEXT, sealed.extend, segment_size=64, expected=FIRST + STEP + 1)
    sealer.write(bytes(length))
    with pytest.raises(ValueError, match="shorter"):
        sealer.finish()
    with pytest.raises(ValueError, match="shorter"):
        sealer.write(b"x")


def test_a_stream_that_is_longer_than_was_expected_is_sealed_by_the_book():
    plain, sealed = bytes(range(250)), bytearray()
    sealer = Sealer(KEY, CONTEXT, sealed.extend, segment_size=64, expected=FIRST + STEP)
    for at in range(0, 250, FIRST):
        sealer.write(plain[at : at + FIRST])
    sealer.finish()
    assert sealed == by_the_book(sealed, plain, 64)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda raw: memoryview(raw).cast("I")])
def test_any_kind_of_buffer_is_taken(kind):
    plain = bytes(range(200))
    sealed = bytearray()
    sealer = Sealer(KEY, CONTEXT, sealed.extend, segment_size=64)
    sealer.write(kind(plain))
    assert sealer.plaintext_size == 200
    sealer.finish()
    assert sealed == by_the_book(sealed, plain, 64)


def test_a_buffer_may_be_used_again_as_soon_as_write_returns():
    plain = bytes(range(250))
    sealed = bytearray()
    sealer = Sealer(KEY, CONTEXT, sealed.extend, segment_size=64)
    buffer = bytearray(10)
    for at in range(0, 250, 10):
        buffer[:] = plain[at : at + 10]
        sealer.write(buffer)
        buffer[:] = b"\xff" * 10
    sealer.finish()
    assert sealed == by_the_book(sealed, plain, 64)


def test_the_same_bytes_are_never_sealed_alike():
    streams = [seal(b"the same")[0] for _ in range(50)]
    assert len(set(streams)) == len({stream[1:33] for stream in streams}) == len({s[40:] for s in streams}) == 50


def test_what_was_sealed_opens_with_the_key_string_alone():
    sealed, _ = seal(b"x" * 300)
    pieces = unseal_stream(io.BytesIO(sealed).read, KEY.key_string(CONTEXT, 64))
    assert b"".join(pieces) == b"x" * 300


class _Full:
    """A store that takes some segments and then no more."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken: list[bytes] = []

    def write(self, view: memoryview) -> None:
        if len(self.taken) == self.room:
            raise StorageFull
        self.taken.append(bytes(view))


@pytest.mark.parametrize("room", [0, 1, 2])
def test_a_failed_write_breaks_the_stream_for_good_and_it_opens_for_nobody(room):
    store = _Full(room)
    sealer = Sealer(KEY, CONTEXT, store.write, segment_size=64)
    with pytest.raises(StorageFull) as first:
        sealer.write(bytes(1000))
    store.room = 100
    for again in (lambda: sealer.write(b"more"), lambda: sealer.write(b""), sealer.finish):
        with pytest.raises(StorageFull) as later:
            again()
        assert later.value is first.value
    assert len(store.taken) == room  # and no segment number was ever sealed again


def test_a_failure_in_finish_breaks_it_too():
    store = _Full(0)
    sealer = Sealer(KEY, CONTEXT, store.write, segment_size=64)
    sealer.write(b"short")
    for _ in range(2):
        with pytest.raises(StorageFull):
            sealer.finish()


def test_nothing_is_taken_after_the_end():
    sealer = Sealer(KEY, CONTEXT, bytearray().extend, segment_size=64)
    sealer.finish()
    for again in (lambda: sealer.write(b"more"), sealer.finish):
        with pytest.raises(ValueError, match="finished"):
            again()


def test_an_aborted_stream_has_no_end_and_keeps_no_plaintext():
    sealed = bytearray()
    sealer = Sealer(KEY, CONTEXT, sealed.extend, segment_size=64)
    sealer.write(b"P" * 100)
    sealer.abort()
    sealer.abort()
    for again in (lambda: sealer.write(b"more"), sealer.finish):
        with pytest.raises(ValueError, match="given up"):
            again()
    assert len(sealed) == 128
    assert not any(sealer._staged)


def test_no_plaintext_stays_in_the_buffer_after_the_end():
    sealer = Sealer(KEY, CONTEXT, bytearray().extend, segment_size=64)
    sealer.write(b"P" * 100)
    assert any(sealer._staged)
    sealer.finish()
    sealer.abort()
    assert not any(sealer._staged)


def test_no_plaintext_stays_in_the_buffer_after_a_failure():
    store = _Full(1)
    sealer = Sealer(KEY, CONTEXT, store.write, segment_size=64)
    sealer.write(b"P" * (FIRST + STEP))
    with pytest.raises(StorageFull):
        sealer.write(b"P")
    assert not any(sealer._staged)


def test_more_than_a_tebibyte_is_refused():
    sealer = Sealer(KEY, CONTEXT, lambda view: None, segment_size=64)
    sealer._plaintext_size = MAX_PLAINTEXT - 1
    sealer.write(b"x")
    with pytest.raises(TooLarge):
        sealer.write(b"x")
    with pytest.raises(TooLarge):
        sealer.finish()


@pytest.mark.parametrize("segment_size", [0, 56, 1 << 25])
def test_an_impossible_segment_size_is_refused(segment_size):
    with pytest.raises(ValueError, match="not possible"):
        Sealer(DataKey.generate(), CONTEXT, lambda view: None, segment_size=segment_size)
