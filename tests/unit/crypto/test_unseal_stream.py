import io
import random

import pytest

from crypto import DataKey, unseal_stream
from domain.errors import BadInput, SegmentForged
from tests.unit.crypto.blobs import CONTEXT, KEY, seal

KEY_STRING = KEY.key_string(CONTEXT, 64)


class Dribble:
    """A pipe: gives less than was asked for, as pipes do."""

    def __init__(self, content: bytes, most: int) -> None:
        self.rest = io.BytesIO(content)
        self.random = random.Random(most)
        self.most = most

    def read(self, length: int) -> bytes:
        return self.rest.read(min(length, self.random.randint(1, self.most)))


@pytest.mark.parametrize("most", [1, 7, 64, 1000])
@pytest.mark.parametrize("length", [0, 1, 8, 9, 56, 57, 104, 300])
def test_a_pipe_that_dribbles_is_read_whole(length, most):
    plain = bytes(number % 256 for number in range(length))
    sealed, _ = seal(plain)
    assert b"".join(unseal_stream(Dribble(sealed, most).read, KEY_STRING)) == plain


def test_another_attachments_key_opens_nothing():
    sealed, _ = seal(b"secret" * 100)
    pieces = unseal_stream(io.BytesIO(sealed).read, DataKey.generate().key_string(CONTEXT, 64))
    with pytest.raises(SegmentForged):
        next(pieces)


def test_a_bad_key_string_is_refused_before_anything_is_read():
    def read(length):
        raise AssertionError("nothing should be read")

    with pytest.raises(BadInput):
        next(unseal_stream(read, "nonsense"))


def test_at_most_one_segment_is_read_ahead():
    source = io.BytesIO(seal(bytes(1000))[0])
    pieces = unseal_stream(source.read, KEY_STRING)
    for number in range(1, 5):
        next(pieces)
        assert source.tell() == (number + 1) * 64
