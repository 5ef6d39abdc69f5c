"""The service: a site with the web in front of it, its upkeep beside it, and an orderly beginning and end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import fields
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from ipaddress import ip_address
from threading import Thread
from urllib.parse import urlsplit

from access import Made
from crypto import new_id
from domain.actor import SYSTEM, Role
from domain.errors import ChainBroken, Misconfigured, ScannerUnavailable
from domain.event import Event, EventKind
from installation import PUBLIC_URL, Site
from jobs import Jobs
from keys import Node
from links import Post
from links.smtp import SmtpMailer
from listener import close_door
from mail import Delivering, Door, Onward, Place, Rules, SmtpRelay
from storage import Unit, check_moved
from transfer import BreakingScanner, Pump, Reception, Resuming, Scanner, Sealing, Sniffer, TypePolicy
from transfer.clamd import ClamdScanner
from upkeep import Upkeep
from web import (
    Addresses,
    Csrf,
    Cursors,
    Flight,
    Hop,
    Languages,
    Metrics,
    Pages,
    Rates,
    Secrets,
    Services,
    Sessions,
    build,
    serve,
)

log = logging.getLogger(__name__)
FIRST = "first-administrator"
CUT_MAIL_AFTER = 5.0
"""Seconds a mail under way has at the end: what is cut comes again."""
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def run(
    site: Site,
    *,
    listener: socket.socket,
    say: Callable[[str], None],
    then: Callable[[str], None] | None = None,
    parent: int | None = None,
) -> None:
    """Serve a site until a signal, on a listening socket that is closed at the end; ``say`` prints a line for the
    operator. Raises Misconfigured.

    ``then`` is called in a thread, with the local address, once connections are taken. ``parent``: where the socket is
    shared with other workers, a descriptor that comes to its end when the process that started them is gone.
    """
    asyncio.run(_run(site, listener, say, then, parent))


async def _run(
    site: Site,
    listener: socket.socket,
    say: Callable[[str], None],
    then: Callable[[str], None] | None,
    parent: int | None,
) -> None:
    with ExitStack() as stack:
        stack.callback(listener.close)
        address, bound = listener.getsockname()[:2]
        local = _local(address, bound)
        node = Node(site.records, alone=not site.shared)
        site.connectors.open_all()
        services = _services(site, stack, local, node)
        upkeep = Upkeep(
            site,
            node,
            services.reception,
            resuming=services.resuming,
            scanner=services.scanner,
            post=_post(site),
            stopping=lambda: services.flight.draining,
        )
        node.beat()
        stack.callback(node.leave)
        # Once more, now that a move that begins can see this node: one that began before can be seen from here.
        check_moved(site.records, alone=not site.shared)
        door = _door(site, stack, services)
        _prepare(site, upkeep)
        if parent is not None:
            _end_with(parent, services.flight)
        await serve(
            build(
                services,
                version=version("bilaga"),
                background=_background(
                    upkeep, door, shared=parent is not None, drain_seconds=site.settings.drain_seconds
                ),
            ),
            listener,
            drain_seconds=site.settings.drain_seconds,
            ready=lambda: _ready(site, services, local, say, then),
            close_door=partial(close_door, listener) if parent is None else _leave_door,
        )
        site.records.write(lambda unit: site.log.append(unit, Event(EventKind.SERVICE_STOPPED, SYSTEM)))
        upkeep.checkpoint()


def _leave_door() -> None:
    """The door is other workers' too: it stays as it is."""


def _end_with(parent: int, flight: Flight) -> None:
    """End in order when the descriptor does: workers without their parent would keep its address from the next one."""
    loop = asyncio.get_running_loop()

    def readable() -> None:
        if not os.read(parent, 1):
            loop.remove_reader(parent)
            if not flight.draining:  # a second signal would end it at once
                signal.raise_signal(signal.SIGTERM)

    loop.add_reader(parent, readable)


