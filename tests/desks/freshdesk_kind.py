"""The stand-in for Freshdesk as the suite of all connectors uses one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.desks.freshdesk import Freshdesk
from tests.desks.freshdesk_account import Account
from tickets.freshdesk_section import make


class FreshdeskKind:
    """The running stand-in."""

    kind = "freshdesk"
    make = staticmethod(make)
    deletes = True

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
        self.desk = Freshdesk(Account(clock=lambda: self.now))

    def __enter__(self) -> FreshdeskKind:
        self.desk.__enter__()
        company = self.desk.account.create_company({"name": "Kund AB", "renewal_date": "2027-03-31T00:00:00Z"})
        person = {"name": "Åsa Kund", "email": "asa@kund.example", "company_id": company["id"]}
        self.person = self.desk.account.create_contact(person)["id"]
        return self

    def __exit__(self, *_: object) -> None:
        self.desk.__exit__()

    def section(self, **more: Any) -> dict[str, Any]:
        own = {"url": self.desk.url, "token": self.desk.account.key, "allow_loopback": True, "rate": 1_000_000}
        return {"kind": self.kind, "allowed_hosts": ["localhost"], **own, **more}

    @property
    def tickets(self) -> dict[int, dict[str, Any]]:
        return self.desk.account.tickets

    @property
    def told(self) -> list[str]:
        """Refusals of the bucket: two ways to sign in at once."""
        return [one.path for one in self.desk.asked if one.place == "bucket" and one.status == 400]

    def open(self, *files: tuple[str, bytes]) -> str:
        self.tick()
        given = {"requester_id": self.person, "subject": "Skrivaren\nbrinner", "source": 1}
        return str(self.desk.account.create_ticket(given, _typed(files))["id"])

    def say(self, ticket: str, html: str, *files: tuple[str, bytes]) -> None:
        self.tick()
        account = self.desk.account
        account.say(account.ticket(int(ticket)), {"body": html}, private=False, source=0, files=_typed(files))

    def close(self, ticket: str) -> None:
        self._update(ticket, status=5)

    def reopen(self, ticket: str) -> None:
        self._update(ticket, status=2)

    def notes(self, ticket: str) -> list[str]:
        return [one["body"] for one in self.desk.account.said_in(int(ticket)) if one["private"]]

    def tick(self) -> None:
        self.now += timedelta(seconds=1)

    def _update(self, ticket: str, **given: Any) -> None:
        self.tick()
        self.desk.account.update_ticket(int(ticket), given)

    # -- weather -------------------------------------------------------------------------------------------------------
    def _storm(self, number: int) -> None:
        self.desk.weather.storm = number

    def _down(self, down: bool) -> None:
        self.desk.weather.down = down

    def _bend(self, bend: Callable[[Any], Any]) -> None:
        self.desk.bend = bend

    storm = property(fset=_storm)
    down = property(fset=_down)
    bend = property(fset=_bend)


def _typed(files: tuple[tuple[str, bytes], ...]) -> list[tuple[str, bytes, str]]:
    return [(name, content, "application/octet-stream") for name, content in files]
