"""However a body comes in, it is the same file; whatever part is asked for, it is that part."""

from __future__ import annotations

import hashlib
import random
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import RangeNotSatisfiable
from storage.blobs.memory import MemoryBlobStore
from tests.transfers import AGENT, TransferSite

SEGMENT = (1 << 20) - 16
RELAXED = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture
def site(tmp_path):
    site = TransferSite(tmp_path, blobs=MemoryBlobStore(1 << 34))
    yield site
    site.close()


around_segments = st.builds(
    lambda segments, off: max(0, segments * SEGMENT - 40 + off), st.integers(0, 3), st.integers(-2, 2)
)
lengths = st.one_of(st.integers(0, 200_000), around_segments)


@RELAXED
@given(length=lengths, cuts=st.lists(st.floats(0, 1), max_size=12), views=st.booleans(), declared=st.booleans())
def test_any_chunking_makes_the_same_file(site, length, cuts, views, declared):
    content = random.Random(length).randbytes(length)
    edges = sorted({0, length, *(int(cut * length) for cut in cuts)})
    pieces = [content[a:b] for a, b in pairwise(edges)]

    def chunks():
        for piece in pieces:
            if not views:
                yield piece
                continue
            buffer = bytearray(piece)
            yield memoryview(buffer)
            buffer[:] = bytes(len(buffer))  # used again for something else

    claim = site.reception.claim(site.by_agent(), "a.bin", length if declared else None)
    received = site.reception.finish([site.reception.seal(claim, chunks())])
    attachment = received.files[0].attachment
    assert (attachment.size, attachment.sha256) == (length, hashlib.sha256(content).digest())
    assert site.read(AGENT, attachment.id) == content


@RELAXED
@given(length=lengths, start=st.integers(0, 3 * SEGMENT), stop=st.none() | st.integers(0, 3 * SEGMENT))
def test_any_range_is_that_part_of_the_file(site, length, start, stop):
    content = random.Random(length).randbytes(length)
    attachment = site.received(content, "a.bin")
    header = f"bytes={start}-{'' if stop is None else stop}"
    if stop is not None and stop < start:
        assert site.read(AGENT, attachment.id, range_header=header) == content
    elif start >= length:
        with pytest.raises(RangeNotSatisfiable):
            site.open(AGENT, attachment.id, range_header=header)
    else:
        end = length if stop is None else stop + 1
        assert site.read(AGENT, attachment.id, range_header=header) == content[start:end]


@RELAXED
@given(length=st.integers(0, 3000), suffix=st.integers(0, 4000))
def test_any_suffix_is_the_end_of_the_file(site, length, suffix):
    content = random.Random(length).randbytes(length)
    attachment = site.received(content, "a.bin")
    if suffix == 0 or length == 0:
        with pytest.raises(RangeNotSatisfiable):
            site.open(AGENT, attachment.id, range_header=f"bytes=-{suffix}")
    else:
        assert site.read(AGENT, attachment.id, range_header=f"bytes=-{suffix}") == content[-suffix:]
