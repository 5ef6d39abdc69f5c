"""Makes a stream that opens under two keys: what AES-GCM allows, and the commitment of S-24 is there to refuse.

GHASH is a polynomial, so one block of ciphertext can be chosen freely to make the tags under both keys equal
(Dodis, Grubbs, Ristenpart, Woodage, "Fast Message Franking", 2018; Len, Grubbs, Ristenpart, 2021).
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.vectors import reference

_REDUCE = 0xE1 << 120


def _multiply(x: int, y: int) -> int:
    product = 0
    for bit in range(127, -1, -1):
        if x >> bit & 1:
            product ^= y
        y = y >> 1 ^ (_REDUCE if y & 1 else 0)
    return product


def _power(x: int, n: int) -> int:
    result = 1 << 127
    while n:
        if n & 1:
            result = _multiply(result, x)
        x = _multiply(x, x)
        n >>= 1
    return result


def _block(key: bytes, block: bytes) -> int:
    return int.from_bytes(Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block), "big")


def seal_under_two(keys: tuple[bytes, bytes], salt: bytes, prefix: bytes, aad: bytes, rest: bytes) -> bytes:
    """A one-segment stream whose ciphertext is one chosen block and then ``rest`` (whole blocks)."""
    stream_keys = [reference.hkdf(key, salt, aad) for key in keys]
    nonce = reference.nonce(prefix, 0, last=True)
    hashes = [_block(key, bytes(16)) for key in stream_keys]
    masks = [_block(key, nonce + b"\x00\x00\x00\x01") for key in stream_keys]
    blocks = [int.from_bytes(rest[at : at + 16], "big") for at in range(0, len(rest), 16)]
    blocks.append((16 + len(rest)) * 8)  # the length block of GHASH; there is no associated data
    count = len(blocks)
    tails = []
    for h, mask in zip(hashes, masks, strict=True):
        tail = mask
        for at, block in enumerate(blocks):
            tail ^= _multiply(block, _power(h, count - at))
        tails.append(tail)
    factors = [_power(h, count + 1) for h in hashes]
    inverse = _power(factors[0] ^ factors[1], (1 << 128) - 2)
    chosen = _multiply(tails[0] ^ tails[1], inverse)
    tag = tails[0] ^ _multiply(chosen, factors[0])
    return b"\x28" + salt + prefix + chosen.to_bytes(16, "big") + rest + tag.to_bytes(16, "big")
