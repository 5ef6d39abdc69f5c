"""What comes back from a ticket system, in our words: its statuses, urllib3's errors, its JSON (S-68).

Nothing of an address, a key or a body is put into an error.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from domain.errors import DeskRefused, DeskUnavailable
from tickets.dialling import AddressRefused


@contextmanager
def translated() -> Iterator[None]:
    """urllib3's words name addresses: none of them is repeated."""
    try:
        yield
    except HTTPError as error:
        causes = set(map(type, _causes(error)))
        if AddressRefused in causes:
            raise DeskRefused(
                "The ticket system's address is not a public one: name its network in the connector's networks."
            ) from error
        if ssl.SSLCertVerificationError in causes:
            raise DeskRefused("The ticket system's certificate is not to be trusted.") from error
        raise DeskUnavailable("The ticket system cannot be reached, or does not answer.") from error
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise DeskUnavailable("The connection to the ticket system broke.") from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = [one for one in error.args if isinstance(one, BaseException)]
        error = error.__cause__ or error.__context__ or (inner[0] if inner else None)


def check_stream(response: BaseHTTPResponse, *, authorised: bool) -> None:
    """Nothing for a file that comes. Raises FileNotFoundError where there is none, and what else its status means.
    A signed address that is refused may have gone stale."""
    if response.status == 200:
        return
    if response.status in {404, 410}:
        raise FileNotFoundError
    fields = {name.lower(): value for name, value in response.headers.items()}
    refusal = refusal_of(response.status, fields)
    if isinstance(refusal, DeskRefused) and not authorised and response.status in {400, 401, 403}:
        raise DeskUnavailable("The file's address was refused; it may have gone stale.", status=response.status)
    raise refusal


def refusal_of(status: int, headers: Mapping[str, str]) -> DeskUnavailable | DeskRefused:
    """What a status that nobody expected means."""
    if status in {401, 403}:
        return DeskRefused("The ticket system refused our credentials or rights.", status=status)
    if status == 429 or status >= 500 or status == 408:
        return DeskUnavailable(f"The ticket system answered {status}.", wait=_retry_after(headers), status=status)
    if 300 <= status < 400:
        return DeskRefused("The ticket system sends us elsewhere; its address has to be seen to.", status=status)
    return DeskRefused(f"The ticket system answered {status}.", status=status)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return min(float(said), 86_400.0)
    try:
        then, now = parsedate_to_datetime(said), parsedate_to_datetime(headers.get("date", ""))
        return min(max(0.0, (then - now).total_seconds()), 86_400.0)
    except (ValueError, TypeError):
        return None


def parsed(said: bytes) -> Any:
    """An answer's JSON, None where there was none. Raises DeskUnavailable for what is no JSON."""
    if not said.strip():
        return None
    try:
        return json.loads(said)
    except (ValueError, RecursionError) as error:
        raise DeskUnavailable("The ticket system's answer is no JSON.") from error
