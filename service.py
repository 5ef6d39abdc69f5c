"""The service: a site with the web in front of it, its recurring jobs beside it, and an orderly beginning and end."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import fields
from datetime import timedelta
from importlib.metadata import version
from ipaddress import ip_address
from threading import Thread
from urllib.parse import urlsplit

from domain.actor import SYSTEM, Role
from domain.errors import BilagaError, ChainBroken, Misconfigured, ScannerUnavailable
from domain.event import Event, EventKind
from installation import PUBLIC_URL, Site
from jobs import Job, Jobs
from links import Post
from links.smtp import SmtpMailer
from storage import Unit
from transfer import BreakingScanner, Pump, Reception, Rescan, Scanner, Scrub, Sealing, Sniffer, TypePolicy
from transfer.clamd import ClamdScanner
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
SCRUB_EVERY = timedelta(hours=1)
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def run(
    site: Site, *, host: str, port: int, say: Callable[[str], None], then: Callable[[str], None] | None = None
) -> None:
    """Serve a site until a signal; ``say`` prints a line for the operator. Raises Misconfigured.

    ``then`` is called in a thread, with the local address, once connections are taken.
    """
    asyncio.run(_run(site, host, port, say, then))


async def _run(
    site: Site, host: str, port: int, say: Callable[[str], None], then: Callable[[str], None] | None
) -> None:
    with ExitStack() as stack:
        try:
            listener = socket.create_server(
                (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=512
            )
        except OSError as error:
            raise Misconfigured(f"{host}:{port}: {error.strerror}") from error
        stack.callback(listener.close)
        address, bound = listener.getsockname()[:2]
        local = _local(address, bound)
        services = _services(site, stack, local)
        _prepare(site)
        application = build(services, version=version("bilaga"), background=_background(site, services))
        await serve(
            application,
            listener,
            drain_seconds=site.settings.drain_seconds,
            ready=lambda: _ready(site, services, local, say, then),
        )
        site.records.write(lambda unit: site.log.append(unit, Event(EventKind.SERVICE_STOPPED, SYSTEM)))
        _checkpoint(site)


def _local(address: str, port: int) -> str:
    """The address of this machine's own that reaches a listener."""
    if ip_address(address).is_unspecified:
        address = "::1" if ":" in address else "127.0.0.1"
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def _ready(
    site: Site, services: Services, local: str, say: Callable[[str], None], then: Callable[[str], None] | None
) -> None:
    site.records.write(lambda unit: unit.site.put(PUBLIC_URL, services.public_url))
    if site.created:
        made = site.records.write(
            lambda unit: site.people.make_sign_in(unit, SYSTEM, Role.ADMIN, "First administrator")
        )
        say(f"sign in once, within a day, as the first administrator: {services.public_url}/signin/{made.token}")
    if site.settings.public_url is None:
        say(f"PUBLIC_URL is not set: links begin with {local} and work on this machine only")
    if services.scanner is None:
        say("no malware scanner is configured (CLAMD_URL): files are taken unscanned, and say so")
    say(f"listening on {local}")
    if then is not None:
        Thread(target=then, args=(local,), name="then", daemon=True).start()


def _prepare(site: Site) -> None:
    """What has to be right before anything is served: crashes mended, the log whole, no key claimed by the dead."""
    try:
        # RestoreNeeded ends the start: of a database put back from a backup nothing is served, or what was erased since
        # would be back (S-6), and nothing is written: every entry belongs behind the one that tells of the restore.
        site.log.check_start(site.records)
    except ChainBroken as error:
        # A changed log is another matter. Nothing that was erased comes back by it and no command could mend it: the
        # alarm is raised and nothing is signed; files stay reachable, since refusing them would be a second harm.
        log.critical("audit log broken", extra={"detail": error.detail})
    site.recovery.at_start(alone=True)
    site.purge.recover()
    site.records.write(_forget_the_dead)
    site.follow_policy()
    site.records.write(lambda unit: site.log.append(unit, Event(EventKind.SERVICE_STARTED, SYSTEM)))


def _forget_the_dead(unit: Unit) -> None:
    """What the process before this one had begun and claimed for itself alone."""
    unit.answers.forget_running()
    unit.leases.end_all()


def _services(site: Site, stack: ExitStack, local: str) -> Services:
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
    return Services(
        **shared,
        scanner=scanner,
        reception=_reception(site, stack, scanner),
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
        max_file_size=int(settings.max_file_size),
        sends_mail=settings.smtp_url is not None,
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


def _reception(site: Site, stack: ExitStack, scanner: Scanner | None) -> Reception:
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
    return Reception(
        site.records,
        site.blobs,
        site.keys,
        site.log,
        site.clock,
        sealing=sealing,
        policy=policy,
        limits=site.limits,
        touched=site.facts.touch,
        steps=site.steps,
    )


def _background(site: Site, services: Services) -> Callable[[object], AsyncIterator[None]]:
    async def beside(_: object) -> AsyncIterator[None]:
        jobs = Jobs(_jobs(site, services))
        jobs.start()
        yield
        await asyncio.to_thread(jobs.stop)

    return beside


def _jobs(site: Site, services: Services) -> list[Job]:
    started = site.clock()
    seconds = timedelta(seconds=1)

    def sweep(unit: Unit) -> None:
        site.redeeming.sweep(unit)
        site.passcodes.sweep(unit)
        unit.answers.sweep(site.clock())

    scrub = Scrub(site.records, site.blobs, site.keys, site.sending, every=SCRUB_EVERY)
    jobs = [
        Job("checkpoint", 10 * seconds, lambda: _checkpoint_if_due(site)),
        Job("purge", site.settings.purge_every, lambda: site.purge.run(SYSTEM)),
        # A row comes before its blob: what has none and is older than this process, a crash left behind.
        Job("orphans", timedelta(days=1), lambda: site.recovery.delete_orphans(started)),
        Job("sweep", timedelta(minutes=15), lambda: site.records.write(sweep)),
        Job("stale", timedelta(hours=1), site.recovery.sweep),
        Job("tidy", timedelta(hours=1), site.records.tidy),
        Job("keys", timedelta(hours=1), site.rotation.tick),
        Job("scrub", SCRUB_EVERY, scrub.run),
    ]
    if services.scanner is not None:
        rescan = Rescan(site.records, site.blobs, site.keys, site.log, site.clock, services.scanner)
        jobs.append(Job("rescan", 10 * seconds, rescan.run))
    smtp, sender = site.settings.smtp_url, site.settings.mail_from
    if smtp is not None:
        if sender is None:
            raise Misconfigured("MAIL_FROM: needed with SMTP_URL", field="MAIL_FROM")
        mailer = SmtpMailer(smtp.get_secret_value(), sender)
        post = Post(site.records, mailer, site.ring.secret("letters"), site.clock)
        jobs.append(Job("post", 2 * seconds, post.run))
    return jobs


def _checkpoint_if_due(site: Site) -> None:
    if site.records.read(site.log.due):
        _checkpoint(site)


def _checkpoint(site: Site) -> None:
    try:
        site.log.checkpoint(site.records)
    except ChainBroken:
        log.critical("audit log broken")
    except BilagaError as error:
        log.warning("checkpoint failed", extra={"code": error.code})
