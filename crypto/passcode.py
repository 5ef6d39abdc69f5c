"""Passcodes of links: chosen by people, so short, so hashed slowly (argon2id, RFC 9106; S-92)."""

from __future__ import annotations

import logging
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from domain.errors import BadInput

log = logging.getLogger(__name__)

MIN_LENGTH = 6
MAX_LENGTH = 256


def hash_passcode(text: str) -> str:
    """The passcode's argon2id hash in PHC format, about a tenth of a second of one core and 64 MiB.

    Raises BadInput (field ``passcode``) for fewer than 6 or more than 256 characters.
    """
    text = _normal(text)
    if not MIN_LENGTH <= len(text) <= MAX_LENGTH:
        raise BadInput(f"A passcode has {MIN_LENGTH} to {MAX_LENGTH} characters.", field="passcode")
    return _hasher().hash(text)


def verify_passcode(hashed: str, text: str) -> bool:
    """Whether the text is the passcode; compared in constant time. Costs as much as hashing: limit the rate first."""
    text = _normal(text)
    if len(text) > MAX_LENGTH:
        return False
    try:
        return _hasher().verify(hashed, text)
    except InvalidHashError:
        log.error("passcode hash unreadable")
        return False
    except VerificationError:
        return False


def _hasher() -> PasswordHasher:
    return PasswordHasher()  # argon2-cffi's defaults are RFC 9106's second choice: t=3, 64 MiB, 4 lanes


def _normal(text: str) -> str:
    # One keyboard sends å as one character, another as two; to a person they are the same passcode.
    return unicodedata.normalize("NFC", text)
