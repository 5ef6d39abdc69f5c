"""Who is asking: a bearer key or a signed-in session becomes an Actor, from current rows on every request (S-52)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from crypto import TokenPurpose, is_token, token_digest
from domain.actor import Action, Actor, Role
from domain.errors import BadInput, LoginRequired
from storage import Credential, CredentialKind, Unit

BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class Presented:
    """The credential a request came with, checked for its form only; ``by_cookie`` calls for the CSRF check (S-64)."""

    token: str
    by_cookie: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking, and by which credential."""

    actor: Actor
    credential: Credential
    by_cookie: bool


class Sessions:
    """Names and ends of session cookies. Over https the cookie is ``__Host-`` and Secure (S-63); over plain http, which
    only a loopback site speaks, browsers would refuse that prefix."""

    def __init__(self, *, secure: bool, idle: timedelta, longest: timedelta) -> None:
        self.secure = secure
        self.cookie = "__Host-bilaga" if secure else "bilaga-session"
        self.idle = idle
        self.longest = longest

    def ends(self, now: datetime, expires_at: datetime | None) -> datetime:
        """When a session used now is over if nobody uses it again."""
        idle_at = now + self.idle
        return idle_at if expires_at is None else min(idle_at, expires_at)

    def set(self, response: web.StreamResponse, token: str) -> None:
        """Hand the session to the browser."""
        response.set_cookie(
            self.cookie,
            token,
            max_age=int(self.longest.total_seconds()),
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="Lax",
        )

    def clear(self, response: web.StreamResponse) -> None:
        """Take the session from the browser."""
        response.del_cookie(self.cookie, path="/", secure=self.secure, httponly=True, samesite="Lax")


def presented(request: web.Request, sessions: Sessions) -> Presented | None:
    """The credential of a request, None where it has none. Raises LoginRequired where its form is impossible."""
    header = request.headers.get("Authorization")
    if header is not None:
        if len(request.headers.getall("Authorization")) > 1:
            raise BadInput("The request has two credentials.", field="Authorization")
        token = header[len(BEARER) :].strip() if header.lower().startswith(BEARER) else ""
        if not is_token(TokenPurpose.API_KEY, token):
            raise LoginRequired
        return Presented(token, by_cookie=False)
    cookie = request.cookies.get(sessions.cookie)
    if cookie is None or not is_token(TokenPurpose.SESSION, cookie):
        return None
    return Presented(cookie, by_cookie=True)


def identify(unit: Unit, who: Presented, now: datetime, granted: Mapping[Role, frozenset[Action]]) -> Identity:
    """The identity behind a credential, as of this transaction. Raises LoginRequired."""
    credential = unit.access.credential(token_digest(who.token), now=now)
    wanted = CredentialKind.SESSION if who.by_cookie else CredentialKind.API_KEY
    if credential is None or credential.kind is not wanted:
        raise LoginRequired
    principal = credential.principal
    actor = Actor(
        role=principal.role,
        principal_id=principal.id,
        organisation_id=principal.organisation_id,
        granted=granted.get(principal.role, frozenset()),
    )
    return Identity(actor, credential, who.by_cookie)
