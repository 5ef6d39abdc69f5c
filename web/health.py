"""``/healthz`` (the loop is alive, nothing is touched), ``/readyz`` (every dependency), ``/metrics``."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from aiohttp import web

from domain.actor import Action
from domain.errors import BilagaError, LoginRequired, NotAllowed
from web.identity import identify, presented
from web.services import SERVICES, Services

log = logging.getLogger(__name__)
SECONDS = 3.0
CACHED = 1.0


async def healthz(request: web.Request) -> web.Response:
    """Alive."""
    return web.json_response({"status": "ok"}, headers={"Cache-Control": "no-store"})


class Readiness:
    """Asks every dependency, at most once a second, with a time limit each."""

    def __init__(self) -> None:
        self._at = float("-inf")
        self._found: dict[str, bool] = {}
        self._lock = asyncio.Lock()

    async def readyz(self, request: web.Request) -> web.Response:
        """200 when all is well, else 503; which part is not is told to monitors and to whoever may read metrics."""
        services = request.app[SERVICES]
        async with self._lock:
            if time.monotonic() - self._at > CACHED:
                self._found = await self._ask(services)
                self._at = time.monotonic()
        ready = all(self._found.values()) and not services.flight.draining
        body: dict[str, object] = {"status": "ready" if ready else "not ready"}
        if await may_monitor(request):
            body["checks"] = {name: "ok" if well else "failing" for name, well in self._found.items()}
            body["scan"] = "clamd" if services.scanner is not None else "none"
            body["draining"] = services.flight.draining
            if self._found.get("database"):
                followed = await services.hop.read(services.policies.is_followed)
                body["retention_policy"] = "in force" if followed else "unconfirmed"
        headers = {"Cache-Control": "no-store"} if ready else {"Cache-Control": "no-store", "Retry-After": "5"}
        return web.json_response(body, status=200 if ready else 503, headers=headers)

    async def _ask(self, services: Services) -> dict[str, bool]:
        asked: dict[str, Callable[[], object]] = {
            "database": services.records.ping,
            "store": services.blobs.ping,
            "keys": services.ring.ping,
        }
        if services.scanner is not None:
            asked["scanner"] = services.scanner.ping
        answers = await asyncio.gather(*(_well(services, name, ping) for name, ping in asked.items()))
        return dict(zip(asked, answers, strict=True))


async def _well(services: Services, name: str, ping: Callable[[], object]) -> bool:
    try:
        async with asyncio.timeout(SECONDS):
            await services.hop.call(ping)
    except (BilagaError, TimeoutError) as error:
        log.warning("dependency not ready", extra={"dependency": name, "cause": type(error).__name__})
        return False
    return True


async def may_monitor(request: web.Request) -> bool:
    """Whether the caller is a monitoring address, or has the right (S-70)."""
    services = request.app[SERVICES]
    if services.addresses.is_monitor(request):
        return True
    try:
        who = presented(request, services.sessions)
        if who is None:
            return False
        now, granted = services.clock(), services.granted
        identity = await services.hop.read(lambda unit: identify(unit, who, now, granted))
    except BilagaError:
        return False
    return identity.actor.may(Action.READ_METRICS)


async def metrics(request: web.Request) -> web.Response:
    """For monitors, and whoever may read metrics."""
    services = request.app[SERVICES]
    if not await may_monitor(request):
        raise LoginRequired if presented(request, services.sessions) is None else NotAllowed
    live, journal = await services.hop.read(lambda unit: (unit.inventory.live_count(), unit.journal.size()))
    overdue, followed = await services.hop.read(
        lambda unit: (services.holds.overdue(unit), services.policies.is_followed(unit))
    )
    services.metrics.retention(overdue=overdue, followed=followed)
    now = services.clock()
    rows = await services.hop.read(lambda unit: [(row, unit.hints.count(row.name)) for row in unit.connectors.all()])
    for row, hints in rows:
        age = None if row.polled_at is None else (now - row.polled_at).total_seconds()
        services.metrics.connector(row.name, age=age, hints=hints)
    space = await services.hop.call(services.blobs.space)
    services.metrics.site(transfers=services.pump.running, live=live, journal=journal, free=space.free)
    return services.metrics.answer()
