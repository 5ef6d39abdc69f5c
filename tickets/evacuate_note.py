"""What evacuation writes on a ticket: where its files are now, for agents only. Names are escaped."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from html import escape

from tickets.desk import Message
from tickets.wording import ALL_FILES, EVACUATED, INFECTED

_UNITS = ("bytes", "kB", "MB", "GB")


def marker_of(*ids: str) -> str:
    """A short word that stands for exactly these."""
    return "bilaga-" + sha256("\n".join(sorted(ids)).encode()).hexdigest()[:20]


def moved_note(files: Sequence[tuple[str, str, str, int]], ticket_address: str, language: str) -> Message:
    """``files``: each one's id, name, address and size in bytes. The same files always give the same marker: a note
    that was written before a crash is found and not written again."""
    marker = marker_of(*(file_id for file_id, *_ in files))
    head, all_files = EVACUATED[language], ALL_FILES[language]
    items = "".join(
        f'<li><a href="{escape(address)}">{escape(name)}</a> ({shown_size(size)})</li>'
        for _, name, address, size in files
    )
    link = f'<a href="{escape(ticket_address)}">{escape(all_files)}</a>'
    html = f"<div><p>{escape(head)}</p><ul>{items}</ul><p>{link}</p><p><small>{marker}</small></p></div>"
    lines = [f"- {name} ({shown_size(size)}): {address}" for _, name, address, size in files]
    text = "\n".join([head, *lines, f"{all_files}: {ticket_address}", marker])
    return Message(marker=marker, html=html, text=text)


def infected_note(file_id: str, name: str, language: str) -> Message:
    """A warning about a file that was not taken."""
    marker = marker_of("infected", file_id)
    told = INFECTED[language]
    return Message(
        marker=marker,
        html=f"<div><p>{escape(told)} <strong>{escape(name)}</strong></p><p><small>{marker}</small></p></div>",
        text=f"{told} {name}\n{marker}",
    )


def shown_size(size: int) -> str:
    """Bytes as people read them."""
    amount, unit = float(size), 0
    while amount >= 1000 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.1f} {_UNITS[unit]}" if unit else f"{size} {_UNITS[0]}"
