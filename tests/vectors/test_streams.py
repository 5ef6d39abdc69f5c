"""Every vector, by both openers, by Tink, and against the generator."""

from __future__ import annotations

import io

import pytest

import domain.errors
from crypto import Context, DataKey, StreamKey, Unsealer, unseal_stream
from tests.vectors.generate import all_vectors
from tests.vectors.tink_oracle import tink_open
from tests.vectors.vector import FOLDER, read

PATHS = sorted(FOLDER.glob("*.vec"))
pytestmark = pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])


def test_random_access_ends_as_the_vector_says_and_releases_no_byte_more(path):
    vector = read(path)
    sealed = vector.sealed
    context = Context(vector["installation"], vector["owner"], vector["purpose"])
    assert context.encode().hex() == vector["aad"]
    released = bytearray()

    def open_all():
        unsealer = Unsealer(
            DataKey(bytes.fromhex(vector["key"])),
            context,
            lambda offset, length: sealed[offset : offset + length],
            sealed_size=int(vector["sealed-size"]),
            commitment=bytes.fromhex(vector["commitment"]),
            segment_size=int(vector["segment-size"]),
        )
        for piece in unsealer.read():
            released.extend(piece)

    _ends_as(vector["expect"], open_all)
    assert vector.may_release("released", bytes(released))


def test_forward_reading_ends_as_the_vector_says_and_releases_no_byte_more(path):
    vector = read(path)
    key = DataKey(bytes.fromhex(vector["key"]))
    key_string = StreamKey(key, bytes.fromhex(vector["aad"]), int(vector["segment-size"])).text()
    released = bytearray()

    def open_all():
        for piece in unseal_stream(io.BytesIO(vector.sealed).read, key_string):
            released.extend(piece)

    _ends_as(vector["expect-forward"], open_all)
    assert vector.may_release("released-forward", bytes(released))


def test_tink_judges_the_stream_alike(path):
    vector = read(path)
    found = tink_open(
        bytes.fromhex(vector["key"]), bytes.fromhex(vector["aad"]), vector.sealed, int(vector["segment-size"])
    )
    match vector["tink"]:
        case "opens":
            assert found is not None
            assert vector.may_release("released-forward", found)
        case "refuses":
            assert found is None
        case "misses it":
            # Tink 1.16 stops at a whole segment marked last, and does not look whether anything follows. We look.
            assert found is not None


def test_the_file_is_what_the_generator_writes(path):
    assert path.read_text() == GENERATED[path.stem]


GENERATED = {vector.name: vector.text() for vector in all_vectors()}


def _ends_as(expected, act):
    if expected == "plain":
        act()
        return
    with pytest.raises(domain.errors.BilagaError) as caught:
        act()
    assert type(caught.value) is getattr(domain.errors, expected)
