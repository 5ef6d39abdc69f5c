"""From a ``Route`` to an aiohttp handler: who asks, parse, run, answer, and tell the audit log of every refusal."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from aiohttp import web
from pydantic import BaseModel, ValidationError

from domain.actor import Actor, Role
from domain.errors import BadInput, BilagaError, LoginRequired, NotAllowed, NotFound
from domain.event import Event, EventKind
from storage import Unit
from web import bodies
from web.csrf import SAFE
from web.idempotency import Once, once_of
from web.identity import Identity, Presented, identify, presented
from web.services import SERVICES, Services
from web.spec import Call, Kind, Reply, Route, Shape, StreamWork, ThreadWork, Work

log = logging.getLogger(__name__)
M = TypeVar("M", bound=BaseModel)


def handler(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The aiohttp handler of a route."""

    async def handle(request: web.Request) -> web.StreamResponse:
        services = request.app[SERVICES]
        who = presented(request, services.sessions)
        if who is None:
            raise LoginRequired
        if who.by_cookie and request.method not in SAFE:
            services.csrf.check(request, who.token, None)
        if route.kind is Kind.STREAM:
            return await _stream(request, route, services, who)
        raw, body = await _body(request, route)
        query = _query(request, route)
        once = once_of(request, services, who, raw) if route.kind is Kind.WRITE else None
        return respond(await _Run(request, route, services, who, body, query, once).reply())

    return handle


async def _stream(request: web.Request, route: Route, services: Services, who: Presented) -> web.StreamResponse:
    identity = await services.hop.read(lambda unit: _identify(unit, services, who))
    try:
        return await cast("StreamWork", route.work)(request, identity)
    except BilagaError as error:
        await record_refusal(services, identity.actor, route.name, error)
        raise


@dataclass(slots=True)
class _Run:
    """The work of a route in its place: a snapshot, a transaction, or a thread of its own transactions."""

    request: web.Request
    route: Route
    services: Services
    who: Presented
    body: Shape | None
    query: Shape | None
    once: Once | None
    actor: Actor | None = None

    async def reply(self) -> Reply:
        try:
            return await self._reply()
        except BilagaError as error:
            if self.actor is not None:
                await record_refusal(self.services, self.actor, self.route.name, error)
            raise

    async def _reply(self) -> Reply:
        hop, work = self.services.hop, self.route.work
        if self.route.kind is Kind.READ:
            return await hop.read(lambda unit: cast("Work", work)(self._call(unit), unit))
        if self.route.kind is Kind.THREAD:
            return await hop.call(cast("ThreadWork", work), await hop.read(self._call))
        prepared = None
        if self.route.prepare is not None:
            prepared = await hop.call(self.route.prepare, await hop.read(self._call))
        return await hop.write(lambda unit: self._transaction(unit, prepared))

    def _call(self, unit: Unit, prepared: Any = None) -> Call:
        identity = _identify(unit, self.services, self.who)
        self.actor = identity.actor
        address = self.services.addresses.client(self.request)
        return Call(self.services, identity, dict(self.request.match_info), self.body, self.query, address, prepared)

    def _transaction(self, unit: Unit, prepared: Any) -> Reply:
        call = self._call(unit, prepared)
        if self.once is not None and (known := self.once.known(unit)) is not None:
            return known
        reply = cast("Work", self.route.work)(call, unit)
        if self.once is not None:
            self.once.complete(unit, reply)
        return reply


async def record_refusal(services: Services, actor: Actor, route: str, error: BilagaError) -> None:
    """Every refusal of a right is an audit record; so is a contact's knocking on what is not theirs."""
    hidden = isinstance(error, NotFound) and actor.role is Role.CONTACT
    if not (isinstance(error, NotAllowed) or hidden):
        return
    facts = {"route": route, "problem": error.code}
    event = Event(EventKind.ACCESS_REFUSED, actor, None, facts)
    await services.hop.write(lambda unit: services.log.append(unit, event))


def _identify(unit: Unit, services: Services, who: Presented) -> Identity:
    return identify(unit, who, services.clock(), services.granted)


async def _body(request: web.Request, route: Route) -> tuple[bytes, Shape | None]:
    if route.body is None:
        return await bodies.read(request), None
    raw, value = await bodies.read_json(request)
    return raw, validated(route.body, value)


def _query(request: web.Request, route: Route) -> Shape | None:
    # Of the items: the keys alone name each once.
    names = [name for name, _ in request.query.items()]
    if len(names) != len(set(names)):
        raise BadInput("A name of the query stands there twice.")
    if route.query is None:
        if names:
            raise BadInput("This address takes no query.", field=names[0])
        return None
    return validated(route.query, dict(request.query), strings=True)


def validated(shape: type[M], value: Any, *, strings: bool = False) -> M:
    """The value in its shape. Raises BadInput that names the first offending field."""
    try:
        return shape.model_validate_strings(value) if strings else shape.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or None
        message = first["msg"].removeprefix("Value error, ")
        raise BadInput(f"{message}." if not message.endswith(".") else message, field=where) from error


def respond(reply: Reply) -> web.Response:
    """A reply as a response."""
    headers = {"Cache-Control": "no-store", **reply.headers}
    if reply.body is None:
        return web.Response(status=reply.status, headers=headers)
    return web.Response(
        status=reply.status,
        body=reply.body.model_dump_json(by_alias=True).encode(),
        content_type="application/json",
        headers=headers,
    )
