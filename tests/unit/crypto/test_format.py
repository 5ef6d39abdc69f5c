import itertools

import pytest

from crypto.format import (
    MAX_PLAINTEXT,
    SEGMENT_SIZE,
    Header,
    Layout,
    plaintext_size,
    sealed_size,
)
from domain.errors import HeaderUnknown, StreamTruncated, TooLarge
from tests.vectors import reference

KNOWN = {0: 56, 1_048_520: 1_048_576, 1_048_521: 1_048_593, 5_000_000: 5_000_120}
SMALL = [57, 58, 64, 100]


@pytest.mark.parametrize("plain,sealed", KNOWN.items())
def test_sizes_of_whole_segments_of_one_mebibyte(plain, sealed):
    assert sealed_size(plain) == sealed
    assert plaintext_size(sealed) == plain


@pytest.mark.parametrize("segment_size", SMALL)
def test_every_size_is_what_a_stream_made_by_the_book_has(segment_size):
    for length in range(400):
        sealed = reference.seal(bytes(32), bytes(32), bytes(7), b"aad", bytes(length), segment_size=segment_size)
        assert sealed_size(length, segment_size) == len(sealed)
        assert plaintext_size(len(sealed), segment_size) == length


@pytest.mark.parametrize("segment_size", SMALL)
def test_lengths_that_no_stream_has_are_refused(segment_size):
    possible = {sealed_size(length, segment_size) for length in range(600)}
    for length in set(range(600)) - possible:
        with pytest.raises(StreamTruncated):
            plaintext_size(length, segment_size)


@pytest.mark.parametrize("segment_size", SMALL)
@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 200])
def test_the_layout_lays_every_byte_exactly_once(segment_size, length):
    layout = Layout(length, segment_size)
    pieces = [layout.plain(index) for index in range(layout.last + 1)]
    assert pieces[0][0] == 0
    assert pieces[-1][1] == length
    assert all(stop == start for (_, stop), (start, _) in itertools.pairwise(pieces))
    assert [layout.segment_of(offset) for offset in range(length)] == [
        index for index, (start, stop) in enumerate(pieces) for _ in range(start, stop)
    ]
    places = [layout.sealed(index) for index in range(layout.last + 1)]
    assert places[0][0] == 40
    assert places[-1][1] == sealed_size(length, segment_size)
    assert all(stop == start for (_, stop), (start, _) in itertools.pairwise(places))


def test_no_attachment_is_larger_than_a_tebibyte():
    assert sealed_size(MAX_PLAINTEXT) > MAX_PLAINTEXT
    with pytest.raises(TooLarge):
        sealed_size(MAX_PLAINTEXT + 1)
    with pytest.raises(TooLarge):
        plaintext_size(sealed_size(MAX_PLAINTEXT) + SEGMENT_SIZE)


def test_no_stream_has_more_segments_than_fit_in_31_bits():
    with pytest.raises(TooLarge):
        sealed_size(((1 << 31) - 1) * 41 - 40 + 1, 57)
    with pytest.raises(TooLarge):
        plaintext_size(57 << 31, 57)


@pytest.mark.parametrize("segment_size", [-1, 0, 56, (1 << 24) + 1])
def test_impossible_segment_sizes_are_refused(segment_size):
    for act in (sealed_size, plaintext_size):
        with pytest.raises(ValueError, match="not possible"):
            act(1000, segment_size)


def test_a_negative_size_is_refused():
    with pytest.raises(ValueError, match="negative"):
        sealed_size(-1)


def test_a_header_comes_back_from_its_forty_bytes():
    header = Header.new()
    assert len(header.encode()) == 40
    assert Header.parse(header.encode() + b"more") == header


def test_a_short_or_strange_header_is_refused():
    encoded = Header.new().encode()
    with pytest.raises(StreamTruncated):
        Header.parse(encoded[:39])
    with pytest.raises(HeaderUnknown):
        Header.parse(b"\x27" + encoded[1:])


def test_no_two_streams_share_a_header():
    headers = {Header.new() for _ in range(100)}
    assert len({header.salt for header in headers}) == len({header.prefix for header in headers}) == 100
