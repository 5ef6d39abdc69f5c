import itertools
import logging

import pytest

from crypto import SEGMENT_SIZE, Context, DataKey
from domain.errors import BlobsUnavailable, HeaderUnknown, SegmentForged, StreamTruncated, WrongContext
from tests.unit.crypto.blobs import CONTEXT, KEY, Blob, seal, unsealer

PLAIN = bytes(range(256))  # seven segments that hold 8, five times 48, and 8 bytes
SEALED, MADE = seal(PLAIN)
SEGMENTS = len(SEALED) // 64 + 1


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.CRITICAL)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 55, 56, 57, 104, 105, 256])
def test_every_range_of_every_length_is_exact(length):
    plain = PLAIN[:length]
    sealed, made = seal(plain)
    opened = unsealer(Blob(sealed), made)
    assert opened.plaintext_size == length
    for start, stop in itertools.combinations_with_replacement(range(length + 1), 2):
        assert b"".join(opened.read(start, stop)) == plain[start:stop]
    assert b"".join(opened.read()) == plain


def test_ranges_of_whole_segments_of_one_mebibyte_are_exact():
    plain = bytes(range(256)) * (10 << 10)
    sealed, made = seal(plain, SEGMENT_SIZE)
    opened = unsealer(Blob(sealed), made, SEGMENT_SIZE)
    borders = [
        0,
        1,
        SEGMENT_SIZE - 57,
        SEGMENT_SIZE - 56,
        SEGMENT_SIZE - 55,
        2 * SEGMENT_SIZE,
        len(plain) - 1,
        len(plain),
    ]
    for start, stop in itertools.combinations_with_replacement(borders, 2):
        assert b"".join(opened.read(start, stop)) == plain[start:stop]


def test_a_piece_is_never_longer_than_a_segment_and_never_empty():
    assert [len(piece) for piece in unsealer(Blob(SEALED), MADE).read()] == [8, 48, 48, 48, 48, 48, 8]
    sealed, made = seal(b"")
    assert list(unsealer(Blob(sealed), made).read()) == []


@pytest.mark.parametrize("start,stop", [(-1, 1), (2, 1), (0, 257), (257, 257)])
def test_a_range_outside_the_plaintext_is_the_callers_mistake(start, stop):
    opened = unsealer(Blob(SEALED), MADE)
    with pytest.raises(ValueError, match="outside"):
        opened.check(start, stop)
    with pytest.raises(ValueError, match="outside"):
        next(opened.read(start, stop))


class TestCheckSpeaksBeforeAnyByteIsGiven:
    """Each damage here is found by ``check``, and by the first piece where nobody called it (S-26, S-27)."""

    def refuses(self, sealed, error, start=0, stop=None, **changes):
        opened = unsealer(Blob(sealed), MADE, **changes)
        with pytest.raises(error):
            opened.check(start, stop)
        with pytest.raises(error):
            next(opened.read(start, stop))

    def test_of_a_foreign_key(self):
        self.refuses(SEALED, WrongContext, key=DataKey.generate())

    def test_of_a_foreign_context(self):
        self.refuses(SEALED, WrongContext, context=Context("installation", "other", "attachment"))

    def test_of_an_unknown_header(self):
        self.refuses(b"\x00" + SEALED[1:], HeaderUnknown)

    def test_of_another_salt(self):
        self.refuses(SEALED[:5] + b"\x00" + SEALED[6:], WrongContext)

    def test_of_another_nonce_prefix(self):
        self.refuses(SEALED[:35] + bytes([SEALED[35] ^ 1]) + SEALED[36:], SegmentForged)

    @pytest.mark.parametrize("length", [0, 1, 39, 40, 64, 128, len(SEALED) - 1])
    def test_of_a_blob_cut_short(self, length):
        self.refuses(SEALED[:length], StreamTruncated)

    @pytest.mark.parametrize("more", [b"\x00", bytes(64), SEALED])
    def test_of_a_blob_that_goes_on(self, more):
        self.refuses(SEALED + more, StreamTruncated)

    def test_of_an_older_stream_of_the_same_length_put_back(self):
        self.refuses(seal(PLAIN)[0], WrongContext)

    @pytest.mark.parametrize("at", [40, 63])
    def test_of_a_forged_first_segment(self, at):
        self.refuses(SEALED[:at] + bytes([SEALED[at] ^ 1]) + SEALED[at + 1 :], SegmentForged)

    def test_of_a_forged_first_wanted_segment(self):
        self.refuses(SEALED[:130] + bytes([SEALED[130] ^ 1]) + SEALED[131:], SegmentForged, 60, 200)

    def test_of_a_forged_last_segment_whatever_the_range(self):
        forged = SEALED[:-1] + bytes([SEALED[-1] ^ 1])
        for start, stop in ((0, None), (0, 1), (100, 110), (0, 0), (255, 256)):
            self.refuses(forged, SegmentForged, start, stop)

    def test_of_a_length_in_the_records_that_no_stream_has(self):
        for impossible in (0, 55, 64 + 15, 64 + 16):
            with pytest.raises(StreamTruncated):
                unsealer(Blob(SEALED), type(MADE)(0, impossible, b"", MADE.commitment))


