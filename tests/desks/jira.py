"""A stand-in for Jira Service Management, written from what its APIs' documents say."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from typing import Any

from tests.desks.stand_in import Answer, Asked, StandIn
from tickets.jira import make

LOGIN = "Basic " + base64.b64encode(b"us@acme.example:jira-token").decode()
FIELDS = [
    {"id": "summary", "schema": {"type": "string"}},
    {"id": "customfield_10002", "schema": {"custom": "com.atlassian.servicedesk:sd-customer-organizations"}},
]
COMPANY = {"id": "5", "name": "Kund AB"}
CATEGORIES = {
    "Open": "new",
    "Waiting for support": "indeterminate",
    "Waiting for customer": "indeterminate",
    "Done": "done",
}


class Jira(StandIn):
    """The running stand-in. ``elsewhere``: files are behind a redirect to another host."""

    kind = "jira"
    make = staticmethod(make)
    deletes = True

    def __init__(self) -> None:
        super().__init__()
        self.tickets: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.bytes: dict[int, bytes] = {}
        self.elsewhere = True
        self._ids = 10_000

    def section(self, **more: Any) -> dict[str, Any]:
        own = {"url": self.url, "user": "us@acme.example", "token": "jira-token", "allow_loopback": True}
        hosts = {"allowed_hosts": ["localhost"], "projects": ["SUP"], "contract_property": "contract"}
        return {"kind": self.kind, **own, **hosts, **more}

    # -- what people do there ------------------------------------------------------------------------------------------
    def open(self, *files: tuple[str, bytes]) -> str:
        number, now = self._number(), self._when()
        fields = {
            "summary": "Skrivaren\nbrinner", "status": _status("Open"), "created": now, "updated": now,
            "resolutiondate": None, "labels": ["vip"], "customfield_10002": [COMPANY], "attachment": [],
            "reporter": {"accountId": "a7", "displayName": "Åsa Kund", "emailAddress": "asa@kund.example"},
        }  # fmt: skip
        self.tickets[number] = {"id": str(number), "key": f"SUP-{number}", "fields": fields}
        self.comments[number] = []
        self.say(str(number), "it burns", *files)
        return str(number)

    def say(self, ticket: str, text: str, *files: tuple[str, bytes], public: bool = True) -> str:
        number, now = str(self._number()), self._when()
        fields = self.tickets[int(ticket)]["fields"]
        for name, content in files:
            file = self._number()
            self.bytes[file] = content
            fields["attachment"].append({
                "id": str(file), "filename": name, "size": len(content), "mimeType": "application/octet-stream",
                "created": now, "content": f"{self.url}/rest/api/3/attachment/content/{file}",
            })  # fmt: skip
        self.comments[int(ticket)].append({"id": number, "body": text, "public": public})
        fields["updated"] = now
        return number

    def close(self, ticket: str) -> None:
        now = self._when()
        self.tickets[int(ticket)]["fields"] |= {"status": _status("Done"), "updated": now, "resolutiondate": now}

    def reopen(self, ticket: str) -> None:
        fields = {"status": _status("Waiting for support"), "updated": self._when(), "resolutiondate": None}
        self.tickets[int(ticket)]["fields"] |= fields

    def notes(self, ticket: str) -> list[str]:
        return [one["body"] for one in self.comments[int(ticket)] if not one["public"]]

    def _number(self) -> int:
        self._ids += 1
        return self._ids

    def _when(self) -> str:
        return (self.tick() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.250+0100")

    # -- what it says --------------------------------------------------------------------------------------------------
    def answer(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != LOGIN:
            return Answer(401, {"errorMessages": ["Client must be authenticated"]})
        path = asked.path
        if path == "/rest/api/2/myself":
            return Answer(body={"accountId": "a1"})
        if path == "/rest/api/2/field":
            return Answer(body=FIELDS)
        if path == "/rest/api/2/search/jql":
            return self._search(asked)
        if path == "/rest/servicedeskapi/organization":
            return Answer(body={"values": [COMPANY], "isLastPage": True, "start": 0, "limit": 50, "size": 1})
        if path == "/rest/servicedeskapi/organization/5/property/contract":
            return Answer(body={"key": "contract", "value": "2027-03-31"})
        if match := re.fullmatch(r"/rest/api/2/issue/(?:SUP-)?(\d+)", path):
            return self._known(int(match[1]), lambda: Answer(body=self.tickets[int(match[1])]))
        if match := re.fullmatch(r"/rest/servicedeskapi/request/(\d+)/comment", path):
            return self._known(int(match[1]), lambda: self._comment(match[1], asked))
        if match := re.fullmatch(r"/rest/api/[23]/attachment/(?:content/)?(\d+)", path):
            return self._file(int(match[1]), asked)
        return Answer(404, {"errorMessages": ["no such thing"]})

    def _known(self, number: int, answer: Any) -> Answer:
        if number not in self.tickets:
            return Answer(404, {"errorMessages": ["Issue does not exist or you do not have permission to see it."]})
        return answer()

    def _search(self, asked: Asked) -> Answer:
        match = re.fullmatch(
            r'project in \("SUP"\)(?: AND updated >= -(\d+)m)? ORDER BY updated ASC', asked.query["jql"]
        )
        assert match, asked.query["jql"]
        found = sorted(self.tickets.values(), key=lambda one: (one["fields"]["updated"], one["id"]))
        at, size = int(asked.query.get("nextPageToken", "t0")[1:]), int(asked.query["maxResults"])
        more = {} if at + size >= len(found) else {"nextPageToken": f"t{at + size}"}
        return Answer(body={"issues": found[at : at + size], "isLast": not more, **more})

    def _comment(self, ticket: str, asked: Asked) -> Answer:
        if asked.method == "POST":
            number = self.say(ticket, asked.said["body"], public=asked.said["public"])
            return Answer(201, {"id": number, "body": asked.said["body"]})
        start = int(asked.query["start"])
        page = self.comments[int(ticket)][start : start + 2]
        last = start + 2 >= len(self.comments[int(ticket)])
        return Answer(body={"values": page, "isLastPage": last, "start": start, "limit": 2, "size": len(page)})

    def _file(self, number: int, asked: Asked) -> Answer:
        if number not in self.bytes:
            return Answer(404, {"errorMessages": ["The attachment with id does not exist"]})
        if asked.method == "DELETE":
            del self.bytes[number]
            for one in self.tickets.values():
                kept = [file for file in one["fields"]["attachment"] if file["id"] != str(number)]
                one["fields"]["attachment"] = kept
            return Answer(204)
        if self.elsewhere:
            return Answer(303, b"", {"Location": f"{self.files_url}/{number}"})
        return Answer(body=self.bytes[number])

    def file(self, asked: Asked) -> Answer:
        return Answer(body=self.bytes[int(asked.path[1:])])


def _status(name: str) -> dict[str, Any]:
    return {"name": name, "statusCategory": {"key": CATEGORIES[name]}}
