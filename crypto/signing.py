"""Signatures that outsiders can verify: Ed25519 (RFC 8032), keys and notes in C2SP's signed-note format (S-89)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from crypto.secret import Secret
from domain.errors import BadInput, ChainBroken

_SEED = b"bilaga/ed25519/v1\x00"
_ED25519 = b"\x01"
_NAME = re.compile(r"[^\s+]{1,200}")
_VKEY = re.compile(r"([^\s+]{1,200})\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")
_MAX_NOTE = 1 << 20
_MAX_SIGNATURES = 16


@final
class Signer:
    """Signs under a name (``example.org/bilaga/audit``: no space, no plus). Another name gives another key pair, so a
    signature under one is never good under the other. Raises ValueError for an impossible name.
    """

    __slots__ = ("_key", "_key_id", "name", "public_key_text")

    def __init__(self, name: str, secret: Secret) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError("a signer's name has no space and no plus")
        self.name = name
        self._key = Ed25519PrivateKey.from_private_bytes(secret.derive(salt=None, info=_SEED + name.encode()))
        public = self._key.public_key().public_bytes_raw()
        self._key_id = _key_id(name, public)
        self.public_key_text = f"{name}+{self._key_id.hex()}+{base64.b64encode(_ED25519 + public).decode()}"
        """The verifier key ("vkey"): all that an outsider needs."""

    def __repr__(self) -> str:
        return f"Signer({self.public_key_text!r})"

    def sign(self, data: bytes) -> bytes:
        """64 bytes of Ed25519 over the data."""
        return self._key.sign(data)

    def sign_note(self, text: str) -> str:
        """The text as a signed note. Raises ValueError for a text that does not end its last line, or has control
        characters other than that.
        """
        if not _is_note_text(text):
            raise ValueError("a note is lines of text")
        signature = base64.b64encode(self._key_id + self.sign(text.encode())).decode()
        return f"{text}\n— {self.name} {signature}\n"


def verify_signature(public_key: str, data: bytes, signature: bytes) -> bool:
    """Whether the signature over the data is by the owner of this verifier key. Raises BadInput for a bad key."""
    _, _, key = _parse_vkey(public_key)
    return _verifies(key, data, signature)


def open_note(note: str, vkey: str) -> str:
    """The text of a note that the owner of ``vkey`` signed; signatures of others are left aside.

    Raises ChainBroken where the note is malformed, not signed by it, or signed wrongly; BadInput for a bad vkey.
    """
    name, key_id, key = _parse_vkey(vkey)
    text, found, signatures = note.rpartition("\n\n")
    text += "\n"
    lines = signatures.split("\n")
    if len(note) > _MAX_NOTE or not found or lines.pop() or not 0 < len(lines) <= _MAX_SIGNATURES:
        raise ChainBroken
    if not _is_note_text(text):
        raise ChainBroken
    signed = False
    for line in lines:
        match line.split(" "):
            case ["—", signer, encoded] if signer:
                raw = _decode(encoded)
            case _:
                raise ChainBroken
        if raw is None or len(raw) <= 4:
            raise ChainBroken
        if signer == name and raw[:4] == key_id:
            if not _verifies(key, text.encode(), raw[4:]):
                raise ChainBroken
            signed = True
    if not signed:
        raise ChainBroken
    return text


def _parse_vkey(vkey: str) -> tuple[str, bytes, Ed25519PublicKey]:
    match = _VKEY.fullmatch(vkey.strip())
    raw = _decode(match[3]) if match else None
    if match is None or raw is None or len(raw) != 33 or raw[:1] != _ED25519:
        raise BadInput("This is not a verifier key of an Ed25519 signer.", field="public_key")
    if _key_id(match[1], raw[1:]).hex() != match[2]:
        raise BadInput("The verifier key is mistyped or cut short.", field="public_key")
    return match[1], bytes.fromhex(match[2]), Ed25519PublicKey.from_public_bytes(raw[1:])


def _key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def _is_note_text(text: str) -> bool:
    return text.endswith("\n") and all(
        char == "\n" or not (ord(char) < 0x20 or 0xD800 <= ord(char) < 0xE000) for char in text
    )


def _verifies(key: Ed25519PublicKey, data: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, data)
    except InvalidSignature:
        return False
    return True


def _decode(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
