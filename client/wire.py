"""HTTP as it is spoken here: one request, one answer read to its end; what goes wrong is named in the house's words."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import urllib3

from client.patience import Again
from domain import errors

# For connecting, and for each block on its way out: a block is sent within it or the line counts as dead.
CONNECT_SECONDS = 30.0
# For an answer: the last of an upload comes within thirty seconds whatever the size.
ANSWER_SECONDS = 60.0
LONGEST_ANSWER = 1 << 20
LONGEST_RETRY_AFTER = 600.0
URN = "urn:bilaga:problem:"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def good(self) -> bool:
        """What was asked for was done."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body, parsed. Raises Unavailable: something else than Bilaga answered."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise errors.Unavailable("Something else than Bilaga answered.") from None

    @property
    def error(self) -> errors.BilagaError:
        """The error that the service had, as it had it; of an answer by something between us, by its status."""
        try:
            said = json.loads(self.body)
            return _ERRORS[str(said["type"]).removeprefix(URN)](str(said["detail"]))
        except (ValueError, KeyError, TypeError):
            pass
        if 300 <= self.status < 400:
            return errors.BadInput("This address leads to another one; use that.", field="link")
        kind = _BY_STATUS.get(self.status, errors.Unavailable if self.status >= 500 else errors.Refused)
        return kind(f"The service answered {self.status}.")

    @property
    def retry_after(self) -> float | None:
        """How many seconds the service asks to wait for, bounded."""
        said = self.headers.get("retry-after", "")
        if said.isascii() and said.isdigit():
            return min(float(said), LONGEST_RETRY_AFTER)
        try:
            then, now = parsedate_to_datetime(said), parsedate_to_datetime(self.headers.get("date", ""))
            return min(max(0.0, (then - now).total_seconds()), LONGEST_RETRY_AFTER)
        except (ValueError, TypeError):
            return None


class Wire:
    """Connections to one service, kept and shared by threads."""

    def __init__(self, *, parallel: int, proxy: str | None = None) -> None:
        """``proxy``: the address of an HTTP proxy between here and there."""
        how: dict[str, Any] = {
            "maxsize": parallel + 1,
            "retries": False,
            "timeout": urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS),
            "headers": {"User-Agent": "bilaga-send", "Accept": "application/json"},
        }
        self._pool = urllib3.PoolManager(**how) if proxy is None else urllib3.ProxyManager(proxy, **how)

    def close(self) -> None:
        """End what is connected."""
        self._pool.clear()

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: Iterable[bytes] | bytes | None = None,
    ) -> Reply:
        """One request. An iterable body needs its Content-Length. Raises Again when the network is in the way."""
        merged = {**self._pool.headers, **(headers or {})}
        try:
            response = self._pool.request(
                method, url, headers=merged, body=body, redirect=False, retries=False, preload_content=False
            )
            try:
                content = response.read(LONGEST_ANSWER)
                fields = {name.lower(): value for name, value in response.headers.items()}
                return Reply(response.status, fields, content)
            finally:
                # What is longer than any answer of Bilaga's is not read on: that connection is of no more use.
                if response.closed or response.length_remaining in {0, None}:
                    response.release_conn()
                else:
                    response.close()
        except urllib3.exceptions.HTTPError as error:
            raise _translated(error, urlsplit(url).hostname or "") from error


def _translated(error: Exception, host: str) -> Exception:
    """The words of urllib3 name addresses, and ours are credentials: none of them is repeated."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return errors.Misconfigured(f"The certificate of {host} is not to be trusted: {cause.verify_message}.")
    if isinstance(error, urllib3.exceptions.LocationParseError | urllib3.exceptions.URLSchemeUnknown):
        return errors.BadInput("This is no address.", field="link")
    if any(isinstance(cause, urllib3.exceptions.NewConnectionError) for cause in causes):
        return Again(errors.Unavailable(f"{host} cannot be reached."))
    if any(isinstance(cause, urllib3.exceptions.TimeoutError) for cause in causes):
        return Again(errors.Unavailable(f"{host} does not answer."))
    return Again(errors.Unavailable(f"The connection to {host} broke."))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = [one for one in error.args if isinstance(one, BaseException)]
        error = error.__cause__ or error.__context__ or (inner[0] if inner else None)


def _by_code(kind: type[errors.BilagaError]) -> dict[str, type[errors.BilagaError]]:
    """Errors by the name of their problem, the nearest to the family first."""
    found: dict[str, type[errors.BilagaError]] = {}
    kinds = [kind]
    while kinds:
        for one in kinds:
            found.setdefault(one.code, one)
        kinds = [sub for one in kinds for sub in one.__subclasses__()]
    return found


_ERRORS: dict[str, type[errors.BilagaError]] = {"internal": errors.Unavailable, **_by_code(errors.BilagaError)}
_BY_STATUS: dict[int, type[errors.BilagaError]] = {404: errors.NotFound, 410: errors.Gone, 413: errors.TooLarge}
