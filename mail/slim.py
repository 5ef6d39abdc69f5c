"""What goes on: the message as it came without its files, and a note of where they are."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from html import escape

from mail.splitting import Split
from mail.tree import Parts, Stays, raw_of

LOOP_FIELD = "X-Bilaga-Loop"
_DROPPED = (b"content-length:", b"lines:", b"mime-version:")
"""They speak of the message as it was."""


@dataclass(frozen=True, slots=True)
class Link:
    """A file that was taken out: where the desk's people find it."""

    name: str
    size: int
    url: str


def slim(split: Split, links: Sequence[Link], ticket_url: str, loop: str) -> bytes:
    """The message to hand on, fields kept, ``Message-ID`` among them, so that a desk threads it and knows it again.

    Where nothing was taken out, or nothing may be changed, it is the message as it came behind one more field.
    """
    mark = f"{LOOP_FIELD}: {loop}\r\n".encode()
    if split.whole or not links:
        return mark + (raw_of(split.root) or split.head.raw)
    fields = [_ended(field) for field in split.head.fields()]
    content = [field for field in fields if field.lower().startswith(b"content-") and not _is_dropped(field)]
    others = [field for field in fields if not field.lower().startswith(b"content-") and not _is_dropped(field)]
    boundary = f"=_bilaga_{secrets.token_hex(12)}".encode()
    pieces = [
        mark,
        *others,
        b"MIME-Version: 1.0\r\n",
        b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\r\n\r\n',
    ]
    if isinstance(split.root, Parts | Stays):
        pieces += [b"--", boundary, b"\r\n", *content, b"\r\n", split.root.body, b"\r\n"]
    pieces += [b"--", boundary, b"\r\n", _note(links, ticket_url), b"\r\n--", boundary, b"--\r\n"]
    return b"".join(pieces)


def _is_dropped(field: bytes) -> bool:
    return field.lower().startswith(_DROPPED)


def _ended(field: bytes) -> bytes:
    return field.rstrip(b"\r\n") + b"\r\n"


def _note(links: Sequence[Link], ticket_url: str) -> bytes:
    count = "1 file" if len(links) == 1 else f"{len(links)} files"
    first = f"Bilaga has taken {count} out of this message and keeps them sealed:"
    last = "All files of this ticket:"
    lines = [line for link in links for line in (f"- {link.name} ({_size(link.size)})", f"  {link.url}")]
    items = "".join(
        f'<li><a href="{escape(link.url)}">{escape(link.name)}</a> ({_size(link.size)})</li>' for link in links
    )
    message = EmailMessage(policy=SMTP)
    message.set_content("\n".join([first, "", *lines, "", last, ticket_url, ""]))
    del message["MIME-Version"]
    message.add_alternative(
        f'<p>{first}</p><ul>{items}</ul><p>{last} <a href="{escape(ticket_url)}">{escape(ticket_url)}</a></p>\n',
        subtype="html",
    )
    del message["MIME-Version"]
    return message.as_bytes()


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
