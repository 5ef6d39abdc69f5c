"""Jira Service Management (Cloud), by its REST APIs: the truth about its requests, and what is done there.

Changes are searched for by JQL, whose times are in minutes and in the zone of whoever asks: so it is told how many
minutes ago, which is the same in every zone. Source: Jira Cloud's REST API v2 and v3, and Service Management's.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from domain.clock import Clock, system_clock
from domain.errors import BadInput, BilagaError, DeskRefused, Misconfigured, NotFound
from tickets.answers import (
    MOST_PAGES,
    entries,
    identifier,
    inner,
    instant,
    microseconds,
    number,
    place,
    record,
    records,
)
from tickets.connectors import Made
from tickets.desk import Check, Deletion, Message, OrganisationPage, Page, SourceFile, SourceTicket
from tickets.jira_facts import (
    KEY,
    ORGANISATIONS,
    STATUSES,
    Reading,
    first_organisation,
    organisation_fact,
    source_files,
    source_ticket,
)
from tickets.known import Known
from tickets.outgoing import Outgoing, Reply
from tickets.said import OrganisationFact
from tickets.section import Section, segment
from tickets.signed_hook import HubHook

NAME = "Jira"
PER_PAGE = 100
COMMENTS = 100
HOSTS = ("api.media.atlassian.com",)
"""Where Jira keeps files, should it send us there."""
OVERLAP = 3
"""Minutes that are asked for twice: a minute is the finest JQL knows, and the index is some seconds late."""
_PROJECT = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_MINUTE = 60_000_000


@dataclass(frozen=True, slots=True)
class JiraSettings:
    """``projects``: by their keys, the service projects that are read."""

    projects: Sequence[str]
    reading: Reading = field(default_factory=Reading)


class Jira:
    """``tickets.desk.Desk``. Safe from any thread."""

    def __init__(self, settings: JiraSettings, outgoing: Outgoing, clock: Clock) -> None:
        self._settings = settings
        self._outgoing = outgoing
        self._clock = clock
        self._known = Known(clock)
        self._lock = Lock()
        self._organisations_in: str | None = None

    # -- what changed --------------------------------------------------------------------------------------------------
    def changed(self, cursor: str | None) -> Page:
        """As ``Desk.changed``. Raises BadInput for what is no cursor of ours."""
        at, token = _place(cursor)
        since, minutes = at.get("since", 0), at.get("minutes")
        if minutes is None and since:
            minutes = max(0, microseconds(self._clock()) - since) // _MINUTE + OVERLAP
        query = {
            "jql": self._jql(minutes),
            "fields": self._fields(),
            "maxResults": PER_PAGE,
            "nextPageToken": token,
        }
        said = record(self._got("/rest/api/2/search/jql", query), NAME)
        items = records(said.get("issues"), NAME)
        newest = max([since, *(microseconds(instant(inner(one.get("fields")).get("updated"))) for one in items)])
        tickets = [one for item in items if (one := self._ticket(item)) is not None]
        following = said.get("nextPageToken")
        if not isinstance(following, str) or not following or following == token or said.get("isLast") is True:
            return Page(tickets, json.dumps({"since": newest}), last=True)
        place_there = {"since": newest, "token": following} | ({} if minutes is None else {"minutes": minutes})
        return Page(tickets, json.dumps(place_there), last=False)

    def _jql(self, minutes: int | None) -> str:
        projects = ", ".join(f'"{one}"' for one in self._settings.projects)
        changed = "" if minutes is None else f" AND updated >= -{minutes}m"
        return f"project in ({projects}){changed} ORDER BY updated ASC"

    def ticket(self, ticket_id: str) -> SourceTicket | None:
        """As ``Desk.ticket``, by id or by key."""
        item = self._issue(ticket_id, self._fields())
        if item is None:
            return None
        found = self._ticket(item)
        if found is None:
            raise DeskRefused(f"{NAME} answered with something that is no issue.")
        return found

    def _issue(self, ticket_id: str, fields: str) -> Mapping[str, Any] | None:
        reply = self._call("GET", f"/rest/api/2/issue/{_named(ticket_id)}", query={"fields": fields}, expect=(200, 404))
        return None if reply.status == 404 else record(reply.json, NAME)

    def _ticket(self, item: Mapping[str, Any]) -> SourceTicket | None:
        whose = first_organisation(item, self._field_of_organisations())
        fact = None if whose is None else self._organisation(whose)
        there = self._field_of_organisations()
        return source_ticket(item, reading=self._settings.reading, organisations_in=there, fact=fact)

    def _organisation(self, item: Mapping[str, Any]) -> OrganisationFact | None:
        name, organisation_id = self._settings.reading.contract_property, number(item.get("id"))
        properties: Mapping[str, Any] = {}
        if name is not None and organisation_id is not None:
            properties = self._known.get(str(organisation_id), lambda: self._properties(organisation_id, name))
        return organisation_fact(item, self._settings.reading, properties)

    def _properties(self, organisation_id: int, name: str) -> Mapping[str, Any]:
        """The one property, by its name; empty where we may not look. Without it the contract runs on."""
        path = f"/rest/servicedeskapi/organization/{organisation_id}/property/{segment(name)}"
        reply = self._call("GET", path, expect=(200, 403, 404))
        if reply.status != 200:
            return {} if reply.status == 403 else {name: None}
        value = inner(reply.json).get("value")
        return {name: value.get("date") if isinstance(value, dict) else value}

    def _field_of_organisations(self) -> str | None:
        """The id of the field *Organizations*, which is another one in every Jira; None: there is none."""
        with self._lock:
            if self._organisations_in is None:
                items = records(self._got("/rest/api/2/field"), NAME)
                found = [one.get("id") for one in items if inner(one.get("schema")).get("custom") == ORGANISATIONS]
                self._organisations_in = next((one for one in found if isinstance(one, str)), "")
            return self._organisations_in or None

    def _fields(self) -> str:
        names = ("summary", "status", "created", "updated", "resolutiondate", "reporter", "labels")
        return ",".join([*names, *filter(None, [self._field_of_organisations()])])

    def organisations(self, cursor: str | None) -> OrganisationPage:
        """As ``Desk.organisations``: all of them, again and again."""
        start = place(cursor, "start").get("start", 0)
        said = record(self._got("/rest/servicedeskapi/organization", {"start": start, "limit": 50}), NAME)
        items = records(said.get("values"), NAME)
        facts = [self._organisation(one) for one in items]
        last = said.get("isLastPage") is not False or not items or start > MOST_PAGES * 50
        following = json.dumps({"start": 0 if last else start + len(items)})
        return OrganisationPage([one for one in facts if one is not None], following, last)

    # -- files ---------------------------------------------------------------------------------------------------------
    def files(self, ticket_id: str) -> Sequence[SourceFile]:
        """As ``Desk.files``."""
        item = self._issue(ticket_id, "attachment")
        return () if item is None else source_files(item, ticket_id)

    def read(self, file: SourceFile) -> AbstractContextManager[Iterator[bytes]]:
        """As ``Desk.read``. One byte more than was announced is let through, so that it is noticed."""
        limit = None if file.size is None else file.size + 1
        return self._outgoing.stream(file.address, authorised=True, limit=limit, follow=True)

    def delete(self, file: SourceFile) -> Deletion:
        """As ``Desk.delete``."""
        if number(file.id) is None:
            raise NotFound
        reply = self._call("DELETE", f"/rest/api/2/attachment/{file.id}", expect=(204, 403, 404))
        if all(one.id != file.id for one in self.files(file.ticket_id)):
            return Deletion(gone=True)
        if reply.status == 403:
            return Deletion(
                gone=False, reason="Jira does not let us delete it: the permission is Delete All Attachments"
            )
        return Deletion(gone=False, reason="Jira took the deletion, and the file is still there")

    # -- what is said --------------------------------------------------------------------------------------------------
    def write(self, ticket_id: str, message: Message) -> str:
        """As ``Desk.write``: plain text, in which Jira makes links of addresses."""
        path = f"/rest/servicedeskapi/request/{_named(ticket_id)}/comment"
        start = 0
        for _ in range(MOST_PAGES):
            query = {"start": start, "limit": COMMENTS, "internal": "true", "public": "true"}
            reply = self._call("GET", path, query=query, expect=(200, 404))
            if reply.status == 404:
                raise NotFound
            said = record(reply.json, NAME)
            items = records(said.get("values"), NAME)
            for one in items:
                if message.marker in str(one.get("body") or ""):
                    return str(one.get("id"))
            start += len(items)
            if said.get("isLastPage") is not False or not items:
                break
        text = message.text if message.marker in message.text else f"{message.text}\n({message.marker})"
        reply = self._call("POST", path, body={"body": text, "public": message.public}, expect=(200, 201, 404))
        if reply.status == 404:
            raise NotFound
        return str(identifier(record(reply.json, NAME).get("id")))

    # -- trying it out -------------------------------------------------------------------------------------------------
    def check(self) -> Sequence[Check]:
        """As ``Desk.check``."""
        lines = []
        for name, look in (
            ("credentials", self._check_user),
            ("changed requests", self._check_search),
            ("organizations", self._check_organisations),
        ):
            try:
                lines.append(Check(name, *look()))
            except BilagaError as error:
                lines.append(Check(name, ok=False, detail=error.detail))
                if name == "credentials":
                    break
        return lines

    def _check_user(self) -> tuple[bool, str]:
        record(self._got("/rest/api/2/myself"), NAME)
        return True, "Jira knows them"

    def _check_search(self) -> tuple[bool, str]:
        query = {"jql": self._jql(None), "fields": "status", "maxResults": 1}
        none = not entries(record(self._got("/rest/api/2/search/jql", query), NAME).get("issues"))
        return True, "can be searched, and are none (or none that this user may see)" if none else "can be searched"

    def _check_organisations(self) -> tuple[bool, str]:
        found = self._field_of_organisations()
        return found is not None, "are told" if found else "there is no field Organizations: is this a service project?"

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
        return self._outgoing.json(method, path, query=query, body=body, expect=expect)


def _named(text: str) -> str:
    """An issue's id or key that may stand in a path. Raises NotFound: nothing else is a name in Jira."""
    if number(text) is None and not KEY.fullmatch(text):
        raise NotFound
    return text


