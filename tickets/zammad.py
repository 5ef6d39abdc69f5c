"""Zammad, by its REST API v1: the truth about its tickets, and what can be done there.

Changes are searched for by time, with a condition that the database answers; a file can go with its whole article only.
Source: Zammad's REST API v1.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.clock import Clock, system_clock
from domain.errors import BilagaError, DeskRefused, NotFound
from tickets.answers import (
    MOST_PAGES,
    email,
    entries,
    identifier,
    inner,
    instant,
    line,
    microseconds,
    number,
    place,
    record,
    records,
)
from tickets.checks import MAX_SUBJECT
from tickets.connectors import Made
from tickets.desk import Check, Deletion, Message, OrganisationPage, Page, SourceFile, SourceTicket
from tickets.known import Known
from tickets.outgoing import Outgoing, Reply
from tickets.section import Section
from tickets.signed_hook import HubHook
from tickets.zammad_facts import STATUSES, Reading, organisation_fact, source_files, source_ticket

API = "/api/v1"
NAME = "Zammad"
PER_PAGE = 100
OVERLAP = 60_000_000
"""Microseconds that are asked for twice: what was being saved when the end of the list was read."""
_SECOND = 1_000_000
KEPT = "Zammad deletes no file by itself: an administrator can delete its ticket (docs/connectors/zammad.md)"


@dataclass(frozen=True, slots=True)
class ZammadSettings:
    """What is Zammad's own."""

    reading: Reading = field(default_factory=Reading)


class Zammad:
    """``tickets.desk.Desk``. Safe from any thread."""

    def __init__(self, settings: ZammadSettings, outgoing: Outgoing, clock: Clock) -> None:
        self._settings = settings
        self._outgoing = outgoing
        self._known = Known(clock)

    # -- what changed --------------------------------------------------------------------------------------------------
    def changed(self, cursor: str | None) -> Page:
        """As ``Desk.changed``: from the time of the last ticket of the page before, pages only within one second."""
        at = place(cursor, "since", "page")
        since, page = at.get("since", 0), max(1, at.get("page", 1))
        items = records(self._got("/tickets/search", {**_after(since), "page": page, "per_page": PER_PAGE}), NAME)
        newest = max((microseconds(instant(one.get("updated_at"))) for one in items), default=0)
        tickets = [one for item in items if (one := self._ticket(item)) is not None]
        if len(items) >= PER_PAGE and page < MOST_PAGES:
            further = newest - _SECOND
            following = {"since": further} if further > since else {"since": since, "page": page + 1}
            return Page(tickets, json.dumps(following), last=False)
        return Page(tickets, json.dumps({"since": max(since, newest - OVERLAP)}), last=True)

    def ticket(self, ticket_id: str) -> SourceTicket | None:
        """As ``Desk.ticket``."""
        reply = self._call("GET", f"/tickets/{_number(ticket_id)}", query={"expand": "true"}, expect=(200, 404))
        if reply.status == 404:
            return None
        found = self._ticket(record(reply.json, NAME))
        if found is None:
            raise DeskRefused(f"{NAME} answered with something that is no ticket.")
        return found

    def _ticket(self, item: Mapping[str, Any]) -> SourceTicket | None:
        ticket_id, organisation_id = number(item.get("id")), number(item.get("organization_id"))
        if ticket_id is None:
            return None
        merged = str(item.get("state") or "").casefold() == "merged"
        return source_ticket(
            item,
            reading=self._settings.reading,
            customer=self._one_of("users", number(item.get("customer_id"))),
            organisation=None if organisation_id is None else self._one_of("organizations", organisation_id),
            merged_into=self._merged_into(ticket_id) if merged else None,
        )

    def _one_of(self, kind: str, found: int | None) -> Mapping[str, Any]:
        """A user or an organization; empty where there is none, or we may not look."""
        if found is None:
            return {}

        def ask() -> Mapping[str, Any]:
            reply = self._call("GET", f"/{kind}/{found}", query={"expand": "true"}, expect=(200, 403, 404))
            return record(reply.json, NAME) if reply.status == 200 else {}

        return self._known.get(f"{kind}/{found}", ask)

    def _merged_into(self, ticket_id: int) -> str | None:
        """The one ticket it is linked to as parent or child; None where that leaves a doubt."""
        query = {"link_object": "Ticket", "link_object_value": ticket_id}
        reply = self._call("GET", "/links", query=query, expect=(200, 403, 404))
        links = entries(inner(reply.json).get("links"))
        family = {number(one.get("link_object_value")) for one in links if one.get("link_type") in ("parent", "child")}
        family -= {None, ticket_id}
        return identifier(family.pop()) if len(family) == 1 else None

    def organisations(self, cursor: str | None) -> OrganisationPage:
        """As ``Desk.organisations``: Zammad tells of no changes, so it is all of them, again and again."""
        page = max(1, place(cursor, "page").get("page", 1))
        items = records(self._got("/organizations", {"page": page, "per_page": PER_PAGE, "expand": "true"}), NAME)
        for one in items:
            self._known.put(f"organizations/{number(one.get('id'))}", one)
        facts = [organisation_fact(one, self._settings.reading) for one in items]
        last = len(items) < PER_PAGE or page >= MOST_PAGES
        following = json.dumps({"page": 1 if last else page + 1})
        return OrganisationPage([one for one in facts if one is not None], following, last)

    # -- files ---------------------------------------------------------------------------------------------------------
    def files(self, ticket_id: str) -> Sequence[SourceFile]:
        """As ``Desk.files``."""
        try:
            return source_files(self._articles(ticket_id), ticket_id)
        except NotFound:
            return ()

    def _articles(self, ticket_id: str) -> list[Mapping[str, Any]]:
        """Everything said in a ticket. Raises NotFound."""
        reply = self._call("GET", f"/ticket_articles/by_ticket/{_number(ticket_id)}", expect=(200, 404))
        if reply.status == 404:
            raise NotFound
        return records(reply.json, NAME)

    def read(self, file: SourceFile) -> AbstractContextManager[Iterator[bytes]]:
        """As ``Desk.read``. One byte more than was announced is let through, so that it is noticed."""
        limit = None if file.size is None else file.size + 1
        return self._outgoing.stream(file.address, authorised=True, limit=limit)

    def delete(self, file: SourceFile) -> Deletion:
        """As ``Desk.delete``: it looks, and that is all that can be done from outside."""
        there = any(one.id == file.id for one in self.files(file.ticket_id))
        return Deletion(gone=False, reason=KEPT) if there else Deletion(gone=True)

    # -- what is said --------------------------------------------------------------------------------------------------
    def write(self, ticket_id: str, message: Message) -> str:
        """As ``Desk.write``. What is public goes to the customer by mail, where they have an address."""
        for said in self._articles(ticket_id):
            if message.marker in str(said.get("body") or ""):
                return str(said.get("id"))
        body: dict[str, Any] = {
            "ticket_id": int(_number(ticket_id)),
            "type": "note",
            "internal": not message.public,
            "content_type": "text/html",
            "body": message.html,
        }
        if message.public:
            body |= self._addressed(ticket_id)
        reply = self._call("POST", "/ticket_articles", body=body, expect=(200, 201, 404))
        if reply.status == 404:
            raise NotFound
        return str(identifier(record(reply.json, NAME).get("id")))

    def _addressed(self, ticket_id: str) -> Mapping[str, Any]:
        ticket = record(self._call("GET", f"/tickets/{_number(ticket_id)}", expect=(200,)).json, NAME)
        address = email(self._one_of("users", number(ticket.get("customer_id"))).get("email"))
        if address is None:
            return {}
        return {"type": "email", "to": address, "subject": line(ticket.get("title"), MAX_SUBJECT) or ""}

    # -- trying it out -------------------------------------------------------------------------------------------------
    def check(self) -> Sequence[Check]:
        """As ``Desk.check``."""
        lines = []
        for name, look in (
            ("token", self._check_user),
            ("changed tickets", self._check_search),
            ("contract's end", self._check_contract),
        ):
            try:
                lines.append(Check(name, *look()))
            except BilagaError as error:
                lines.append(Check(name, ok=False, detail=error.detail))
                if name == "token":
                    break
        lines.append(Check("deleting", ok=True, detail=KEPT))
        return lines

    def _check_user(self) -> tuple[bool, str]:
        record(self._got("/users/me"), NAME)
        return True, "Zammad knows it"

    def _check_search(self) -> tuple[bool, str]:
        none = not records(self._got("/tickets/search", {**_after(0), "page": 1, "per_page": 1}), NAME)
        return True, "can be searched, and are none (or none that this user may see)" if none else "can be searched"

    def _check_contract(self) -> tuple[bool, str]:
        wanted = self._settings.reading.contract_field
        if wanted is None:
            return True, "no contract_field is set: contracts do not come from Zammad"
        items = records(self._got("/organizations", {"page": 1, "per_page": 1, "expand": "true"}), NAME)
        ok = not items or wanted in items[0]
        return ok, f"{wanted}: {'an attribute' if ok else 'no attribute'} of organizations"

    # -- calls ---------------------------------------------------------------------------------------------------------
    def _got(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        return self._call("GET", path, query=query, expect=(200,)).json

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any | None = None,
        expect: Collection[int],
    ) -> Reply:
        return self._outgoing.json(method, API + path, query=query, body=body, expect=expect)


