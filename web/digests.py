"""Digest fields (RFC 9530): what a client says its bytes are, held against what came; and told back where it is wanted.

``sha-256`` and ``sha-512`` are fit; others are deprecated there, verify nothing here, and are passed over. A field that
is no dictionary, or a digest that is none, is refused: whoever sends one wants to be told that it does nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, cast

import http_sf
from aiohttp import web

from domain.errors import BadInput, ChecksumMismatch
from domain.upload import Checksum

CONTENT = "Content-Digest"
"""Of what this very message carries."""
REPR = "Repr-Digest"
"""Of the whole file, in however many messages it comes."""
WANTED = "Want-Repr-Digest"
_FIT = {"sha-256": ("sha256", 32), "sha-512": ("sha512", 64)}
"""The one that costs nothing first: every file's SHA-256 is computed anyway."""


def value(request: web.Request, field: str) -> str | None:
    """A field's value, its lines joined (RFC 9110, section 5.2); None where it is absent."""
    lines = request.headers.getall(field, [])
    return ", ".join(lines) if lines else None


def announced(request: web.Request, field: str) -> Checksum | None:
    """The digest that ``Content-Digest`` or ``Repr-Digest`` gives; None: none that is fit. Raises BadInput."""
    members = _dictionary(request, field)
    for name, (algorithm, size) in _FIT.items():
        if name not in members:
            continue
        digest = members[name]
        if not isinstance(digest, bytes) or len(digest) != size:
            raise BadInput(f"{name} is a byte sequence of {size} bytes, as in {name}=:…:.", field=field)
        return Checksum(algorithm, digest)
    return None


def whole(request: web.Request) -> tuple[Checksum, ...]:
    """What both fields say of a body that is a whole file. Raises BadInput."""
    found = (announced(request, CONTENT), announced(request, REPR))
    return tuple(dict.fromkeys(one for one in found if one is not None))


def repr_wanted(request: web.Request) -> bool:
    """Whether the client would like to be told the file's SHA-256; what cannot be read asks for nothing."""
    try:
        weight = _dictionary(request, WANTED).get("sha-256")
    except BadInput:
        return False
    return type(weight) is int and 0 < weight <= 10


def repr_field(sha256: bytes) -> dict[str, str]:
    """``Repr-Digest`` of a file."""
    return {REPR: http_sf.ser({"sha-256": sha256})}


class Verifying:
    """Holds bytes against digests while they pass. For one body."""

    def __init__(self, expected: Sequence[Checksum]) -> None:
        self._expected = [(one, hashlib.new(one.algorithm)) for one in expected]

    def through(self, chunks: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
        """The chunks as they come. Raises ChecksumMismatch behind the last one."""
        for chunk in chunks:
            self._take(chunk)
            yield chunk
        self._check()

    async def passing(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """As ``through``, on the loop."""
        async for chunk in chunks:
            self._take(chunk)
            yield chunk
        self._check()

    def _take(self, chunk: bytes | memoryview) -> None:
        for _, digest in self._expected:
            digest.update(chunk)

    def _check(self) -> None:
        for expected, digest in self._expected:
            if digest.digest() != expected.digest:
                raise ChecksumMismatch


def _dictionary(request: web.Request, field: str) -> dict[str, Any]:
    raw = value(request, field)
    if raw is None:
        return {}
    try:
        found = http_sf.parse(raw.encode(), tltype="dictionary")
    except (http_sf.StructuredFieldError, UnicodeError, ValueError) as error:
        raise BadInput("The field is no dictionary of structured values (RFC 9651).", field=field) from error
    return {name: member[0] for name, member in cast("dict[str, Any]", found).items()}
