"""Writes the vectors: ``python -m tests.vectors.generate``. One failure a file; the same bytes every time."""

from __future__ import annotations

from collections.abc import Iterator

from tests.vectors import reference
from tests.vectors.stream import (
    AAD,
    CONTEXT,
    FIRST,
    FORGED,
    INSTALLATION,
    KEY,
    OTHER_KEY,
    OWNER,
    PURPOSE,
    SEGMENT,
    STEP,
    TRUNCATED,
    Stream,
    octets,
    vector,
)
from tests.vectors.tampering import changed, cut, longer, moved
from tests.vectors.two_keys import seal_under_two
from tests.vectors.vector import FOLDER, Vector


def good() -> Iterator[Vector]:
    lengths = {
        "empty": 0,
        "one_byte": 1,
        "first_less_one": FIRST - 1,
        "first_full": FIRST,
        "first_and_one": FIRST + 1,
        "two_less_one": FIRST + STEP - 1,
        "two_full": FIRST + STEP,
        "two_and_one": FIRST + STEP + 1,
        "five": FIRST + 3 * STEP + 20,
    }
    for name, length in lengths.items():
        stream = Stream(name, length)
        yield vector(f"good_{name}", f"{length} bytes", stream, stream.sealed, released=stream.plain)
    for size in (57, 4096):
        stream = Stream(f"segment_size_{size}", 10_000 if size > 57 else 100, segment_size=size)
        yield vector(
            f"good_segment_size_{size}", f"segments of {size} bytes", stream, stream.sealed, released=stream.plain
        )


def ended_wrongly() -> Iterator[Vector]:
    """What only an owner of the key can make, and still is no stream of ours."""
    stream = Stream("ended", FIRST + 2 * STEP)
    a, b, _ = stream.segments
    third = stream.plain[FIRST + STEP :]
    yield vector(
        "end_without_mark",
        "the last segment is not marked last",
        stream,
        stream.with_segments(a, b, stream.resealed(2, third, last=False)),
        FORGED,
        forward_released=stream.upto(2),
    )
    yield vector(
        "mark_before_end",
        "segment 1 is marked last, and more follows",
        stream,
        stream.with_segments(a, stream.resealed(1, stream.plain[FIRST : FIRST + STEP], last=True), stream.segments[2]),
        FORGED,
        released=stream.upto(1),
        tink="misses it",
    )
    empty_end = stream.with_segments(a, b, stream.resealed(2, third, last=False), stream.resealed(3, b"", last=True))
    yield vector(
        "empty_last",
        "an empty last segment after a full one",
        stream,
        empty_end,
        TRUNCATED,
        forward_released=stream.plain,
        sealed_size=len(empty_end),
        tink="misses it",
    )
    short = stream.with_segments(a, stream.resealed(1, b"short", last=False), stream.resealed(2, b"rest", last=True))
    yield vector(
        "short_in_the_middle",
        "a segment before the last is short",
        stream,
        short,
        FORGED,
        forward_released=stream.upto(1),
        sealed_size=len(short),
    )


def foreign() -> Iterator[Vector]:
    stream = Stream("foreign", FIRST + STEP + 5)
    yield vector(
        "other_key", "the key of another attachment", stream, stream.sealed, CONTEXT, forward=FORGED, key=OTHER_KEY
    )
    for name, fields in {
        "installation": ("0" * 32, OWNER, PURPOSE),
        "owner": (INSTALLATION, OWNER[:-1] + "2", PURPOSE),
        "purpose": (INSTALLATION, OWNER, "preview"),
        # The same letters as the right context, cut elsewhere: the encoding must tell them apart.
        "border": (INSTALLATION, OWNER + "a", PURPOSE[1:]),
    }.items():
        aad = reference.aad(*fields)
        yield vector(
            f"other_{name}",
            f"sealed for another context: {name}",
            stream,
            stream.sealed,
            CONTEXT,
            forward=FORGED,
            installation=fields[0],
            owner=fields[1],
            purpose=fields[2],
            aad=aad,
        )
    yield vector(
        "other_commitment",
        "the row's commitment is another stream's",
        stream,
        stream.sealed,
        CONTEXT,
        forward="plain",
        forward_released=stream.plain,
        commitment=octets("no commitment", 32),
    )
    longer = Stream("foreign longer", FIRST + STEP + 6)
    yield vector(
        "other_size",
        "the row says one byte less than there is",
        stream,
        longer.sealed,
        TRUNCATED,
        forward="plain",
        forward_released=longer.plain,
        commitment=longer.commitment,
    )
    wide = Stream("foreign wide", 300, segment_size=128)
    yield vector(
        "other_segment_size",
        "sealed in segments of 128 bytes, opened as 64",
        wide,
        wide.sealed,
        FORGED,
        segment_size=SEGMENT,
    )
    salt, prefix = octets("two keys salt", 32), octets("two keys prefix", 7)
    both = seal_under_two((KEY, OTHER_KEY), salt, prefix, AAD, octets("two keys rest", 64))
    for name, key, expect in (("first", KEY, "plain"), ("second", OTHER_KEY, CONTEXT)):
        plain = _opened_anyway(key, salt, prefix, both)
        yield vector(
            f"two_keys_{name}",
            "a stream made to open under two keys; the row names the first",
            stream,
            both,
            expect,
            released=plain if expect == "plain" else b"",
            forward="plain",
            forward_released=plain,
            key=key,
            sealed_size=len(both),
            segment_size=4096,
            commitment=reference.commitment(KEY, salt, AAD),
        )


def _opened_anyway(key: bytes, salt: bytes, prefix: bytes, sealed: bytes) -> bytes:
    # Counter mode is its own inverse: sealing the ciphertext gives the plaintext back, tag aside.
    stream_key = reference.hkdf(key, salt, AAD)
    return reference.gcm_seal(stream_key, reference.nonce(prefix, 0, last=True), sealed[40:-16])[:-16]


def all_vectors() -> Iterator[Vector]:
    for family in (good, changed, cut, longer, moved, ended_wrongly, foreign):
        yield from family()


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.vec"):
        old.unlink()
    for made in all_vectors():
        (FOLDER / f"{made.name}.vec").write_text(made.text())


if __name__ == "__main__":
    main()