def _after(since: int) -> Mapping[str, str]:
    """A search for what changed after an instant, the oldest first."""
    at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=min(since, 8_000_000_000_000_000))
    return {
        "condition[ticket.updated_at][operator]": "after (absolute)",
        "condition[ticket.updated_at][value]": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "sort_by": "updated_at",
        "order_by": "asc",
        "expand": "true",
    }


def _number(text: str) -> str:
    """A number that may stand in a path. Raises NotFound: nothing else is a name in Zammad."""
    if number(text) is None:
        raise NotFound
    return text


def ticket_in(body: Mapping[str, Any]) -> str | None:
    """The ticket of a trigger's body."""
    found = number(inner(body.get("ticket")).get("id"))
    return str(found) if found else None


def make(section: Mapping[str, Any]) -> Made:
    """A connector of a section's settings. Raises Misconfigured."""
    said = Section(section)
    reading = Reading(
        prefix=said.prefix(),
        statuses=said.statuses(STATUSES),
        organisation=said.text("organisation", "id"),
        contract_field=said.text("contract_field", "") or None,
    )
    login = {"Authorization": f"Token token={said.text('token')}"}
    secrets, outgoing = said.secrets(), said.outgoing(login)
    said.done()
    hook = HubHook(secrets, digest="sha1", read=ticket_in, key_header="x-zammad-delivery") if secrets else None
    return Made(Zammad(ZammadSettings(reading), outgoing, system_clock), hook, recipe)


def recipe(address: str, secret: str) -> str:
    """What to set up in Zammad."""
    return "\n".join(
        (
            "Manage > Webhook > New Webhook, then Manage > Trigger: action *is created* or *is updated*, no further",
            "condition, execute *Webhook*.",
            f"  Endpoint             {address}",
            f"  HMAC SHA1 signature  {secret}",
        )
    )