def test_a_range_of_good_segments_is_served_beside_a_forged_one():
    forged = bytearray(SEALED)
    forged[3 * 64] ^= 1
    opened = unsealer(Blob(bytes(forged)), MADE)
    assert b"".join(opened.read(0, 104)) == PLAIN[:104]
    assert b"".join(opened.read(152, 256)) == PLAIN[152:]


def test_a_forged_segment_in_the_middle_ends_the_stream_before_its_first_byte_and_for_good():
    forged = bytearray(SEALED)
    forged[3 * 64] ^= 1
    opened = unsealer(Blob(bytes(forged)), MADE)
    opened.check()
    given = bytearray()
    with pytest.raises(SegmentForged) as first:
        for piece in opened.read():
            given += piece
    assert given == PLAIN[:104]
    for again in (lambda: opened.check(0, 1), lambda: next(opened.read(0, 1))):
        with pytest.raises(SegmentForged) as later:
            again()
        assert later.value is first.value


def test_two_iterators_of_one_unsealer_break_together():
    forged = bytearray(SEALED)
    forged[3 * 64] ^= 1
    opened = unsealer(Blob(bytes(forged)), MADE)
    one, other = opened.read(), opened.read()
    next(one)
    with pytest.raises(SegmentForged):
        list(other)
    with pytest.raises(SegmentForged):
        next(one)


def test_a_store_that_was_down_is_asked_again():
    blob = Blob(SEALED)
    opened = unsealer(blob, MADE)
    blob.down = BlobsUnavailable()
    with pytest.raises(BlobsUnavailable):
        opened.check()
    blob.down = None
    assert b"".join(opened.read()) == PLAIN


def test_nothing_is_read_before_it_is_asked_for_and_then_no_more_than_needed():
    blob = Blob(SEALED)
    opened = unsealer(blob, MADE)
    assert blob.reads == []
    last = (SEGMENTS - 1) * 64
    opened.check(60, 70)
    assert blob.reads == [(0, 40), (last, 8 + 16 + 1), (128, 64)]
    list(opened.read(60, 70))
    assert len(blob.reads) == 3


def test_a_whole_file_is_read_once():
    blob = Blob(SEALED)
    opened = unsealer(blob, MADE)
    opened.check()
    assert b"".join(opened.read()) == PLAIN
    read = [number for offset, length in blob.reads for number in range(offset, min(offset + length, len(SEALED)))]
    assert sorted(read) == list(range(len(SEALED)))


def test_a_small_file_costs_one_read():
    sealed, made = seal(b"small")
    blob = Blob(sealed)
    assert b"".join(unsealer(blob, made).read()) == b"small"
    assert blob.reads == [(0, len(sealed) + 1)]


def test_after_close_nothing_is_given():
    opened = unsealer(Blob(SEALED), MADE)
    pieces = opened.read()
    next(pieces)
    opened.close()
    with pytest.raises(ValueError, match="closed"):
        next(pieces)


def test_the_log_names_the_segment_and_no_more(caplog):
    forged = SEALED[:-1] + bytes([SEALED[-1] ^ 1])
    with caplog.at_level(logging.ERROR), pytest.raises(SegmentForged):
        unsealer(Blob(forged), MADE).check()
    [record] = caplog.records
    assert record.message == "segment forged"
    assert record.segment == SEGMENTS - 1
    assert KEY.reveal().hex() not in repr(record.__dict__)
    assert CONTEXT.owner_id not in repr(record.args)
