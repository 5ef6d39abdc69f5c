"""Site secrets: keys for one purpose each, made once and derived from nothing (S-33), and what is done with them."""

from __future__ import annotations

import hmac
from typing import final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.context import encode_fields
from crypto.hidden import Hidden
from crypto.sealed_value import open_value, seal_value

_SEALED = b"bilaga/secret/v1\x00"
_DIGEST = b"bilaga/digest/v1\x00"


@final
class Secret(Hidden):
    """A 32-byte key of one purpose; ``KeyRing.secret`` gives it."""

    __slots__ = ()


def keyed_digest(secret: Secret, text: str) -> bytes:
    """HMAC-SHA-256 of the text: equal texts can be found and committed to, and nobody without the secret can guess.

    The text is taken as it is: whoever wants ``A@b.se`` and ``a@b.se`` to be one makes them one before.
    """
    return hmac.digest(secret.derive(salt=None, info=_DIGEST), text.encode(errors="surrogatepass"), "sha256")


def seal_with_secret(secret: Secret, data: bytes, label: str, aad: bytes) -> bytes:
    """Data sealed under a site secret, with a key of its own label, bound to ``aad`` (say, its row's id)."""
    return seal_value(_labelled(secret, label), data, aad)


def open_with_secret(secret: Secret, sealed: bytes, label: str, aad: bytes) -> bytes:
    """The data. Raises WrongContext where it was changed, or sealed as something else or for something else."""
    return open_value(_labelled(secret, label), sealed, aad)


def _labelled(secret: Secret, label: str) -> AESGCM:
    return AESGCM(secret.derive(salt=None, info=_SEALED + encode_fields(label.encode())))
