"""Freshdesk, by its API v2: the truth about its tickets, and everything that is done there.

Source: Freshdesk's API v2 (HTTP Basic with an API key; lists of 100; conversations ten in a ticket, then by pages;
attachments by pre-signed addresses of S3, which take no ``Authorization`` beside their own signature).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any

from domain.errors import BilagaError, DeskRefused, NotFound
from domain.ticket import TicketStatus
from tickets.answers import chosen, entries, instant, line, number, record, records
from tickets.checks import MAX_REF
from tickets.desk import Check, Deletion, Message, OrganisationPage, Page, SourceFile, SourceTicket
from tickets.freshdesk_facts import (
    company_fact,
    labelled_statuses,
    own_statuses,
    source_files,
    source_ticket,
)
from tickets.freshdesk_pace import Pace
from tickets.freshdesk_place import MOST_PAGES, PER_PAGE, Place
from tickets.outgoing import Outgoing, Reply
from tickets.said import UNSAID, OrganisationFact, Unsaid

log = logging.getLogger(__name__)
SYSTEM = "Freshdesk"
API = "/api/v2"
EMBEDDED = 10
"""So many conversations come with a ticket at most; a ticket with fewer has no more."""
LISTED = 30
"""A page of conversations, whatever was asked for, may hold no more."""
KNOWN_FOR = 600.0
"""Seconds for which a company is not asked about again."""
MOST_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class FreshdeskSettings:
    """``organisation``: a company's outside name is its ``id``, its ``name``, or what stands in a field of its own.
    ``contract_field``: where its contract's last day stands. ``statuses``: by number or by the agents' word for it."""

    prefix: str = ""
    organisation: str = "id"
    contract_field: str = "renewal_date"
    statuses: Mapping[str, TicketStatus] = field(default_factory=dict)


class Freshdesk:
    """``tickets.desk.Desk``. Safe from any thread."""

    def __init__(
        self,
        settings: FreshdeskSettings,
        outgoing: Outgoing,
        pace: Pace | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._outgoing = outgoing
        self._pace = pace or Pace()
        self._monotonic = monotonic
        self._lock = Lock()
        self._companies: dict[str, tuple[float, Mapping[str, Any] | None]] = {}
        self._statuses: dict[int, TicketStatus] | None = None

    # -- what changed --------------------------------------------------------------------------------------------------
    def changed(self, cursor: str | None) -> Page:
        """As ``Desk.changed``. Raises BadInput for what is no cursor of ours."""
        place = Place.parse(cursor)
        items, more, now = self._page(place)
        newest = _newest(items)
        if place.is_crowded(newest, more=more):
            items, newest, more = self._crowd(place, items)
        following, last = place.after(newest, more=more, now=now)
        found = [self._ticket(one) for one in items]
        return Page([one for one in found if one is not None], str(following), last)

    def _page(self, place: Place) -> tuple[list[Mapping[str, Any]], bool, datetime | None]:
        """A page, whether the list goes on, and when it was answered by Freshdesk's clock."""
        reply = self._get("/tickets", place.query)
        items = _listed(reply)
        return items, _more(reply, len(items), PER_PAGE), _told(reply)

    def _crowd(
        self, place: Place, items: list[Mapping[str, Any]]
    ) -> tuple[list[Mapping[str, Any]], datetime | None, bool]:
        """All tickets of a second that has more than a page. What changes meanwhile leaves it, and all behind it move
        up: so its pages are read to the last one and then back, for whatever moved up from a page not read yet is on
        one that will be read."""
        found = _by_id(items)
        page, newest, more = place.page, _newest(items), True
        while place.is_crowded(newest, more=more) and page < MOST_PAGES:
            page += 1
            items, more, _ = self._page(replace(place, page=page))
            newest = _newest(items) or newest
            found |= _by_id(items)
        for back in range(page - 1, 0, -1):
            items, _, _ = self._page(replace(place, page=back))
            found |= _by_id(items)
        if place.is_crowded(newest, more=more):
            log.error("more tickets of one second than Freshdesk lists", extra={"pages": page})
        return list(found.values()), newest, more

    def ticket(self, ticket_id: str) -> SourceTicket | None:
        """As ``Desk.ticket``."""
        reply = self._get(f"/tickets/{_number(ticket_id)}", {"include": "requester,stats"}, may_lack=True)
        found = None if reply is None else self._ticket(_one(reply))
        if reply is not None and found is None:
            raise DeskRefused("Freshdesk answered with something that is no ticket.")
        return found

    def organisations(self, cursor: str | None) -> OrganisationPage:
        """As ``Desk.organisations``: Freshdesk tells of no changes, so it is all of them, again and again."""
        page = int(cursor) if cursor is not None and cursor.isdecimal() else 1
        reply = self._get("/companies", {"per_page": PER_PAGE, "page": page})
        items = _listed(reply)
        for one in items:
            which = number(one.get("id"))
            if which is not None:
                self._remember(str(which), one)
        more = _more(reply, len(items), PER_PAGE)
        facts = [self._company_fact(one) for one in items]
        return OrganisationPage([one for one in facts if one is not None], str(page + 1 if more else 1), not more)

    def _ticket(self, item: Mapping[str, Any]) -> SourceTicket | None:
        """A ticket; None for what has no number and so is none."""
        ticket_id, company_id = number(item.get("id")), number(item.get("company_id"))
        if ticket_id is None:
            return None
        ref: str | Unsaid | None = None
        organisation: OrganisationFact | None = None
        if company_id is not None:
            company = self._company(str(company_id))
            organisation = None if company is None else self._company_fact(company)
            ref = self._ref_of(str(company_id)) if organisation is None else organisation.ref
        return source_ticket(
            item,
            ticket_id,
            prefix=self._settings.prefix,
            statuses=self._status,
            organisation_ref=ref,
            organisation=organisation,
        )

    def _ref_of(self, company_id: str) -> str | Unsaid:
        """The outside name of a company that cannot be looked at."""
        return f"{self._settings.prefix}{company_id}" if self._settings.organisation == "id" else UNSAID

    def _company_fact(self, company: Mapping[str, Any]) -> OrganisationFact | None:
        named_by = self._settings.organisation
        if named_by == "id":
            which = number(company.get("id"))
            ref = "" if which is None else f"{self._settings.prefix}{which}"
        else:
            value = chosen(("custom_fields",), named_by, company)
            ref = line(str(value) if isinstance(value, int) else value, MAX_REF) or ""
        return company_fact(company, ref=ref, contract_field=self._settings.contract_field) if ref else None

    def _company(self, company_id: str) -> Mapping[str, Any] | None:
        now = self._monotonic()
        with self._lock:
            known = self._companies.get(company_id)
        if known is not None and now < known[0] + KNOWN_FOR:
            return known[1]
        reply = self._get(f"/companies/{_number(company_id)}", may_lack=True)
        company = None if reply is None else _one(reply)
        self._remember(company_id, company)
        return company

    def _remember(self, company_id: str, company: Mapping[str, Any] | None) -> None:
        with self._lock:
            if len(self._companies) >= MOST_KNOWN:
                self._companies.clear()
            self._companies[company_id] = (self._monotonic(), company)

    def _status(self, which: int) -> TicketStatus:
        statuses = self._statuses
        if statuses is None:
            statuses, _ = self._look_at_statuses()
        return statuses.get(which, TicketStatus.PENDING)

    def _look_at_statuses(self) -> tuple[dict[int, TicketStatus], Collection[str]]:
        """The mapping, and what of the site's names no status; the account is asked only where words are used."""
        wanted = self._settings.statuses
        labels = {}
        if any(not name.isdigit() for name in wanted):
            labels = labelled_statuses(_listed(self._get("/ticket_fields", {"type": "default_status"})))
        found, unknown = own_statuses(wanted, labels)
        for name in unknown:
            log.warning("status is not known there", extra={"status": name})
        with self._lock:
            self._statuses = found
        return found, unknown

    # -- files ---------------------------------------------------------------------------------------------------------
    def files(self, ticket_id: str) -> Sequence[SourceFile]:
        """As ``Desk.files``."""
        reply = self._get(f"/tickets/{_number(ticket_id)}", {"include": "conversations"}, may_lack=True)
        if reply is None:
            return ()
        ticket = _one(reply)
        said = entries(ticket.get("conversations"))
        if len(said) >= EMBEDDED:
            said = list(self._conversations(ticket_id))
        return source_files(ticket_id, ticket, said)

    def read(self, file: SourceFile) -> AbstractContextManager[Iterator[bytes]]:
        """As ``Desk.read``. One byte more than was announced is let through, so that it is noticed."""
        limit = None if file.size is None else file.size + 1
        return self._outgoing.stream(file.address, authorised=False, limit=limit)

    def delete(self, file: SourceFile) -> Deletion:
        """As ``Desk.delete``."""
        reply = self._call("DELETE", f"/attachments/{_number(file.id)}", expect=(204, 403, 404, 405))
        if reply.status in {403, 405}:
            return Deletion(gone=False, reason="Freshdesk does not let us delete it")
        if any(one.id == file.id for one in self.files(file.ticket_id)):
            return Deletion(gone=False, reason="Freshdesk took the deletion, and the file is still there")
        return Deletion(gone=True)

    # -- what is said --------------------------------------------------------------------------------------------------
    def write(self, ticket_id: str, message: Message) -> str:
        """As ``Desk.write``."""
        for said in self._conversations(ticket_id):
            if message.marker in str(said.get("body") or "") or message.marker in str(said.get("body_text") or ""):
                return str(number(said.get("id")) or "")
        path, more = ("reply", {}) if message.public else ("notes", {"private": True})
        body = {"body": message.html, **more}
        reply = self._call("POST", f"/tickets/{_number(ticket_id)}/{path}", body=body, expect=(200, 201, 404))
        if reply.status == 404:
            raise NotFound
        return str(number(_one(reply).get("id")) or "")

    def _conversations(self, ticket_id: str) -> Iterator[Mapping[str, Any]]:
        """Everything said in a ticket, oldest first. Raises NotFound."""
        for page in range(1, MOST_PAGES + 1):
            query = {"per_page": PER_PAGE, "page": page}
            reply = self._get(f"/tickets/{_number(ticket_id)}/conversations", query, may_lack=True)
            if reply is None:
                raise NotFound
            items = _listed(reply)
            yield from items
            if not items or not _more(reply, len(items), LISTED):
                return

    # -- trying it out -------------------------------------------------------------------------------------------------
    def check(self) -> Sequence[Check]:
        """As ``Desk.check``."""
        lines = []
        for name, look in (
            ("API key", self._check_key),
            ("tickets", self._check_tickets),
            ("statuses", self._check_statuses),
            ("contract's end", self._check_contract),
        ):
            try:
                lines.append(look())
            except BilagaError as error:
                lines.append(Check(name, ok=False, detail=error.detail))
                if name == "API key":
                    break
        return lines

    def _check_key(self) -> Check:
        reply = self._get("/agents/me")
        rate = reply.headers.get("x-ratelimit-total")
        told = f"{rate} calls a minute for the whole account" if rate else "the rate is not told"
        return Check("API key", ok=True, detail=f"Freshdesk knows it; {told}")

    def _check_tickets(self) -> Check:
        reply = self._get("/tickets", {**Place().query, "per_page": 1})
        return Check("tickets", ok=True, detail="can be listed" if _listed(reply) else "can be listed, and are none")

    def _check_statuses(self) -> Check:
        found, unknown = self._look_at_statuses()
        if unknown:
            return Check("statuses", ok=False, detail=f"not known in Freshdesk: {', '.join(unknown)}")
        labels = labelled_statuses(_listed(self._get("/ticket_fields", {"type": "default_status"})))
        others = [words[0] for which, words in sorted(labels.items()) if which not in found]
        return Check("statuses", ok=True, detail=f"taken for pending: {', '.join(others)}" if others else "all mapped")

    def _check_contract(self) -> Check:
        wanted = self._settings.contract_field
        reply = self._call("GET", "/company_fields", expect=(200, 403))
        if reply.status == 403:
            return Check("contract's end", ok=True, detail=f"{wanted}: this key may not look whether there is one")
        names = {str(one.get("name")) for one in _listed(reply)}
        ok = wanted in names or wanted.removeprefix("cf_") in names
        return Check("contract's end", ok=ok, detail=f"{wanted}: {'a field' if ok else 'no field'} of companies")

    # -- calls ---------------------------------------------------------------------------------------------------------
    def _get(self, path: str, query: Mapping[str, Any] | None = None, *, may_lack: bool = False) -> Any:
        """An answer; None for a 404 that may be."""
        reply = self._call("GET", path, query=query, expect=(200, 404) if may_lack else (200,))
        return None if reply.status == 404 else reply

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any | None = None,
        expect: Collection[int],
    ) -> Reply:
        embedded = str((query or {}).get("include", ""))
        self._pace.wait(1 + (embedded.count(",") + 1 if embedded else 0))
        reply = self._outgoing.json(method, API + path, query=query, body=body, expect=expect)
        self._pace.heed(reply.headers)
        return reply


def _number(text: str) -> str:
    """A number that may stand in a path. Raises NotFound: nothing else is a name in Freshdesk."""
    if not (text.isascii() and text.isdecimal()):
        raise NotFound
    return text


def _by_id(items: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {str(one.get("id")): one for one in items}


def _newest(items: Sequence[Mapping[str, Any]]) -> datetime | None:
    """When the last ticket of a page changed."""
    return instant(items[-1].get("updated_at")) if items else None


def _more(reply: Reply, count: int, full: int) -> bool:
    """Whether a list goes on: ``Link`` says so; where it says nothing, a full page may have another one behind it."""
    link = reply.headers.get("link")
    return count >= full if link is None else 'rel="next"' in link


def _told(reply: Reply) -> datetime | None:
    """When it answered, by its own clock."""
    try:
        return parsedate_to_datetime(reply.headers.get("date", "")).astimezone(UTC)
    except (ValueError, TypeError):
        return None


def _listed(reply: Reply) -> list[Mapping[str, Any]]:
    return records(reply.json, SYSTEM)


def _one(reply: Reply) -> Mapping[str, Any]:
    return record(reply.json, SYSTEM)