def _place(cursor: str | None) -> tuple[Mapping[str, int], str | None]:
    """A cursor's numbers and Jira's own word for the next page. Raises BadInput."""
    if cursor is None:
        return {}, None
    try:
        found = dict(json.loads(cursor))
    except (ValueError, TypeError, RecursionError) as error:
        raise BadInput("This is no place in Jira's lists.", field="cursor") from error
    token = found.pop("token", None)
    return place(json.dumps(found), "since", "minutes"), token if isinstance(token, str) else None


def issue_in(body: Mapping[str, Any]) -> str | None:
    """The issue of an event, of its comments too."""
    found = number(inner(body.get("issue")).get("id"))
    return str(found) if found else None


def make(section: Mapping[str, Any]) -> Made:
    """A connector of a section's settings. Raises Misconfigured."""
    said = Section(section)
    reading = Reading(
        prefix=said.prefix(),
        statuses=said.statuses(STATUSES),
        organisation=said.one_of("organisation", ("id", "name"), "id"),
        contract_property=said.text("contract_property", "") or None,
    )
    projects = said.texts("projects")
    if not projects or not all(_PROJECT.fullmatch(one) for one in projects):
        raise Misconfigured("projects: the keys of service projects must be set", field="projects")
    login = b64encode(f"{said.text('user')}:{said.text('token')}".encode()).decode()
    secrets, outgoing = said.secrets(), said.outgoing({"Authorization": f"Basic {login}"}, hosts=HOSTS)
    said.done()
    key = "x-atlassian-webhook-identifier"
    hook = HubHook(secrets, digest="sha256", read=issue_in, key_header=key) if secrets else None
    return Made(Jira(JiraSettings(projects, reading), outgoing, system_clock), hook, recipe)


def recipe(address: str, secret: str) -> str:
    """What to set up in Jira."""
    return "\n".join(
        (
            "Settings > System > WebHooks > Create; events: issue created, updated, deleted; comment created, updated;",
            "attachment created. JQL: the projects that are read.",
            f"  URL     {address}",
            f"  Secret  {secret}",
        )
    )