def _local(address: str, port: int) -> str:
    """The address of this machine's own that reaches a listener."""
    if ip_address(address).is_unspecified:
        address = "::1" if ":" in address else "127.0.0.1"
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def _ready(
    site: Site, services: Services, local: str, say: Callable[[str], None], then: Callable[[str], None] | None
) -> None:
    site.records.write(lambda unit: unit.site.put(PUBLIC_URL, services.public_url))
    made = site.records.write(lambda unit: _first_administrator(site, unit))
    if made is not None:
        say(f"sign in once, within a day, as the first administrator: {services.public_url}/signin/{made.token}")
    if site.settings.public_url is None:
        say(f"PUBLIC_URL is not set: links begin with {local} and work on this machine only")
    if services.scanner is None:
        say("no malware scanner is configured (CLAMD_URL): files are taken unscanned, and say so")
    if not site.is_policy_followed():
        say("the configured retention policy would erase sooner, and waits for two people: see bilaga retention show")
    say(f"listening on {local}")
    if then is not None:
        Thread(target=then, args=(local,), name="then", daemon=True).start()


def _first_administrator(site: Site, unit: Unit) -> Made | None:
    """The way in of the first administrator, made by the start that made the site; of nodes that start at once, one
    makes it."""
    if site.shared:
        now = site.records.now()
        # Whoever gets the lease commits before the next one gets it, and then the mark is there.
        if unit.leases.take(FIRST, owner=new_id(), now=now, until=now + timedelta(minutes=1)) is None:
            return None
        is_new = unit.site.get(FIRST) is None and not unit.access.principals(after=None, limit=1)
        unit.site.put(FIRST, "made")
    else:
        is_new = site.created
    return site.people.make_sign_in(unit, SYSTEM, Role.ADMIN, "First administrator") if is_new else None


def _prepare(site: Site, upkeep: Upkeep) -> None:
    """What has to be right before anything is served: crashes mended, the log whole, no key claimed by the dead."""
    try:
        # RestoreNeeded ends the start: of a database put back from a backup nothing is served, or what was erased since
        # would be back (S-6), and nothing is written: every entry belongs behind the one that tells of the restore.
        site.log.check_start(site.records)
    except ChainBroken as error:
        # A changed log is another matter. Nothing that was erased comes back by it and no command could mend it: the
        # alarm is raised and nothing is signed; files stay reachable, since refusing them would be a second harm.
        log.critical("audit log broken", extra={"detail": error.detail})
    upkeep.recover()
    site.follow_policy()
    site.records.write(lambda unit: site.log.append(unit, Event(EventKind.SERVICE_STARTED, SYSTEM)))


def _services(site: Site, stack: ExitStack, local: str, node: Node) -> Services:
    settings = site.settings
    public = settings.public_url or local
    base = urlsplit(public)
    own = urlsplit(local)
    secure = base.scheme == "https"
    hosts = {base.netloc.lower(), own.netloc.lower(), *(name.lower() for name in settings.allowed_hosts)}
    hosts |= {f"{name}:{own.port}" for name in LOOPBACK}
    secret = site.ring.secret
    scanner = _scanner(site)
    shared = {name: getattr(site, name) for name in {f.name for f in fields(Services)} & {f.name for f in fields(Site)}}
    pump = Pump(settings.transfers)
    stack.callback(pump.close)
    hop = Hop(site.records)
    stack.callback(hop.close)
    sealing, reception = _reception(site, stack, scanner, node)
    resuming = _resuming(site, sealing, reception, node)
    stack.callback(resuming.close)
    return Services(
        **shared,
        scanner=scanner,
        reception=reception,
        resuming=resuming,
        pump=pump,
        hop=hop,
        flight=Flight(),
        sessions=Sessions(secure=secure, idle=settings.session_idle, longest=settings.session_longest),
        csrf=Csrf(secret("csrf"), frozenset({f"{base.scheme}://{base.netloc}", *(f"http://{host}" for host in hosts)})),
        cursors=Cursors(secret("cursors")),
        addresses=Addresses(settings.trusted_proxies, settings.monitor_from),
        rates=Rates(link=settings.rates.link, address=settings.rates.address),
        metrics=Metrics(),
        pages=Pages(Languages(settings.default_language), base.path),
        secrets=Secrets(idempotency=secret("idempotency"), addresses=secret("addresses")),
        granted=settings.granted,
        hosts=frozenset(hosts),
        public_url=public,
        node=node.id,
        max_file_size=int(settings.max_file_size),
        sends_mail=settings.smtp_url is not None,
        mail_address=None if site.mail_addresses is None else site.mail_addresses.of,
    )


