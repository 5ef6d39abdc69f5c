"""Whatever the length, the pieces and the segment size: what goes in comes out, and nothing forged ever does."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import SEGMENT_SIZE, Context, DataKey, Sealer, Unsealer, sealed_size, unseal_stream
from crypto.format import Header
from domain.errors import Damaged
from tests.vectors import reference
from tests.vectors.tink_oracle import tink_open, tink_seal

KEY, CONTEXT = DataKey(bytes(range(32))), Context("installation", "owner", "attachment")
AAD = CONTEXT.encode()
segment_sizes = st.sampled_from([57, 58, 64, 72, 100, 256])


@st.composite
def plaintexts(draw, segment_size):
    """Lengths about the borders of segments above all."""
    stride = segment_size - 16
    border = draw(st.integers(0, 6)) * stride - 40
    length = draw(st.one_of(st.integers(0, 6 * stride), st.integers(border - 1, border + 1)))
    return bytes(number % 251 for number in range(max(length, 0)))


@st.composite
def cut_up(draw, plain):
    """The same bytes in any pieces, empty ones too."""
    cuts = sorted(draw(st.lists(st.integers(0, len(plain)), max_size=12)))
    return [plain[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(plain)], strict=True)]


def seal(pieces, segment_size):
    sealed = bytearray()
    sealer = Sealer(KEY, CONTEXT, sealed.extend, segment_size=segment_size)
    for piece in pieces:
        sealer.write(piece)
    done = sealer.finish()
    return bytes(sealed), done


def unsealer(sealed, done, segment_size):
    return Unsealer(
        KEY,
        CONTEXT,
        lambda offset, length: sealed[offset : offset + length],
        sealed_size=done.sealed_size,
        commitment=done.commitment,
        segment_size=segment_size,
    )


@given(st.data(), segment_sizes)
def test_any_pieces_give_the_stream_of_the_book(data, segment_size):
    plain = data.draw(plaintexts(segment_size))
    sealed, done = seal(data.draw(cut_up(plain)), segment_size)
    header = Header.parse(sealed)
    assert sealed == reference.seal(KEY.reveal(), header.salt, header.prefix, AAD, plain, segment_size=segment_size)
    assert done.sealed_size == len(sealed) == sealed_size(len(plain), segment_size)


@given(st.data(), segment_sizes)
def test_any_ranges_in_any_order_are_exact(data, segment_size):
    plain = data.draw(plaintexts(segment_size))
    sealed, done = seal([plain], segment_size)
    opened = unsealer(sealed, done, segment_size)
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(plain)))
        stop = data.draw(st.integers(start, len(plain)))
        assert b"".join(opened.read(start, stop)) == plain[start:stop]


@given(st.data(), segment_sizes)
def test_tink_reads_ours_and_we_read_tinks(data, segment_size):
    plain = data.draw(plaintexts(segment_size))
    sealed, _ = seal(data.draw(cut_up(plain)), segment_size)
    assert tink_open(KEY.reveal(), AAD, sealed, segment_size) == plain
    theirs = tink_seal(KEY.reveal(), AAD, plain, segment_size)
    assert len(theirs) == sealed_size(len(plain), segment_size)
    assert b"".join(unseal_stream(io.BytesIO(theirs).read, KEY.key_string(CONTEXT, segment_size))) == plain
    salt = Header.parse(theirs).salt
    opened = Unsealer(
        KEY,
        CONTEXT,
        lambda offset, length: theirs[offset : offset + length],
        sealed_size=len(theirs),
        commitment=KEY.commitment(salt, CONTEXT),
        segment_size=segment_size,
    )
    assert b"".join(opened.read()) == plain


FIRST, STEP = SEGMENT_SIZE - 56, SEGMENT_SIZE - 16


@pytest.mark.parametrize(
    "length",
    [
        0,
        1,
        FIRST - 1,
        FIRST,
        FIRST + 1,
        FIRST + STEP - 1,
        FIRST + STEP,
        FIRST + STEP + 1,
        FIRST + 2 * STEP + 1,
        5_000_000,
    ],
)
def test_tink_and_we_read_each_others_segments_of_one_mebibyte(length):
    plain = (bytes(range(251)) * (length // 251 + 1))[:length]
    sealed, done = seal([plain[:100_000], plain[100_000:]], SEGMENT_SIZE)
    assert tink_open(KEY.reveal(), AAD, sealed, SEGMENT_SIZE) == plain
    assert b"".join(unsealer(sealed, done, SEGMENT_SIZE).read()) == plain
    theirs = tink_seal(KEY.reveal(), AAD, plain, SEGMENT_SIZE)
    assert b"".join(unseal_stream(io.BytesIO(theirs).read, KEY.key_string(CONTEXT, SEGMENT_SIZE))) == plain


@st.composite
def tamperings(draw, sealed, segment_size):
    """Anything that whoever writes to the store can do."""
    segments = [sealed[at : at + segment_size] for at in range(0, len(sealed), segment_size)]
    at = draw(st.integers(0, len(sealed) - 1))
    one, other = draw(st.integers(0, len(segments) - 1)), draw(st.integers(0, len(segments) - 1))
    match draw(st.sampled_from(["flip", "cut", "append", "insert", "exchange", "repeat", "remove", "zero", "foreign"])):
        case "flip":
            return sealed[:at] + bytes([sealed[at] ^ draw(st.integers(1, 255))]) + sealed[at + 1 :]
        case "cut":
            return sealed[:at]
        case "append":
            return sealed + draw(st.binary(min_size=1, max_size=2 * segment_size))
        case "insert":
            return sealed[:at] + draw(st.binary(min_size=1, max_size=segment_size)) + sealed[at:]
        case "exchange":
            segments[one], segments[other] = segments[other], segments[one]
        case "repeat":
            segments.insert(other, segments[one])
        case "remove":
            del segments[one]
        case "zero":
            segments[one] = bytes(len(segments[one]))
        case "foreign":
            segments[one] = seal([bytes(len(sealed))], segment_size)[0][: len(segments[one])]
    return b"".join(segments)


@given(st.data(), segment_sizes)
def test_no_tampering_is_missed_and_no_wrong_byte_released(data, segment_size):
    plain = data.draw(plaintexts(segment_size))
    sealed, done = seal([plain], segment_size)
    forged = data.draw(tamperings(sealed, segment_size))
    if forged == sealed:
        return
    openers = [unsealer(forged, done, segment_size).read()]
    if forged[:40] == sealed[:40]:
        # The beginning of another stream of the same key is genuine: only the row's commitment tells it from ours.
        openers.append(unseal_stream(io.BytesIO(forged).read, KEY.key_string(CONTEXT, segment_size)))
    for pieces in openers:
        released = bytearray()
        with pytest.raises(Damaged):
            for piece in pieces:
                released += piece
        assert plain.startswith(released)


@given(st.data(), segment_sizes)
def test_a_range_is_exact_or_refused_whatever_was_done(data, segment_size):
    plain = data.draw(plaintexts(segment_size))
    sealed, done = seal([plain], segment_size)
    forged = data.draw(tamperings(sealed, segment_size))
    start = data.draw(st.integers(0, len(plain)))
    stop = data.draw(st.integers(start, len(plain)))
    try:
        found = b"".join(unsealer(forged, done, segment_size).read(start, stop))
    except Damaged:
        assert forged != sealed
    else:
        assert found == plain[start:stop]
