"""``Idempotency-Key`` (S-4, draft-ietf-httpapi-idempotency-key-header-07): the first answer again, no second effect."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from crypto import keyed_digest, open_with_secret, seal_with_secret
from domain.errors import BadInput, IdempotencyConflict, StateConflict
from storage import Unit
from web.identity import Presented
from web.services import Services
from web.spec import Reply

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
LABEL = "idempotent-answer"


class Replayed(BaseModel):
    """An answer given before, as it was."""

    model_config = ConfigDict(extra="allow")


@dataclass(frozen=True, slots=True)
class Known:
    """An answer given before, and the fingerprint of the request it was given to."""

    reply: Reply
    fingerprint: bytes | None


@dataclass(frozen=True, slots=True)
class Once:
    """One request under a key. ``fingerprint`` None: the body is streamed, and its digest known at its end only."""

    services: Services
    key_digest: bytes
    fingerprint: bytes | None

    def begin(self, unit: Unit) -> Known | None:
        """The first answer, where there is one; None: this request is the first, and claims the key.

        Raises StateConflict while another request with this key is running.
        """
        now = self.services.clock()
        answer = unit.answers.begin(self.key_digest, node=self.services.node, now=now, expires_at=now + KEPT)
        if answer is None:
            return None
        if answer.sealed is None:
            raise StateConflict("A request with this idempotency key is still running.", field=HEADER)
        opened = open_with_secret(self.services.secrets.idempotency, answer.sealed, LABEL, self.key_digest)
        status, headers, body = json.loads(opened)
        reply = Reply(status, None if body is None else Replayed.model_validate(body), headers)
        return Known(reply, answer.fingerprint)

    def known(self, unit: Unit) -> Reply | None:
        """As ``begin``, for a body that is known: the same body gets the same answer. Raises IdempotencyConflict."""
        known = self.begin(unit)
        return None if known is None else self.same(known, self.fingerprint)

    @staticmethod
    def same(known: Known, fingerprint: bytes | None) -> Reply:
        """The known answer, if it was given to this very request. Raises IdempotencyConflict."""
        if known.fingerprint != fingerprint:
            raise IdempotencyConflict(field=HEADER)
        return known.reply

    def complete(self, unit: Unit, reply: Reply, fingerprint: bytes | None = None) -> None:
        """Keep the answer, in the transaction of the effect. It may hold a link's address, so it is sealed (S-50)."""
        body: Any = None if reply.body is None else json.loads(reply.body.model_dump_json(by_alias=True))
        plain = json.dumps([reply.status, dict(reply.headers), body]).encode()
        sealed = seal_with_secret(self.services.secrets.idempotency, plain, LABEL, self.key_digest)
        mark = fingerprint or self.fingerprint
        if mark is None:
            raise ValueError("an answer without the fingerprint of its request")
        unit.answers.complete(self.key_digest, node=self.services.node, fingerprint=mark, sealed=sealed)

    def forget(self, unit: Unit) -> None:
        """The request came to nothing: the key is free again."""
        unit.answers.forget(self.key_digest, node=self.services.node)


def once_of(request: web.Request, services: Services, who: Presented | str, body: bytes | None) -> Once | None:
    """The request's ``Once``; None where it names no key. ``body`` None: streamed, its digest comes at the end.

    The key counts for one caller (a credential, or a link's token) and one operation.
    """
    values = request.headers.getall(HEADER, [])
    if not values:
        return None
    key = values[0].strip()
    if key.startswith('"') and key.endswith('"') and len(key) > 1:
        key = key[1:-1]
    if len(values) > 1 or not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise BadInput("An idempotency key is one string of 1 to 255 printable characters.", field=HEADER)
    caller = who if isinstance(who, str) else who.token
    scope = f"{caller}\0{request.method}\0{request.path}\0{key}"
    digest = keyed_digest(services.secrets.idempotency, scope)
    return Once(services, digest, None if body is None else sha256(body).digest())
