"""File names: what a client calls its file, made fit to be stored, shown, sent in a header and put into an archive.

A name is data and never a path (S-44, S-93): nothing here or above builds a path of one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import quote

from domain.errors import BadInput

RAW_LIMIT = 1024
"""Bytes of UTF-8 that a client may send for a name (S-44)."""
STORED_LIMIT = 255
"""Bytes of UTF-8 of a stored name: what the file systems that it will be saved on can hold."""
NEUTRAL = "file"

# Cf (format) characters are all invisible, but for these: number and verse signs that are drawn.
_DRAWN_FORMAT = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
# Invisible although not of category Cf: combining grapheme joiner, Khmer inherent vowels, Hangul fillers.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_DROPPED_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp"})
_SEPARATORS = str.maketrans(dict.fromkeys('/\\:*?"<>|', "_"))

# Windows opens a device for these, whatever the extension and whatever the case.
_DEVICE = re.compile(r"(con|prn|aux|nul|clock\$|conin\$|conout\$|(com|lpt)[0-9¹²³])", re.IGNORECASE)

_LONGEST_EXTENSION = 40
"""Bytes; what stands behind the last dot and is longer is no extension, but part of the name."""

# Letters of Latin alphabets that have no decomposition; what is left over becomes "_" in the ASCII fallback.
_ASCII = str.maketrans(
    {"ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ß": "ss", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D"}
    | {"þ": "th", "Þ": "Th", "ł": "l", "Ł": "L", "ı": "i", "ħ": "h", "Ħ": "H", "–": "-", "—": "-", "\u00a0": " "}
)
_ATTR_CHAR = "!#$&+-.^_`|~"  # beside letters and digits: RFC 8187, section 3.2.1


def stored_name(raw: str | bytes) -> str:
    """The name to keep, 1 to 255 bytes of UTF-8 in NFC (S-44); a second pass changes nothing.

    Raises BadInput (field ``filename``) for a NUL, for what is no UTF-8 (a lone surrogate in text is not), and for more
    than 1 KiB.
    """
    try:
        encoded = raw.encode() if isinstance(raw, str) else bytes(raw)
        text = encoded.decode()
    except UnicodeError as error:
        raise BadInput("The file name is not valid UTF-8.", field="filename") from error
    if len(encoded) > RAW_LIMIT:
        raise BadInput("The file name is too long.", field="filename")
    if "\0" in text:
        raise BadInput("The file name holds a NUL.", field="filename")
    return _clean(text)


def extensions(name: str) -> list[str]:
    """What stands behind each dot, in order and in lower case: ``a.tar.GZ`` gives ``["tar", "gz"]``.

    The last one is what an operating system goes by, the others are the inner ones of S-45. Compatibility forms count
    as what they look like (full-width letters, a one-dot leader). A name without a dot, or with one only in front, has
    none.
    """
    parts = unicodedata.normalize("NFKC", name).casefold().strip(" .").split(".")
    return [part for part in (piece.strip() for piece in parts[1:]) if part]


def content_disposition(name: str) -> str:
    """``attachment`` with an ASCII ``filename`` and, where it says more, ``filename*`` (RFC 6266, RFC 8187, S-54).

    Takes any text: whatever it holds, the result is one valid header value of printable ASCII.
    """
    name = _clean(name.encode(errors="replace").decode())
    fallback = _ascii(name)
    value = f'attachment; filename="{fallback}"'
    if fallback != name:
        value += f"; filename*=UTF-8''{quote(name, safe=_ATTR_CHAR)}"
    return value


def unique_names(names: Iterable[str]) -> list[str]:
    """The same names in the same order, none twice also where capitals do not count (S-94): ``a (2).txt``."""
    taken: set[str] = set()
    next_number: dict[str, int] = {}
    result: list[str] = []
    for given in names:
        name = _clean(given.encode(errors="replace").decode())
        key = _fold(name)
        number = next_number.get(key, 2)
        chosen = name
        while _fold(chosen) in taken:
            chosen = _numbered(name, number)
            number += 1
        next_number[key] = number
        taken.add(_fold(chosen))
        result.append(chosen)
    return result


def _clean(text: str) -> str:
    kept = (c for c in unicodedata.normalize("NFC", text) if not _dropped(c))
    # Once more: without the invisible ones between them, two characters may compose.
    name = _fitted(_trimmed(unicodedata.normalize("NFC", "".join(kept)).translate(_SEPARATORS)))
    if _DEVICE.fullmatch(name.split(".", 1)[0].rstrip()):
        name = _fitted("_" + name)
    return name or NEUTRAL


def _dropped(character: str) -> bool:
    if unicodedata.category(character) in _DROPPED_CATEGORIES:
        return character not in _DRAWN_FORMAT
    return character in _INVISIBLE


def _trimmed(name: str) -> str:
    start, end = 0, len(name)
    while start < end and (name[start] == "." or name[start].isspace()):
        start += 1
    while end > start and (name[end - 1] == "." or name[end - 1].isspace()):
        end -= 1
    return name[start:end]


def _split(name: str) -> tuple[str, str]:
    """Stem and extension, the extension with its dot; empty where there is none worth keeping."""
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) > _LONGEST_EXTENSION:
        return name, ""
    return stem, dot + extension


def _fitted(name: str, suffix: str = "") -> str:
    """The name with ``suffix`` before its extension, within the limit; the stem gives way."""
    stem, extension = _split(name)
    room = STORED_LIMIT - len((suffix + extension).encode())
    if len(stem.encode()) > room:
        stem = _trimmed(_cut(stem, room))
    return stem + suffix + extension


def _cut(text: str, room: int) -> str:
    """At most ``room`` bytes of the text, ending where a person sees a character end."""
    end = len(text.encode()[:room].decode(errors="ignore"))
    whole = end
    while whole > 0 and whole < len(text) and _continues(text, whole):
        whole -= 1
    # A single letter under hundreds of accents has no such end: then between two code points.
    return text[: whole or end]


def _continues(text: str, at: int) -> bool:
    """Whether the code point at ``at`` belongs to the one before: a mark, a skin tone, the second half of a flag."""
    character = text[at]
    if unicodedata.category(character).startswith("M") or "\U0001f3fb" <= character <= "\U0001f3ff":
        return True
    if not _is_half_flag(character):
        return False
    before = at
    while before > 0 and _is_half_flag(text[before - 1]):
        before -= 1
    return (at - before) % 2 == 1


def _is_half_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _ascii(name: str) -> str:
    stem, extension = _split(name)
    stem, extension = _ascii_part(stem), _ascii_part(extension)
    if not any(c.isalnum() for c in stem):
        stem = NEUTRAL
    return stem + extension


def _ascii_part(text: str) -> str:
    plain = (c for c in unicodedata.normalize("NFKD", text.translate(_ASCII)) if not unicodedata.combining(c))
    # "%" as well: some clients decode %xx in a plain filename. Backslash and quote never come out of _clean, but may
    # come out of a decomposition.
    return "".join(c if " " <= c <= "~" and c not in '"\\%/' else "_" for c in plain)


def _numbered(name: str, number: int) -> str:
    return _fitted(name, f" ({number})")


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())