def _scanner(site: Site) -> Scanner | None:
    url = site.settings.clamd_url
    if url is None:
        return None
    clamd = ClamdScanner(url)
    try:
        clamd.check_start(int(site.settings.max_file_size))
    except ScannerUnavailable:
        # Down is not misconfigured: uploads are refused with 503 until it answers, and it is tried out then (S-47).
        log.warning("scanner not available at start")
    return BreakingScanner(clamd)


def reception_beside(site: Site, stack: ExitStack, node: Node) -> Reception:
    """A reception for a command that takes files in as the service does, beside it or alone."""
    return _reception(site, stack, _scanner(site), node)[1]


def _reception(site: Site, stack: ExitStack, scanner: Scanner | None, node: Node) -> tuple[Sealing, Reception]:
    settings = site.settings
    refused = settings.refused_types
    policy = TypePolicy() if refused is None else TypePolicy(frozenset(name.lstrip(".").lower() for name in refused))
    sniffer = Sniffer()
    stack.callback(sniffer.close)
    sniffer.start()
    sealing = Sealing(
        site.records,
        site.blobs,
        policy=policy,
        sniff=sniffer.sniff,
        limits=site.limits,
        scanner=scanner,
        readback=site.digesting if settings.verify_uploads == "readback" else None,
        steps=site.steps,
    )
    reception = Reception(
        site.records,
        site.blobs,
        site.keys,
        site.log,
        site.clock,
        sealing=sealing,
        policy=policy,
        limits=site.limits,
        touched=site.facts.touch,
        node=node.id,
        steps=site.steps,
    )
    return sealing, reception


def _resuming(site: Site, sealing: Sealing, reception: Reception, node: Node) -> Resuming:
    return Resuming(
        site.records,
        site.blobs,
        site.keys,
        site.log,
        site.clock,
        reception=reception,
        sealing=sealing,
        limits=site.limits,
        node=node,
        steps=site.steps,
    )


def _post(site: Site) -> Post | None:
    smtp, sender = site.settings.smtp_url, site.settings.mail_from
    if smtp is None:
        return None
    if sender is None:
        raise Misconfigured("MAIL_FROM: needed with SMTP_URL", field="MAIL_FROM")
    return Post(site.records, SmtpMailer(smtp.get_secret_value(), sender), site.ring.secret("letters"), site.clock)


def _door(site: Site, stack: ExitStack, services: Services) -> Door | None:
    """The door for mail; None where there is none. Raises Misconfigured."""
    settings, addresses = site.settings.mail, site.mail_addresses
    if addresses is None or settings.relay is None:
        return None
    place = Place(settings.listen or "")
    onward = Onward(
        SmtpRelay(settings.relay.get_secret_value()),
        settings.relay_to or "",
        services.public_url,
        site.ring.installation,
    )
    delivering = Delivering(
        site.records,
        site.keys,
        site.log,
        site.clock,
        reception=services.reception,
        addresses=addresses,
        rules=Rules(int(settings.picture_max), int(settings.whole_max), keep_whole=settings.keep_whole),
        onward=onward,
        steps=site.steps,
        count=services.metrics.mail,
    )
    pump = Pump(settings.deliveries)
    stack.callback(pump.close)
    return Door(place, settings.domain or "", delivering, pump, largest=int(settings.max_size))


def _background(
    upkeep: Upkeep, door: Door | None, *, shared: bool, drain_seconds: float
) -> Callable[[object], AsyncIterator[None]]:
    async def beside(_: object) -> AsyncIterator[None]:
        jobs = Jobs(upkeep.jobs())
        if door is not None:
            await door.open(shared=shared)
        jobs.start()
        yield
        if door is not None:
            await door.close(min(drain_seconds, CUT_MAIL_AFTER))
        await asyncio.to_thread(jobs.stop)

    return beside
