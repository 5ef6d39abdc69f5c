"""Zendesk, by its API v2: the truth about its tickets, and what is done there.

Changes come by the incremental export, which has deleted tickets too; a file is read from wherever Zendesk keeps it,
without our credentials; deleting one is *redacting* it. Source: Zendesk Support API v2.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from domain.errors import BilagaError, DeskRefused, NotFound, StateConflict
from tickets.answers import (
    MOST_PAGES,
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
from tickets.connectors import Made
from tickets.desk import Check, Deletion, Message, OrganisationPage, Page, SourceFile, SourceTicket, Standing
from tickets.outgoing import Outgoing, Reply
from tickets.said import TicketFact
from tickets.section import Section
from tickets.signed_hook import TimedHook
from tickets.zendesk_facts import STATUSES, Reading, organisation_fact, source_files, source_ticket

API = "/api/v2"
NAME = "Zendesk"
PER_PAGE = 100
HOSTS = ("*.zdusercontent.com", "*.zendesk.com")
"""Where Zendesk keeps files."""
DELETED_PAGES = 10
BESIDE = "users,organizations,metric_sets"


@dataclass(frozen=True, slots=True)
class ZendeskSettings:
    """``url``: the base address; only its own host is told our credentials."""

    url: str
    reading: Reading = field(default_factory=Reading)


class Zendesk:
    """``tickets.desk.Desk``. Safe from any thread."""

    def __init__(self, settings: ZendeskSettings, outgoing: Outgoing) -> None:
        self._settings = settings
        self._outgoing = outgoing

    # -- what changed --------------------------------------------------------------------------------------------------
    def changed(self, cursor: str | None) -> Page:
        """As ``Desk.changed``; the cursor is the export's own."""
        asked: dict[str, Any] = {"cursor": cursor} if cursor else {"start_time": 1}
        said = self._got("/incremental/tickets/cursor.json", {**asked, "per_page": PER_PAGE, "include": BESIDE})
        found = self._tickets(records(said.get("tickets"), NAME), said)
        following = said.get("after_cursor")
        if not isinstance(following, str) or not following or not following.isascii() or len(following) > 1000:
            if not cursor and not found:  # there are no tickets yet
                return Page((), "", last=True)
            raise DeskRefused(f"{NAME} does not tell where its export goes on.")
        return Page(found, following, last=said.get("end_of_stream") is not False or following == cursor)

    def ticket(self, ticket_id: str) -> SourceTicket | None:
        """As ``Desk.ticket``. One in the trash is in a list of its own."""
        reply = self._call("GET", f"/tickets/{_number(ticket_id)}.json", query={"include": BESIDE}, expect=(200, 404))
        if reply.status == 404:
            return self._deleted(ticket_id)
        said = record(reply.json, NAME)
        found = self._tickets([record(said.get("ticket"), NAME)], said)
        if not found:
            raise DeskRefused(f"{NAME} answered with something that is no ticket.")
        return found[0]

    def _deleted(self, ticket_id: str) -> SourceTicket | None:
        for page in range(1, DELETED_PAGES + 1):
            query = {"sort_by": "deleted_at", "sort_order": "desc", "per_page": PER_PAGE, "page": page}
            items = records(self._got("/deleted_tickets.json", query).get("deleted_tickets"), NAME)
            for item in items:
                if str(item.get("id")) == ticket_id:
                    fact = TicketFact(f"{self._settings.reading.prefix}{ticket_id}")
                    version = microseconds(instant(item.get("deleted_at"))) + 1
                    return SourceTicket(ticket_id, version, fact, standing=Standing.TRASHED)
            if len(items) < PER_PAGE:
                break
        return None

    def _tickets(self, items: Sequence[Mapping[str, Any]], beside: Mapping[str, Any]) -> list[SourceTicket]:
        metrics = [*entries(beside.get("metric_sets")), *[inner(item.get("metric_set")) for item in items]]
        found = [
            source_ticket(
                item,
                reading=self._settings.reading,
                users={str(one.get("id")): one for one in entries(beside.get("users"))},
                organisations={str(one.get("id")): one for one in entries(beside.get("organizations"))},
                metrics={str(one.get("ticket_id")): one for one in metrics},
            )
            for item in items
        ]
        return [one for one in found if one is not None]

    def organisations(self, cursor: str | None) -> OrganisationPage:
        """As ``Desk.organisations``: those that changed, by the export of them."""
        since = place(cursor, "since").get("since", 1)
        said = self._got("/incremental/organizations.json", {"start_time": since, "per_page": PER_PAGE})
        items = records(said.get("organizations"), NAME)
        facts = [organisation_fact(one, self._settings.reading) for one in items if not one.get("deleted_at")]
        ended = number(said.get("end_time")) or since
        last = said.get("end_of_stream") is not False or ended <= since
        return OrganisationPage(
            [one for one in facts if one is not None], json.dumps({"since": max(ended, since)}), last
        )

    # -- files ---------------------------------------------------------------------------------------------------------
    def files(self, ticket_id: str) -> Sequence[SourceFile]:
        """As ``Desk.files``."""
        try:
            return source_files(list(self._comments(ticket_id)), ticket_id)
        except NotFound:
            return ()

    def _comments(self, ticket_id: str) -> Iterator[Mapping[str, Any]]:
        """Everything said in a ticket, oldest first. Raises NotFound."""
        query: dict[str, Any] = {"page[size]": PER_PAGE}
        for _ in range(MOST_PAGES):
            path = f"/tickets/{_number(ticket_id)}/comments.json"
            reply = self._call("GET", path, query=query, expect=(200, 404))
            if reply.status == 404:
                raise NotFound
            said = record(reply.json, NAME)
            yield from records(said.get("comments"), NAME)
            meta = inner(said.get("meta"))
            after = meta.get("after_cursor")
            if meta.get("has_more") is not True or not isinstance(after, str) or after == query.get("page[after]"):
                return
            query["page[after]"] = after

    def read(self, file: SourceFile) -> AbstractContextManager[Iterator[bytes]]:
        """As ``Desk.read``. One byte more than was announced is let through, so that it is noticed."""
        limit = None if file.size is None else file.size + 1
        own = urlsplit(self._settings.url).netloc == urlsplit(file.address).netloc
        return self._outgoing.stream(file.address, authorised=own, limit=limit, follow=own)

    def delete(self, file: SourceFile) -> Deletion:
        """As ``Desk.delete``."""
        if file.part is None:
            return Deletion(gone=False, reason="Zendesk does not say which comment it hangs on")
        path = f"/tickets/{_number(file.ticket_id)}/comments/{_number(file.part)}/attachments/{_number(file.id)}/redact"
        reply = self._call("PUT", f"{path}.json", body={}, expect=(200, 204, 400, 403, 404, 422))
        if all(one.id != file.id for one in self.files(file.ticket_id)):
            return Deletion(gone=True)
        if reply.status == 403:
            return Deletion(
                gone=False, reason="Zendesk does not let us redact it: the right to delete tickets is needed"
            )
        if reply.status >= 400:
            return Deletion(gone=False, reason="Zendesk does not redact it: its ticket is closed, or archived")
        return Deletion(gone=False, reason="Zendesk took the redaction, and the file is still there")

    # -- what is said --------------------------------------------------------------------------------------------------
    def write(self, ticket_id: str, message: Message) -> str:
        """As ``Desk.write``. Raises StateConflict for a closed ticket, which nobody can change any more."""
        for said in self._comments(ticket_id):
            if any(message.marker in str(said.get(name) or "") for name in ("html_body", "body", "plain_body")):
                return str(said.get("id"))
        comment = {"html_body": message.html, "public": message.public}
        path, body = f"/tickets/{_number(ticket_id)}.json", {"ticket": {"comment": comment}}
        reply = self._call("PUT", path, body=body, expect=(200, 404, 422))
        if reply.status == 404:
            raise NotFound
        if reply.status == 422:
            raise StateConflict("Zendesk takes no comment on this ticket: closed ones cannot be changed.")
        audit = inner(record(reply.json, NAME).get("audit"))
        written = [one.get("id") for one in entries(audit.get("events")) if one.get("type") == "Comment"]
        return str(identifier(written[0]) if written else identifier(audit.get("id")))

    # -- trying it out -------------------------------------------------------------------------------------------------
    def check(self) -> Sequence[Check]:
        """As ``Desk.check``."""
        lines = []
        for name, look in (
            ("credentials", self._check_user),
            ("changed tickets", self._check_export),
            ("contract's end", self._check_contract),
        ):
            try:
                lines.append(Check(name, *look()))
            except BilagaError as error:
                lines.append(Check(name, ok=False, detail=error.detail))
                if name == "credentials":
                    break
        return lines

    def _check_user(self) -> tuple[bool, str]:
        user = inner(self._got("/users/me.json").get("user"))
        role = line(user.get("role"), 40) or "nobody"
        ok = role in {"admin", "agent"}
        return (
            ok,
            f"Zendesk knows them, as {role}" if ok else "Zendesk takes them for nobody: an administrator is needed",
        )

    def _check_export(self) -> tuple[bool, str]:
        self._got("/incremental/tickets/cursor.json", {"start_time": 1, "per_page": 1})
        return True, "can be exported (administrators alone may)"

    def _check_contract(self) -> tuple[bool, str]:
        wanted = self._settings.reading.contract_field
        if wanted is None:
            return True, "no contract_field is set: contracts do not come from Zendesk"
        items = records(self._got("/organization_fields.json").get("organization_fields"), NAME)
        ok = any(one.get("key") == wanted for one in items)
        return ok, f"{wanted}: {'a field' if ok else 'no field'} of organizations"

    # -- calls ---------------------------------------------------------------------------------------------------------
    def _got(self, path: str, query: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        return record(self._call("GET", path, query=query, expect=(200,)).json, NAME)

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
    """A number that may stand in a path. Raises NotFound: nothing else is a name in Zendesk."""
    if number(text) is None:
        raise NotFound
    return text


def ticket_in(body: Mapping[str, Any]) -> str | None:
    """The ticket of an event (``detail.id``) or of what an administrator wrote (``ticket_id``)."""
    for value in (inner(body.get("detail")).get("id"), body.get("ticket_id"), inner(body.get("ticket")).get("id")):
        if found := number(value):
            return str(found)
    return None


def hook(secrets: Sequence[str]) -> TimedHook:
    """Reads Zendesk's webhooks: base64 of HMAC-SHA-256 over time and body."""
    return TimedHook(
        secrets,
        signature_header="x-zendesk-webhook-signature",
        time_header="x-zendesk-webhook-signature-timestamp",
        read=ticket_in,
        key_header="x-zendesk-webhook-invocation-id",
    )


def make(section: Mapping[str, Any]) -> Made:
    """A connector of a section's settings. Raises Misconfigured."""
    said = Section(section)
    reading = Reading(
        prefix=said.prefix(),
        statuses=said.statuses(STATUSES),
        organisation=said.text("organisation", "id"),
        contract_field=said.text("contract_field", "") or None,
    )
    token, user = said.text("token"), said.text("user", "")
    # An OAuth token goes by itself, an API token with the address of whose it is.
    login = f"Basic {b64encode(f'{user}/token:{token}'.encode()).decode()}" if user else f"Bearer {token}"
    secrets, outgoing = said.secrets(), said.outgoing({"Authorization": login}, hosts=HOSTS)
    desk = Zendesk(ZendeskSettings(said.text("url"), reading), outgoing)
    said.done()
    return Made(desk, hook(secrets) if secrets else None, recipe)


def recipe(address: str, _secret: str) -> str:
    """What to set up in Zendesk, which makes the secret itself."""
    return "\n".join(
        (
            "Admin Center > Apps and integrations > Webhooks > Create webhook, for ticket events (created, status",
            "changed, comment added, organization changed, deleted); method POST, format JSON, no authentication.",
            f"  endpoint URL    {address}",
            "Zendesk makes the signing secret: reveal it there, and set it as webhook_secret here.",
        )
    )
