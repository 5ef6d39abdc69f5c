"""What a part of a message is: text of the message, a file, a picture in its text, or something to leave alone."""

from __future__ import annotations

from enum import Enum, auto
from mimetypes import guess_extension

from mail.head import Head


class Kind(Enum):
    """What becomes of a part."""

    PARTS = auto()
    """Others in it are looked at one by one."""
    TEXT = auto()
    """The message itself, and what only servers read: stays."""
    PICTURE = auto()
    """Stays if the text refers to it and it is small, else it is a file."""
    SIGNATURE = auto()
    """Stays."""
    WHOLE = auto()
    """Signed or encrypted: stays to the last byte, with everything in it."""
    FILE = auto()
    MESSAGE = auto()
    """A message in the message: a file, whole."""
    WINMAIL = auto()
    """Outlook's box of files."""
    PIECE = auto()
    """Of something that is not here: refused."""


_SIGNATURES = frozenset({"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"})
_SEALED = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_MESSAGES = frozenset({"message/rfc822", "message/global"})
_PIECES = frozenset({"message/partial", "message/external-body"})
_WINMAIL = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})


def kind_of(head: Head, parent: str) -> Kind:
    """The kind of a part in a multipart of type ``parent`` (empty: the message itself).

    The rules osTicket arrived at: a leaf is a file if it says ``attachment``, or has a name and is no text, or says
    ``inline`` and has a name (Apple Mail says so of whole PDFs). What is no text is one without a name too, and what is
    text with one, but for the other forms of a text.
    """
    kind = head.type
    if kind in {"multipart/signed", "multipart/encrypted"} or kind in _SEALED:
        return Kind.WHOLE
    if kind.startswith("multipart/"):
        return Kind.PARTS if head.boundary else Kind.TEXT
    if kind in _PIECES:
        return Kind.PIECE
    if kind in _MESSAGES:
        return Kind.MESSAGE
    if kind in _WINMAIL or head.name.lower() == "winmail.dat":
        return Kind.WINMAIL
    if kind in _SIGNATURES:
        return Kind.SIGNATURE
    if kind.startswith("image/") and head.content_id and head.disposition != "attachment":
        return Kind.PICTURE
    if kind.startswith(("text/", "message/")):
        # The text that a message consists of has a name only by accident.
        named = bool(head.name) and parent != "multipart/alternative" and (parent or head.disposition == "inline")
        return Kind.FILE if head.disposition == "attachment" or named else Kind.TEXT
    return Kind.FILE


def name_of(head: Head, number: int) -> str:
    """A file's name; one made up of its type and number where it has none."""
    if head.name:
        return head.name
    stem = "image" if head.type.startswith("image/") else "attachment"
    return f"{stem}-{number}{guess_extension(head.type, strict=False) or '.bin'}"
