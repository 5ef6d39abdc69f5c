"""What a route of the API is: its words for the outside, its shapes, and the work behind it.

One ``Route`` both serves and documents, so the document cannot drift from the code. The work of most routes is a plain
function of one unit of work: one hop, one transaction, and an idempotent answer kept in that very transaction.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from domain.actor import Actor
from domain.errors import BilagaError
from storage import Unit
from web.identity import Identity
from web.services import Services


def pattern(path: str) -> str:
    """A path for the router, its variables taking any segment: aiohttp's own take no braces, which names may hold."""
    return re.sub(r"\{(\w+)\}", r"{\1:[^/]+}", path)


class Shape(BaseModel):
    """A body, a query or an answer: allow-lists both ways, unknown fields are errors (S-61)."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_bytes="base64")


class Nothing(Shape):
    """No members at all."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a route's work answers with."""

    status: int
    body: BaseModel | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, parsed: what a route's work is given."""

    services: Services
    identity: Identity
    path: Mapping[str, str]
    body: Any
    query: Any
    address: str
    prepared: Any = None

    @property
    def actor(self) -> Actor:
        """Who is asking."""
        return self.identity.actor


class Kind(Enum):
    """Where a route's work runs."""

    READ = "read"
    """A function of (Call, Unit) on a snapshot."""
    WRITE = "write"
    """A function of (Call, Unit) in one transaction."""
    THREAD = "thread"
    """A function of (Call) on the executor, owning its transactions: purge, erase."""
    STREAM = "stream"
    """A coroutine of (request, Identity) that answers by itself: bodies of any size."""


Work = Callable[[Call, Unit], Reply]
ThreadWork = Callable[[Call], Reply]
StreamWork = Callable[[web.Request, Identity], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """A route of ``/api/v1``. ``answers``: by status, the shape of the body, or a media type for bytes, or None."""

    method: str
    path: str
    summary: str
    work: Work | ThreadWork | StreamWork
    kind: Kind
    answers: Mapping[int, type[BaseModel] | str | None]
    tag: str
    body: type[Shape] | None = None
    query: type[Shape] | None = None
    problems: Sequence[type[BilagaError]] = ()
    sends: str | None = None
    """The media type of a streamed body."""
    prepare: Callable[[Call], Any] | None = None
    """Slow work before the transaction, on the executor (argon2); its result is ``Call.prepared``."""
    description: str = ""

    @property
    def name(self) -> str:
        """The route as logs and events name it: never a path, which could be a key."""
        return f"{self.method} {self.path}"
