"""Request Tracker 5, by its REST2: the truth about its tickets, and what can be done there.

Changes are followed by transactions, whose ids only grow: a search by ``LastUpdated`` reads times in the zone of RT's
user, and knows no two changes of one second apart. Merged and deleted tickets are in no search, and in transactions.
Source: RT 5.0, REST2; tested against Debian's.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from domain.clock import Clock, system_clock
from domain.errors import BilagaError, DeskRefused, DeskUnavailable, Misconfigured, NotFound
from tickets.answers import MOST_PAGES, entries, instant, number, place, record, records
from tickets.connectors import Made
from tickets.desk import Check, Deletion, Message, OrganisationPage, Page, SourceFile, SourceTicket, Standing
from tickets.outgoing import Outgoing, Reply
from tickets.request_tracker_content import content
from tickets.request_tracker_facts import (
    ANYBODYS,
    FIELDS,
    ORGANISATIONS,
    REQUESTOR,
    STATUSES,
    USER,
    Reading,
    custom_field,
    last_writer,
    pointed,
    requestor_of,
    source_file,
    source_ticket,
)
from tickets.said import TicketFact
from tickets.secret_hook import HEADER, SecretHook
from tickets.section import Section

API = "/REST/2.0"
NAME = "Request Tracker"
PER_PAGE = 100
"""The most that REST2 gives."""
SETTLED = timedelta(seconds=60)
"""Transactions younger than this are read again: one with a smaller id may still be on its way into the database."""
UNSEEN = 300
"""So many transactions REST2 looks through for one that we may see, before it says that there are none."""
EMPTY_PAGES = 10
"""No more of them follow one another before one with something in it."""
_ASKED = {"fields": FIELDS, "fields[Requestor]": REQUESTOR}
_OF_TICKETS = {"field": "ObjectType", "value": "RT::Ticket"}
KEPT = (
    "Request Tracker's REST2 deletes no attachments: an administrator can, with rt-shredder"
    " (docs/connectors/request-tracker.md)"
)


@dataclass(frozen=True, slots=True)
class RequestTrackerSettings:
    """``user``: the name in RT of whoever we are, whose notes are no activity; None: not known."""

    reading: Reading = field(default_factory=Reading)
    user: str | None = None


class RequestTracker:
    """``tickets.desk.Desk``. Safe from any thread."""

    def __init__(self, settings: RequestTrackerSettings, outgoing: Outgoing, clock: Clock) -> None:
        self._settings = settings
        self._outgoing = outgoing
        self._clock = clock

    # -- what changed --------------------------------------------------------------------------------------------------
    def changed(self, cursor: str | None) -> Page:
        """As ``Desk.changed``: first every ticket by its id, then what transactions tell. Raises BadInput for what is
        no cursor of ours."""
        at = place(cursor, "mark", "ticket", "since", "page")
        if "since" in at:
            return self._changed_since(at["since"], at.get("page", 1))
        mark = at["mark"] if "mark" in at else self._newest_transaction()
        after = at.get("ticket", 0)
        query = {
            "query": f"id > {after}",
            "orderby": "id",
            "order": "ASC",
            "per_page": PER_PAGE,
            **_ASKED,
        }
        reply = record(self._get("/tickets", query).json, NAME)
        items = records(reply.get("items"), NAME)
        ids = [found for one in items if (found := number(one.get("id"))) is not None]
        if not items or max(ids, default=0) <= after or not reply.get("next_page"):
            return Page(self._tickets(items), json.dumps({"since": mark}), last=False)
        return Page(self._tickets(items), json.dumps({"mark": mark, "ticket": max(ids)}), last=False)

    def _changed_since(self, since: int, page: int) -> Page:
        reply = self._transactions(since, order="ASC", page=page)
        items = records(reply.get("items"), NAME)
        latest: dict[str, int] = {}
        settled = since
        for one in items:
            transaction, ticket = number(one.get("id")), number(pointed(one.get("ObjectId")))
            if transaction is None or ticket is None:
                continue
            latest[str(ticket)] = max(latest.get(str(ticket), 0), transaction)
            created = instant(one.get("Created"))
            if created is not None and created <= self._clock() - SETTLED:
                settled = max(settled, transaction)
        tickets = self._by_id(latest)
        if reply.get("next_page") and page < (MOST_PAGES if latest else EMPTY_PAGES):
            further = {"since": settled} if settled > since else {"since": since, "page": page + 1}
            return Page(tickets, json.dumps(further), last=False)
        if settled > since:
            return Page(tickets, json.dumps({"since": settled}), last=False)
        # It may have stopped looking within other queues' transactions, which are nothing to us.
        beyond = since + UNSEEN
        if not items and self._settled_head() > beyond:
            return Page(tickets, json.dumps({"since": beyond}), last=False)
        return Page(tickets, json.dumps({"since": since}), last=True)

    def _settled_head(self) -> int:
        """A transaction's id up to which there certainly are some that we may see; 0: nobody knows."""
        query = {"query": "id > 0", "orderby": "LastUpdated", "order": "DESC", "per_page": 20, "fields": "LastUpdated"}
        for one in records(record(self._get("/tickets", query).json, NAME).get("items"), NAME):
            updated_at = instant(one.get("LastUpdated"))
            ticket_id = number(one.get("id"))
            if ticket_id is not None and updated_at is not None and updated_at <= self._clock() - SETTLED:
                return _change(self._call("GET", f"/ticket/{ticket_id}", expect=(200, 404)))
        return 0

    def _newest_transaction(self) -> int:
        items = records(self._transactions(0, order="DESC").get("items"), NAME)
        return max((number(one.get("id")) or 0 for one in items), default=0)

    def _transactions(self, since: int, *, order: str, page: int = 1) -> Mapping[str, Any]:
        limits = [_OF_TICKETS, {"field": "id", "operator": ">", "value": str(since)}]
        query = {"query": json.dumps(limits), "orderby": "id", "order": order, "per_page": PER_PAGE, "page": page}
        return record(self._get("/transactions", {**query, "fields": "ObjectId,Created"}).json, NAME)

    def _by_id(self, latest: Mapping[str, int]) -> list[SourceTicket]:
        """Tickets as they are now; what no search finds, because it was merged or deleted, is asked for by itself."""
        if not latest:
            return []
        query = {
            "query": " OR ".join(f"id = {ticket_id}" for ticket_id in latest),
            "per_page": PER_PAGE,
            **_ASKED,
        }
        items = records(record(self._get("/tickets", query).json, NAME).get("items"), NAME)
        found = {one.id: one for one in self._tickets(items, latest)}
        for ticket_id in latest:
            if ticket_id not in found and (one := self.ticket(ticket_id)) is not None:
                found[ticket_id] = one
        return [found[ticket_id] for ticket_id in latest if ticket_id in found]

    def _tickets(
        self, items: Sequence[Mapping[str, Any]], latest: Mapping[str, int] | None = None
    ) -> list[SourceTicket]:
        found = []
        for item in items:
            one = source_ticket(
                item,
                reading=self._settings.reading,
                requestor=requestor_of(item),
                change=(latest or {}).get(str(item.get("id")), 0),
                active_at=self._active_at(item),
            )
            if one is not None:
                found.append(one)
        return found

    def ticket(self, ticket_id: str) -> SourceTicket | None:
        """As ``Desk.ticket``."""
        reply = self._call("GET", f"/ticket/{_number(ticket_id)}", expect=(200, 404))
        if reply.status == 404:
            return None
        item = record(reply.json, NAME)
        change = _change(reply)
        query = {"query": f"id = {ticket_id}", "per_page": 1, **_ASKED}
        listed = records(record(self._get("/tickets", query).json, NAME).get("items"), NAME)
        # A record tells no more of people than their names; a search does, and has no deleted ones.
        requestor = requestor_of(listed[0]) if listed else {}
        reading, active_at = self._settings.reading, self._active_at(item)
        one = source_ticket(item, reading=reading, requestor=requestor, change=change, active_at=active_at)
        if one is None:
            raise DeskRefused(f"{NAME} answered with something that is no ticket.")
        if one.id != ticket_id:  # a merged one leads to where its life goes on
            return _merged(ticket_id, reading.prefix, one)
        return one

    def _active_at(self, item: Mapping[str, Any]) -> datetime | None:
        """When somebody else than us last did something, where the last change is ours; else None."""
        ours = self._settings.user
        ticket_id = number(item.get("id"))
        if ours is None or ticket_id is None or (last_writer(item) or "").casefold() != ours.casefold():
            return None
        query = {"orderby": "id", "order": "DESC", "per_page": PER_PAGE, "fields": "Created,Creator"}
        reply = self._call("GET", f"/ticket/{ticket_id}/history", query=query, expect=(200, 404))
        items = entries(record(reply.json or {}, NAME).get("items"))
        for one in sorted(items, key=lambda one: number(one.get("id")) or 0, reverse=True):
            if str(pointed(one.get("Creator"))).casefold() not in {ours.casefold(), "rt_system"}:
                return instant(one.get("Created"))
        return instant(item.get("Created"))

    def organisations(self, cursor: str | None) -> OrganisationPage:
        """As ``Desk.organisations``: RT has none of its own; they come with tickets, or from a CSV file."""
        return OrganisationPage((), "", last=True)

    # -- files ---------------------------------------------------------------------------------------------------------
    def files(self, ticket_id: str) -> Sequence[SourceFile]:
        """As ``Desk.files``."""
        fields = "Filename,ContentType,ContentLength,TransactionId,Created"
        return [one for item in self._attachments(ticket_id, fields) if (one := source_file(item, ticket_id))]

    def _attachments(self, ticket_id: str, fields: str) -> Iterator[Mapping[str, Any]]:
        query: dict[str, Any] = {"fields": fields, "orderby": "id", "order": "ASC", "per_page": PER_PAGE}
        seen: set[Any] = set()
        for page in range(1, MOST_PAGES):
            reply = self._get(f"/ticket/{_number(ticket_id)}/attachments", {**query, "page": page})
            items = [
                one for one in records(record(reply.json, NAME).get("items"), NAME) if number(one.get("id")) not in seen
            ]
            seen.update(number(one.get("id")) for one in items)
            yield from items
            if not items or not record(reply.json, NAME).get("next_page"):
                return

    @contextmanager
    def read(self, file: SourceFile) -> Iterator[Iterator[bytes]]:
        """As ``Desk.read``. The answer is half as long again as the file, and has its header fields beside."""
        limit = None if file.size is None else file.size * 3 // 2 + (1 << 20)
        try:
            with self._outgoing.stream(f"{API}/attachment/{_number(file.id)}", authorised=True, limit=limit) as pieces:
                yield content(pieces)
        except DeskUnavailable as error:
            # RT stumbles over an attachment that is not there any more.
            if error.facts.get("status") == 500 and not self._is_there(file):
                raise FileNotFoundError from error
            raise

    def delete(self, file: SourceFile) -> Deletion:
        """As ``Desk.delete``: it looks, and that is all RT lets anybody do from outside."""
        return Deletion(gone=False, reason=KEPT) if self._is_there(file) else Deletion(gone=True)

    def _is_there(self, file: SourceFile) -> bool:
        return any(one.id == file.id for one in self.files(file.ticket_id))

    # -- what is said --------------------------------------------------------------------------------------------------
    def write(self, ticket_id: str, message: Message) -> str:
        """As ``Desk.write``. The marker stands in the comment's subject, where a list tells it without the contents."""
        for item in self._attachments(ticket_id, "Subject,TransactionId"):
            if message.marker in str(item.get("Subject") or ""):
                return str(pointed(item.get("TransactionId")))
        path = "correspond" if message.public else "comment"
        body = {"Subject": f"Bilaga {message.marker}", "Content": message.html, "ContentType": "text/html"}
        reply = self._call("POST", f"/ticket/{_number(ticket_id)}/{path}", body=body, expect=(200, 201, 400, 404))
        if reply.status >= 400:
            if self._call("GET", f"/ticket/{_number(ticket_id)}", expect=(200, 404)).status == 404:
                raise NotFound
            raise DeskRefused(f"{NAME} does not take a {path} on a ticket.")
        return reply.headers.get("location", "").rstrip("/").rpartition("/")[2]

    # -- trying it out -------------------------------------------------------------------------------------------------
    def check(self) -> Sequence[Check]:
        """As ``Desk.check``."""
        lines = []
        for name, look in (
            ("credentials", self._check_credentials),
            ("tickets", self._check_tickets),
            ("changes", self._check_changes),
            ("custom fields", self._check_fields),
        ):
            try:
                lines.append(Check(name, *look()))
            except BilagaError as error:
                lines.append(Check(name, ok=False, detail=error.detail))
                if name == "credentials":
                    break
        lines.append(Check("deleting", ok=True, detail=KEPT))
        return lines

    def _check_credentials(self) -> tuple[bool, str]:
        version = record(self._get("/rt").json, NAME).get("Version")
        return True, f"Request Tracker {version if isinstance(version, str) else ''} knows them".replace("  ", " ")

    def _check_tickets(self) -> tuple[bool, str]:
        reply = record(self._get("/tickets", {"query": "id > 0", "per_page": 1, "fields": "Status"}).json, NAME)
        none = not records(reply.get("items"), NAME)
        return True, "can be searched, and are none (or none that this user may see)" if none else "can be searched"

    def _check_changes(self) -> tuple[bool, str]:
        return (True, "can be followed") if self._newest_transaction() else (False, "this user sees no transactions")

    def _check_fields(self) -> tuple[bool, str]:
        reading = self._settings.reading
        wanted = [one for one in (reading.contract_field, reading.organisation.partition("cf:")[2]) if one]
        if not wanted:
            return True, "none are needed"
        query = {"query": "id > 0", "orderby": "id", "order": "DESC", "per_page": 20, "fields": "CustomFields"}
        items = records(record(self._get("/tickets", query).json, NAME).get("items"), NAME)
        filled = [name for name in wanted if any(custom_field(one, name) for one in items)]
        empty = [name for name in wanted if name not in filled]
        return not empty, f"empty on the newest tickets: {', '.join(empty)}" if empty else "are filled in"

    # -- calls ---------------------------------------------------------------------------------------------------------
    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Reply:
        return self._call("GET", path, query=query, expect=(200,))

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


