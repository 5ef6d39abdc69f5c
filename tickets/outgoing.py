"""Requests to a ticket system: the one place from which connectors speak HTTP, and where its errors become ours (S-68).

``https`` to where an administrator's setting points, no redirects, bounded in time, size and number. Nothing of an
address, a key or a body is put into an error or a log.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from threading import BoundedSemaphore, Lock
from typing import Any
from urllib.parse import urlencode

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, Timeout
from urllib3.exceptions import LocationParseError
from urllib3.filepost import encode_multipart_formdata
from urllib3.util import Url, parse_url

from domain.breaker import Breaker
from domain.errors import DeskRefused, DeskUnavailable, Misconfigured, TooLarge
from tickets.dialling import CONNECT_SECONDS, pool
from tickets.reach import Network, Reach, is_loopback
from tickets.refusals import check_stream, parsed, refusal_of, translated

log = logging.getLogger(__name__)

MAX_JSON = 32 << 20
PIECE = 64 << 10
LONGEST_WAIT = 30.0
"""Seconds of one call spent waiting for its turn; what takes longer is for whoever calls to come back for."""
TRIES = 3
SLOWEST = 1024
"""Bytes a second, over ``PATIENCE`` seconds."""
PATIENCE = 30.0
POOLS = 8
_AGAIN = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_ELSEWHERE = frozenset({301, 302, 303, 307, 308})
_PLAIN = {"Accept-Encoding": "identity", "User-Agent": "bilaga"}
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. ``headers``: by lower-case name; ``json``: the body, None where there was none."""

    status: int
    headers: Mapping[str, str]
    json: Any


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a form."""

    field: str
    name: str
    media_type: str
    content: bytes


class Outgoing:
    """One ticket system's API. Safe from any thread.

    ``headers`` go to the base address's host only. ``allowed_hosts``: where files may lie besides (``*.example.com``).
    ``networks``: inner networks it may be in. ``rate``: calls a minute at the most. ``ca``: a file of certificates to
    trust. Raises Misconfigured for a base that is no ``https`` address (``http`` to this machine, where
    ``allow_loopback`` says so).
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str],
        allowed_hosts: Sequence[str] = (),
        networks: Sequence[str | Network] = (),
        allow_loopback: bool = False,
        timeout: float = 30.0,
        rate: float | None = None,
        concurrent: int = 4,
        ca: str | None = None,
        most_json: int = MAX_JSON,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._allow_loopback = allow_loopback
        self._base = self._checked_base(base_url)
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "bilaga", **headers}
        self._allowed = tuple(host.lower() for host in allowed_hosts)
        self._reach = Reach(networks, loopback=allow_loopback)
        self._timeout = timeout
        self._interval = 60.0 / rate if rate else 0.0
        self._parallel = concurrent
        self._slots = BoundedSemaphore(concurrent)
        self._ca = ca
        self._most_json = most_json
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = Lock()
        self._turn = monotonic()
        self._pools: dict[tuple[str, str, int], HTTPConnectionPool] = {}
        self._breaker = Breaker(DeskUnavailable, self._probe, _tell, failures=5, pause=15.0, monotonic=monotonic)

    def json(
        self,
        method: str,
        path_or_url: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any | None = None,
        expect: Collection[int] = (200, 201, 204),
    ) -> Reply:
        """One call. A status of ``expect`` is an answer, whatever it is; 401, 403 and other 4xx raise DeskRefused; 429,
        5xx, and what tells of a broken line, DeskUnavailable with the seconds to ``wait``, where it said so.

        ``path_or_url``: below the base address, or an address of its own host. What is safe to ask twice is asked again
        after a pause, and whatever was over the rate once its time has come.
        """
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {} if content is None else {"Content-Type": "application/json"}
        return self._called(method, self._url(path_or_url, query), content, headers, expect)

    def form(
        self,
        method: str,
        path_or_url: str,
        fields: Mapping[str, str],
        files: Sequence[Part] = (),
        *,
        expect: Collection[int] = (200, 201, 204),
    ) -> Reply:
        """As ``json``, the body a form with files (multipart/form-data)."""
        parts: list[tuple[str, str | tuple[str, bytes, str]]] = list(fields.items())
        parts += [(file.field, (file.name, file.content, file.media_type)) for file in files]
        content, kind = encode_multipart_formdata(parts)
        return self._called(method, self._url(path_or_url, None), content, {"Content-Type": kind}, expect)

    @contextmanager
    def stream(
        self, url: str, *, authorised: bool, limit: int | None, follow: bool = False
    ) -> Iterator[Iterator[bytes]]:
        """A file's bytes in pieces. ``authorised``: with our headers, which only the base's host gets; without them for
        addresses that are signed, at the base's or an allowed host. ``follow``: one step to such a host, without our
        headers, for systems that keep their files elsewhere (the one redirect there is).

        Raises FileNotFoundError where there is none (404, 410), TooLarge once more than ``limit`` bytes came, and
        DeskUnavailable also for a signed address that is refused: it may have gone stale.
        """
        target = self._url(url, None) if authorised else self._foreign(url)
        headers = dict(self._headers) if authorised else dict(_PLAIN)
        with self._slot(), translated():
            self._breaker.check()
            response = self._breaker.watch(partial(self._open, "GET", target, None, {**headers, "Accept": "*/*"}))
            if follow and response.status in _ELSEWHERE:
                response.close()
                target, authorised = self._foreign(response.headers.get("Location", "")), False
                response = self._open("GET", target, None, {**_PLAIN, "Accept": "*/*"})
            try:
                check_stream(response, authorised=authorised)
                yield self._pieces(response, limit)
            finally:
                response.close()

    def close(self) -> None:
        """End what is connected."""
        with self._lock:
            pools, self._pools = self._pools, {}
        for one in pools.values():
            one.close()

    def _called(
        self, method: str, url: Url, content: bytes | None, headers: Mapping[str, str], expect: Collection[int]
    ) -> Reply:
        left = LONGEST_WAIT
        for tried in range(1, TRIES + 1):
            left -= self._wait_for_turn(left)
            self._breaker.check()
            try:
                return self._breaker.watch(partial(self._ask, method, url, content, headers, expect))
            except DeskUnavailable as error:
                over_rate = error.facts.get("status") == 429
                jitter = random.uniform(0.25, 0.5)  # noqa: S311 (spreads load, guards nothing)
                wait = jitter * 2**tried if error.wait is None else error.wait
                if tried == TRIES or wait > left or not (over_rate or method in _AGAIN):
                    raise
                left -= wait
                self._sleep(wait)
        raise DeskUnavailable  # not reached: the last try raises

    def _ask(
        self, method: str, url: Url, content: bytes | None, headers: Mapping[str, str], expect: Collection[int]
    ) -> Reply:
        with self._slot(), translated():
            response = self._open(method, url, content, {**self._headers, **headers})
            try:
                said = b"".join(self._pieces(response, self._most_json))
            except TooLarge as error:
                raise DeskRefused("The ticket system's answer is too long.") from error
            finally:
                response.close() if response.length_remaining not in {0, None} else response.release_conn()
        fields = {name.lower(): value for name, value in response.headers.items()}
        if response.status not in expect:
            raise refusal_of(response.status, fields)
        return Reply(response.status, fields, parsed(said))

    def _open(self, method: str, url: Url, content: bytes | None, headers: Mapping[str, str]) -> BaseHTTPResponse:
        return self._pool(url).urlopen(
            method,
            url.request_uri,
            body=content,
            headers=headers,
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=Timeout(connect=CONNECT_SECONDS, read=self._timeout),
            preload_content=False,
            decode_content=False,
        )

    def _pieces(self, response: BaseHTTPResponse, limit: int | None) -> Iterator[bytes]:
        total, since, counted = 0, self._monotonic(), 0
        with translated():
            while piece := response.read1(PIECE):
                total += len(piece)
                if limit is not None and total > limit:
                    raise TooLarge("More came than was announced.")
                yield piece
                now = self._monotonic()
                if now - since >= PATIENCE:
                    if total - counted < SLOWEST * (now - since):
                        raise DeskUnavailable("The ticket system sends too slowly.")
                    since, counted = now, total

    def _pool(self, url: Url) -> HTTPConnectionPool:
        scheme, host = url.scheme or "https", url.host or ""
        origin = (scheme, host, url.port or _PORTS[scheme])
        with self._lock:
            known = self._pools.get(origin)
            if known is None:
                while len(self._pools) >= POOLS:  # hosts of files come and go; the base's own is made again
                    del self._pools[next(iter(self._pools))]
                loopback_only = scheme == "http"
                known = self._pools[origin] = pool(
                    *origin,
                    reach=_LoopbackOnly() if loopback_only else self._reach,
                    answer_seconds=self._timeout,
                    parallel=self._parallel,
                    ca=self._ca,
                )
            return known

    def _url(self, path_or_url: str, query: Mapping[str, Any] | None) -> Url:
        """Below the base, or an address of its very origin: nobody else gets our headers."""
        if "://" in path_or_url:
            url = _parse(path_or_url)
            if url.auth is not None or _origin(url) != _origin(self._base):
                raise DeskRefused("The ticket system points to another host.")
        else:
            path, _, asked = path_or_url.partition("?")
            below = (self._base.path or "").rstrip("/") + "/" + path.lstrip("/")
            url = _parse(self._base._replace(path=below, query=asked or None).url)
        if query:
            try:
                added = urlencode({name: value for name, value in query.items() if value is not None}, doseq=True)
            except UnicodeError as error:  # a cursor that the system made up
                raise DeskRefused("The ticket system gave a word that is none.") from error
            url = url._replace(query=f"{url.query}&{added}" if url.query else added)
        return url._replace(fragment=None)

    def _foreign(self, address: str) -> Url:
        url = _parse(address)
        if url.auth is not None:
            raise DeskRefused("The ticket system points to another host.")
        if _origin(url) != _origin(self._base):
            host = (url.host or "").rstrip(".").lower()
            if not any(fnmatchcase(host, pattern) for pattern in self._allowed):
                raise DeskRefused("The ticket system points to a host that is not among allowed_hosts.")
            if url.scheme != "https" and not (url.scheme == "http" and self._allow_loopback):
                raise DeskRefused("The ticket system points to an address without TLS.")
        return url._replace(fragment=None)

    def _checked_base(self, base_url: str) -> Url:
        try:
            url = parse_url(base_url)
        except LocationParseError as error:
            raise Misconfigured("url: this is no address", field="url") from error
        if url.auth is not None or url.query is not None or url.fragment is not None or not url.host:
            raise Misconfigured("url: an address without user, query and fragment is needed", field="url")
        if url.scheme != "https" and not (url.scheme == "http" and self._allow_loopback):
            raise Misconfigured("url: must begin with https://", field="url")
        return url

    def _probe(self) -> None:
        with translated():
            self._pool(self._base).urlopen(
                "HEAD",
                self._base.request_uri,
                headers={"User-Agent": "bilaga"},
                retries=False,
                redirect=False,
                timeout=Timeout(connect=CONNECT_SECONDS, read=CONNECT_SECONDS),
            )

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=LONGEST_WAIT):
            raise DeskUnavailable("Too many calls to the ticket system are under way.", wait=LONGEST_WAIT)
        try:
            yield
        finally:
            self._slots.release()

    def _wait_for_turn(self, most: float) -> float:
        with self._lock:
            now = self._monotonic()
            wait = max(0.0, self._turn - now)
            if wait > most:
                raise DeskUnavailable("The ticket system is asked as often as it may be.", wait=wait)
            self._turn = max(now, self._turn) + self._interval
        if wait:
            self._sleep(wait)
        return wait


class _LoopbackOnly(Reach):
    """What is said in clear stays on this machine."""

    def __init__(self) -> None:
        super().__init__(loopback=True)

    def allows(self, address: str) -> bool:
        return is_loopback(address)


def _parse(address: str) -> Url:
    try:
        return parse_url(address)
    except (LocationParseError, UnicodeError) as error:
        raise DeskRefused("The ticket system gave an address that is none.") from error


def _origin(url: Url) -> tuple[str | None, str, int | None]:
    return url.scheme, (url.host or "").rstrip("."), url.port or _PORTS.get(url.scheme or "")


def _tell(is_back: bool) -> None:
    if is_back:
        log.info("ticket system back")
    else:
        log.warning("ticket system down")
