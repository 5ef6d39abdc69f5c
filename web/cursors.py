"""Cursors of lists: the last id of a page, signed, so that nobody can ask for a place they were not given."""

from __future__ import annotations

import base64
from binascii import Error
from collections.abc import Callable, Sequence
from typing import TypeVar

from crypto import Secret, keyed_digest, same
from domain.errors import BadInput

T = TypeVar("T")
MARK = 16
DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class Cursors:
    """Makes and reads cursors; ``list_name`` and its filters are a part of the signature."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def make(self, list_name: str, place: str) -> str:
        """The cursor that goes on after a place."""
        raw = place.encode() + self._mark(list_name, place)
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    def read(self, list_name: str, cursor: str | None) -> str | None:
        """The place of a cursor; None where there is none. Raises BadInput."""
        if cursor is None:
            return None
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            place, mark = raw[:-MARK].decode(), raw[-MARK:]
        except (Error, ValueError) as error:
            raise BadInput("This cursor is not one of ours.", field="cursor") from error
        if not place or not same(mark, self._mark(list_name, place)):
            raise BadInput("This cursor is not one of ours.", field="cursor")
        return place

    def page(
        self, list_name: str, found: Sequence[T], limit: int, place: Callable[[T], str]
    ) -> tuple[list[T], str | None]:
        """From up to ``limit + 1`` rows, the page of ``limit`` and the cursor that goes on, if there is more."""
        shown = list(found[:limit])
        return shown, self.make(list_name, place(shown[-1])) if len(found) > limit else None

    def _mark(self, list_name: str, place: str) -> bytes:
        return keyed_digest(self._secret, f"{list_name}\0{place}")[:MARK]
