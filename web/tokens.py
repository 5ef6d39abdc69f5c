"""Redeeming tokens over HTTP: in order, with the refusal written down and the stranger told 404 or 410 and no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from crypto import keyed_digest
from domain.errors import BilagaError, Refused, WrongPasscode
from domain.link import Link
from links import PasscodeProof
from storage import Unit
from web.services import SERVICES, Services

T = TypeVar("T")
PASSCODE = "Bilaga-Passcode"
"""Where a program gives a link's passcode; a person's form has a field of its own."""


def address_digest(request: web.Request) -> bytes:
    """The client's address as it is kept: a keyed digest, so that rows name nobody (S-82, S-92)."""
    services = request.app[SERVICES]
    return keyed_digest(services.secrets.addresses, services.addresses.client(request))


async def reading(request: web.Request, token: str, work: Callable[[Unit], T]) -> T:
    """A question about a token. A refusal is an event with its true cause."""
    services = request.app[SERVICES]
    try:
        return await services.hop.read(work)
    except Refused as refusal:
        await record(services, token, refusal)
        raise


async def writing(request: web.Request, token: str, work: Callable[[Unit], T]) -> T:
    """An effect by a token. A refusal is an event with its true cause."""
    services = request.app[SERVICES]
    try:
        return await services.hop.write(work)
    except Refused as refusal:
        await record(services, token, refusal)
        raise


async def record(services: Services, token: str, cause: BilagaError) -> None:
    """Write down that a token was refused, and why."""
    await services.hop.write(lambda unit: services.redeeming.refused(unit, token, cause))


async def limited(request: web.Request, link: Link) -> None:
    """Raises RateLimited for a link or an address that is asked too often (S-49)."""
    services = request.app[SERVICES]
    services.rates.hit("address", services.addresses.client(request))
    services.rates.hit("link", link.id)


async def prove_passcode(request: web.Request, link: Link, passcode: str | None) -> PasscodeProof | None:
    """The proof of a right passcode; None where the link has none. Raises WrongPasscode, RateLimited.

    Argon2 takes a tenth of a second and 64 MiB: on the executor, never in a transaction, and only within the allowed
    number of tries.
    """
    if link.passcode_hash is None:
        return None
    services = request.app[SERVICES]
    given = passcode if passcode is not None else request.headers.get(PASSCODE)
    if given is None:
        raise WrongPasscode("This link has a passcode.", field="passcode")
    digest = address_digest(request)
    await services.hop.read(lambda unit: services.passcodes.allowed(unit, link.id, digest))
    try:
        return await services.hop.call(services.passcodes.prove, link, given)
    except WrongPasscode as error:
        await services.hop.write(lambda unit: services.passcodes.failed(unit, link.id, digest))
        raise WrongPasscode(field="passcode") from error
