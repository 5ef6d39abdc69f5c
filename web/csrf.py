"""Cross-site requests: an unsafe method by cookie needs a matching origin and a token bound to the session (S-64)."""

from __future__ import annotations

from aiohttp import web

from crypto import Secret, keyed_digest, same
from domain.errors import CsrfRefused

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
HEADER = "X-CSRF-Token"
FIELD = "csrf"


class Csrf:
    """Makes and checks the tokens. ``secret`` is a key of its own (S-33)."""

    def __init__(self, secret: Secret, origins: frozenset[str]) -> None:
        self._secret = secret
        self._origins = origins

    def token(self, session: str) -> str:
        """The token of a session, for forms and scripts of our own pages."""
        return keyed_digest(self._secret, session).hex()

    def check_origin(self, request: web.Request) -> None:
        """Raises CsrfRefused where a browser says that the request comes from elsewhere."""
        site = request.headers.get("Sec-Fetch-Site")
        if site is not None and site not in {"same-origin", "none"}:
            raise CsrfRefused
        origin = request.headers.get("Origin")
        if origin == "null" and site == "same-origin":
            # Our pages ask for no referrer, so that no token gets into a proxy's log; forms then name no origin either.
            return
        if origin is not None and origin not in self._origins:
            raise CsrfRefused

    def check(self, request: web.Request, session: str, token: str | None) -> None:
        """Raises CsrfRefused unless origin and token are right; a browser too old to name an origin needs the token."""
        self.check_origin(request)
        given = token or request.headers.get(HEADER) or ""
        if not same(given, self.token(session)):
            raise CsrfRefused
