"""A second implementation of docs/sealed-stream.md, written from the text and sharing nothing with ``crypto``.

It seals with any header it is told, which ``crypto`` refuses to do: only so can vectors be the same every time.
"""

from __future__ import annotations

import hmac
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869 for exactly 32 bytes of output: one round of expand."""
    extracted = hmac.digest(salt, key, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def aad(installation: str, owner: str, purpose: str, stream_format: int = 1) -> bytes:
    encoded = b"\x01"
    for field in (struct.pack(">I", stream_format), installation.encode(), owner.encode(), purpose.encode()):
        encoded += struct.pack(">I", len(field)) + field
    return encoded


def commitment(key: bytes, salt: bytes, aad: bytes) -> bytes:
    return hkdf(key, salt, b"bilaga/commit/v1\x00" + aad)


def nonce(prefix: bytes, index: int, last: bool) -> bytes:
    return prefix + struct.pack(">IB", index, last)


def gcm_seal(key: bytes, nonce: bytes, plaintext: bytes) -> bytes:
    sealer = Cipher(algorithms.AES(key), modes.GCM(nonce)).encryptor()
    return sealer.update(plaintext) + sealer.finalize() + sealer.tag


def split(plaintext: bytes, segment_size: int) -> list[bytes]:
    """The plaintext of each segment."""
    first = segment_size - 16 - 40
    rest = plaintext[first:]
    step = segment_size - 16
    return [plaintext[:first]] + [rest[at : at + step] for at in range(0, len(rest), step)]


def seal(key: bytes, salt: bytes, prefix: bytes, aad: bytes, plaintext: bytes, *, segment_size: int) -> bytes:
    stream_key = hkdf(key, salt, aad)
    pieces = split(plaintext, segment_size)
    sealed = b"\x28" + salt + prefix
    for index, piece in enumerate(pieces):
        sealed += gcm_seal(stream_key, nonce(prefix, index, index == len(pieces) - 1), piece)
    return sealed
