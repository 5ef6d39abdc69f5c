"""The contacts and companies of a Freshdesk account."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.desks.freshdesk_answers import Problem, invalid


@dataclass
class People:
    """Contacts and companies, and the numbers that everything gets."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    contacts: dict[int, dict[str, Any]] = field(default_factory=dict)
    companies: dict[int, dict[str, Any]] = field(default_factory=dict)
    tickets: dict[int, dict[str, Any]] = field(default_factory=dict)
    files: dict[int, Any] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def new_id(self) -> int:
        return 43_000_000_000 + next(self._ids)

    def requester_of(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if given.get("requester_id"):
            found = self.contacts.get(int(given["requester_id"]))
            if found is None:
                raise invalid("requester_id", "There is no contact matching the given requester_id", "invalid_value")
            return found
        email = given.get("email")
        for one in self.contacts.values():
            if email and one["email"] == email:
                return one
        return self.create_contact({"name": given.get("name") or (email or "somebody").split("@")[0], "email": email})

    def create_contact(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if not given.get("name"):
            raise invalid("name", "It should be a/an String", "missing_field")
        if given.get("email") and any(one["email"] == given["email"] for one in self.contacts.values()):
            raise invalid("email", "It should be a unique value", "duplicate_value")
        now = self.clock()
        contact = {
            "id": self.new_id(), "name": given["name"], "email": given.get("email"), "other_emails": [],
            "phone": given.get("phone"), "mobile": None, "company_id": given.get("company_id"),
            "view_all_tickets": False, "other_companies": [], "unique_external_id": None, "language": "en",
            "time_zone": "Stockholm", "active": False, "deleted": False, "custom_fields": {}, "tags": [],
            "created_at": now, "updated_at": now,
        }  # fmt: skip
        self.contacts[contact["id"]] = contact
        return contact

    def delete_contact(self, number: int, *, hard: bool, force: bool = False) -> None:
        """Soft: marked, its tickets stay. Hard: gone for good, and its tickets with it."""
        contact = self.contacts.get(number)
        if contact is None or (contact["deleted"] and not hard):
            raise Problem(404)
        if not hard:
            contact["deleted"] = True
            return
        if not contact["deleted"] and not force:
            raise Problem(405)
        del self.contacts[number]
        for ticket in [one["id"] for one in self.tickets.values() if one["requester_id"] == number]:
            del self.tickets[ticket]
            for file in self.files.values():
                file.gone = file.gone or file.ticket == ticket

    def create_company(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if not given.get("name"):
            raise invalid("name", "It should be a/an String", "missing_field")
        if any(one["name"] == given["name"] for one in self.companies.values()):
            raise invalid("name", "It should be a unique value", "duplicate_value")
        now = self.clock()
        company = {
            "id": self.new_id(), "description": None, "note": None, "domains": [], "health_score": None,
            "account_tier": None, "industry": None, "renewal_date": None, "custom_fields": {},
            "created_at": now, "updated_at": now, **given,
        }  # fmt: skip
        self.companies[company["id"]] = company
        return company
