"""Tokens: the secrets in URLs, cookies and headers, told apart by purpose and kept only as digests (S-50)."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from enum import StrEnum


class TokenPurpose(StrEnum):
    """What a token is for; its value is the token's prefix. No token of one purpose matches another's pattern."""

    UPLOAD = "u"
    DOWNLOAD = "d"
    GRANT = "g"
    RECEIPT = "r"
    FILE = "f"
    SESSION = "s"
    SIGN_IN = "i"
    API_KEY = "bk"


# 32 bytes are 43 characters of base64url, of which the last carries only four bits: other endings are no token.
_BODY = r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"
_PATTERNS = {purpose: re.compile(purpose.value + _BODY) for purpose in TokenPurpose}


def new_token(purpose: TokenPurpose) -> str:
    """A new token: the purpose's prefix and 32 random bytes in base64url. Shown once, and kept nowhere."""
    return purpose.value + secrets.token_urlsafe(32)


def is_token(purpose: TokenPurpose, text: str) -> bool:
    """Whether the text has exactly the form of such a token: asked before any database work."""
    return _PATTERNS[purpose].fullmatch(text) is not None


def token_digest(text: str) -> bytes:
    """SHA-256 of a token, by which it is kept and looked up. 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def same(a: bytes | str, b: bytes | str) -> bool:
    """Whether two secrets are equal, in a time that does not tell where they differ (S-84)."""
    return hmac.compare_digest(_octets(a), _octets(b))


def _octets(value: bytes | str) -> bytes:
    return value.encode(errors="surrogatepass") if isinstance(value, str) else value
