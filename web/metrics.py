"""Prometheus metrics: no id, no name and no token is ever a label."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600)


class Metrics:
    """This process's counters."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "bilaga_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._mails = Counter("bilaga_mails", "Mails by outcome.", ("outcome",), registry=self._registry)
        self._seconds = Histogram(
            "bilaga_request_seconds", "Time to answer.", ("method", "route"), buckets=BUCKETS, registry=self._registry
        )
        self._transfers = Gauge("bilaga_transfers", "Transfers under way.", registry=self._registry)
        self._live = Gauge("bilaga_attachments", "Attachments that hold bytes.", registry=self._registry)
        self._journal = Gauge("bilaga_audit_entries", "Entries of the audit log.", registry=self._registry)
        self._overdue = Gauge("bilaga_holds_overdue", "Holds whose day of review has passed.", registry=self._registry)
        self._unconfirmed = Gauge(
            "bilaga_retention_policy_unconfirmed",
            "1 where the configured retention policy waits for a confirmation.",
            registry=self._registry,
        )
        self._read_age = Gauge(
            "bilaga_connector_read_age_seconds",
            "How old what is known of a ticket system is; -1: it was never read whole.",
            ("connector",),
            registry=self._registry,
        )
        self._hints = Gauge(
            "bilaga_connector_hints", "Tickets waiting to be looked at.", ("connector",), registry=self._registry
        )
        self._free = Gauge("bilaga_store_free_bytes", "Bytes the store still takes.", registry=self._registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        method = method if method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def mail(self, outcome: str) -> None:
        """A mail was taken, or not."""
        self._mails.labels(outcome).inc()

    def retention(self, *, overdue: int, followed: bool) -> None:
        """What of retention somebody has to see to, as looked up for this scrape."""
        self._overdue.set(overdue)
        self._unconfirmed.set(not followed)

    def connector(self, name: str, *, age: float | None, hints: int) -> None:
        """How far a ticket system is read, as looked up for this scrape."""
        self._read_age.labels(name).set(-1 if age is None else age)
        self._hints.labels(name).set(hints)

    def site(self, *, transfers: int, live: int, journal: int, free: int) -> None:
        """How the site is, as looked up for this scrape."""
        self._transfers.set(transfers)
        self._live.set(live)
        self._journal.set(journal)
        self._free.set(free)

    def answer(self) -> web.Response:
        """The text that Prometheus reads."""
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