def _number(text: str) -> str:
    """A number that may stand in a path. Raises NotFound: nothing else is a name in RT."""
    if number(text) is None:
        raise NotFound
    return text


def _change(reply: Reply) -> int:
    """The id of a ticket's last transaction, which is its entity tag."""
    return number(reply.headers.get("etag", "").strip('"')) or 0


def _merged(ticket_id: str, prefix: str, into: SourceTicket) -> SourceTicket:
    fact = TicketFact(f"{prefix}{ticket_id}")
    return SourceTicket(ticket_id, into.version, fact, standing=Standing.MERGED, merged_into=into.id)


def make(section: Mapping[str, Any]) -> Made:
    """A connector of a section's settings. Raises Misconfigured."""
    said = Section(section)
    headers, user = _credentials(said)
    reading = Reading(
        prefix=said.prefix(),
        statuses=said.statuses(STATUSES),
        organisation=said.one_of("organisation", ORGANISATIONS, USER),
        contract_field=said.text("contract_field", "") or None,
        shared_domains=tuple(one.casefold() for one in said.texts("shared_domains", ANYBODYS)),
    )
    secrets, outgoing = said.secrets(), said.outgoing(headers)
    said.done()
    desk = RequestTracker(RequestTrackerSettings(reading, user), outgoing, system_clock)
    return Made(desk, SecretHook(secrets) if secrets else None, recipe)


def _credentials(said: Section) -> tuple[Mapping[str, str], str | None]:
    token, password = said.text("token", ""), said.text("password", "")
    user = said.text("user", "") or None
    if token:
        return {"Authorization": f"token {token}"}, user
    if not password or user is None:
        raise Misconfigured("token: a token, or user and password, must be set", field="token")
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}, user


def recipe(address: str, secret: str) -> str:
    """The scrip that calls us, to paste into RT: Admin, Global, Scrips, Create; condition and action *User Defined*."""
    return "\n".join(
        (
            "Admin > Global > Scrips > Create; condition and action User Defined, template Blank, stage Normal.",
            "Custom condition: return 1;",
            "Custom action preparation code: return 1;",
            "Custom action commit code:",
            "  require LWP::UserAgent; require JSON;",
            f"  LWP::UserAgent->new(timeout => 3)->post('{address}', '{HEADER.title()}' => '{secret}',",
            "      'Content-Type' => 'application/json',",
            "      Content => JSON::encode_json({ ticket => int $self->TicketObj->id }));",
            "  return 1;",
        )
    )
