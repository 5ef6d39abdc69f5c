"""Known answers, computed at every start: a library that seals wrongly must not seal at all.

The stream's answers were checked against Google Tink 1.16; the others are RFC 5869 (HKDF) and RFC 8032 (Ed25519).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crypto.context import Context
from crypto.data_key import DataKey
from crypto.format import HEADER_SIZE, TAG_SIZE, Header, Layout, sealed_size
from crypto.hidden import Hidden
from crypto.key_string import StreamKey
from crypto.sealer import Sealer
from crypto.stream_cipher import StreamCipher
from crypto.unseal_stream import unseal_stream
from crypto.unsealer import Unsealer
from domain.errors import Damaged, Misconfigured

_SEGMENT = 64
_AAD = b"bilaga-kat"
_HEADER = Header(bytes(range(0x20, 0x40)), bytes(range(0x40, 0x47)))
_KEY = bytes(range(0x20))
_DERIVED = "5f4e7beec608c04362612178bf7434f5e28870cff90b8904315354345b16f216"
_COMMITMENT = "3cd6c27d2a5be253d77d43979112161d6b3dae674f241f10f8c018d73226ae34"
_STREAMS = {
    b"": "aa52b22dfcc0f3ca125f81793bcf40af",
    b"AAAAAAAA": "c49e21269ea435b10bf1b46b1cd18054db23692dfa833468",
    b"0123456789abcdefghij": "4308d0f15814553a0b6937a6d645867bf7727e327c0251cfd139d7fc71649f4b"
    "32e0ba949f8c9e67ae71190c4f6e09ea3358406b",
}
_SIZES = {0: 56, 1_048_520: 1_048_576, 1_048_521: 1_048_593, 5_000_000: 5_000_120}


def selftest() -> None:
    """Return if all known answers come out right. Raises Misconfigured with the name of the first that does not."""
    for name, passed in _checks():
        if not passed:
            raise Misconfigured(f"The cryptography library failed its self-test “{name}”; nothing was started.")


def _checks() -> Iterator[tuple[str, bool]]:
    yield "sha-256", hashlib.sha256(b"abc").hexdigest().startswith("ba7816bf8f01cfea414140de5dae2223b00361a3")
    okm = HKDF(SHA256(), 42, bytes(range(13)), bytes(range(0xF0, 0xFA))).derive(b"\x0b" * 22)
    yield "hkdf", okm.hex().startswith("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf")
    yield "stream key", Hidden(_KEY).derive(salt=_HEADER.salt, info=_AAD).hex() == _DERIVED
    yield "commitment", StreamCipher(Hidden(_KEY), _AAD, _HEADER).commitment.hex() == _COMMITMENT
    yield "sizes", all(sealed_size(plain) == sealed for plain, sealed in _SIZES.items())
    yield "seal", all(_seal(plain).hex() == sealed for plain, sealed in _STREAMS.items())
    yield "unseal", all(_unseal(bytes.fromhex(sealed)) == plain for plain, sealed in _STREAMS.items())
    yield "tampering", all(_is_refused(bytes.fromhex(sealed)) for sealed in _STREAMS.values())
    yield "there and back", _there_and_back()
    yield "ed25519", _ed25519()


def _seal(plain: bytes) -> bytes:
    cipher = StreamCipher(Hidden(_KEY), _AAD, _HEADER)
    layout = Layout(len(plain), _SEGMENT)
    sealed = bytearray()
    for index in range(layout.last + 1):
        start, stop = layout.plain(index)
        segment = bytearray(stop - start + TAG_SIZE)
        cipher.seal_into(index, memoryview(plain)[start:stop], memoryview(segment), last=index == layout.last)
        sealed += segment
    return bytes(sealed)


def _unseal(segments: bytes) -> bytes:
    sealed = memoryview(_HEADER.encode() + segments)
    position = 0

    def read(length: int) -> bytes:
        nonlocal position
        piece = bytes(sealed[position : position + length])
        position += len(piece)
        return piece

    return b"".join(unseal_stream(read, StreamKey(Hidden(_KEY), _AAD, _SEGMENT).text()))


def _is_refused(segments: bytes) -> bool:
    for index in range(len(segments)):
        forged = bytearray(segments)
        forged[index] ^= 1
        try:
            _unseal(bytes(forged))
        except Damaged:
            continue
        return False
    return True


def _there_and_back() -> bool:
    """A random stream of several segments, by the very classes that carry the files."""
    key, context = DataKey.generate(), Context("selftest", "selftest", "attachment")
    plain = bytes(range(256)) * 2
    sealed = bytearray()
    sealer = Sealer(key, context, sealed.extend, segment_size=_SEGMENT)
    sealer.write(plain)
    done = sealer.finish()
    unsealer = Unsealer(
        key,
        context,
        lambda offset, length: bytes(sealed[offset : offset + length]),
        sealed_size=done.sealed_size,
        commitment=done.commitment,
        segment_size=_SEGMENT,
    )
    return (
        done.sealed_sha256 == hashlib.sha256(sealed).digest()
        and plain not in sealed
        and sealed[0] == HEADER_SIZE
        and b"".join(unsealer.read()) == plain
        and b"".join(unsealer.read(100, 300)) == plain[100:300]
    )


def _ed25519() -> bool:
    key = Ed25519PrivateKey.from_private_bytes(
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    )
    return (
        key.public_key().public_bytes_raw().hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        and key.sign(b"").hex()
        == "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )
