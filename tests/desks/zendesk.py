"""A stand-in for Zendesk, written from ``docs/connectors/zendesk.md``'s sources: exports, comments, redaction, files
behind a redirect to another host."""

from __future__ import annotations

import base64
import re
from typing import Any

from tests.desks.stand_in import Answer, Asked, StandIn, written
from tickets.zendesk import make

LOGIN = "Basic " + base64.b64encode(b"us@acme.example/token:zendesk-token").decode()
PER_PAGE = 2
USERS = [{"id": 7, "name": "Åsa Kund", "email": "asa@kund.example", "role": "end-user"}]
COMPANIES = [
    {"id": 5, "name": "Kund AB", "external_id": "K-5", "organization_fields": {"contract_end": "2027-03-31T00:00:00Z"}}
]


class Zendesk(StandIn):
    """The running stand-in. ``closed``: tickets nobody can change."""

    kind = "zendesk"
    make = staticmethod(make)
    deletes = True

    def __init__(self) -> None:
        super().__init__()
        self.tickets: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.bytes: dict[int, bytes] = {}
        self._ids = 100

    def section(self, **more: Any) -> dict[str, Any]:
        own = {"url": self.url, "user": "us@acme.example", "token": "zendesk-token", "allow_loopback": True}
        return {"kind": self.kind, "allowed_hosts": ["localhost"], "contract_field": "contract_end", **own, **more}

    # -- what people do there ------------------------------------------------------------------------------------------
    def open(self, *files: tuple[str, bytes]) -> str:
        number = self._number()
        now = written(self.tick())
        self.tickets[number] = {
            "id": number, "subject": "Skrivaren\nbrinner", "status": "open", "requester_id": 7, "organization_id": 5,
            "created_at": now, "updated_at": now, "tags": ["vip"], "via": {"channel": "email"},
        }  # fmt: skip
        self.comments[number] = []
        self.say(str(number), "it burns", *files)
        return str(number)

    def say(self, ticket: str, html: str, *files: tuple[str, bytes], public: bool = True) -> int:
        number = self._number()
        attachments = []
        for name, content in files:
            file = self._number()
            self.bytes[file] = content
            attachments.append({
                "id": file, "file_name": name, "content_type": "application/octet-stream", "size": len(content),
                "content_url": f"{self.url}/attachments/token/{file}", "inline": False, "deleted": False,
            })  # fmt: skip
        comment = {
            "id": number, "type": "Comment", "html_body": html, "body": html, "public": public,
            "created_at": written(self.tick()), "attachments": attachments,
        }  # fmt: skip
        self.comments[int(ticket)].append(comment)
        self.tickets[int(ticket)]["updated_at"] = written(self.now)
        return number

    def close(self, ticket: str) -> None:
        self.tickets[int(ticket)] |= {"status": "closed", "updated_at": written(self.tick())}

    def reopen(self, ticket: str) -> None:
        self.tickets[int(ticket)] |= {"status": "open", "updated_at": written(self.tick())}

    def trash(self, ticket: str) -> None:
        self.tickets[int(ticket)] |= {"status": "deleted", "updated_at": written(self.tick())}

    def notes(self, ticket: str) -> list[str]:
        return [one["html_body"] for one in self.comments[int(ticket)] if not one["public"]]

    def _number(self) -> int:
        self._ids += 1
        return self._ids

    # -- what it says --------------------------------------------------------------------------------------------------
    def answer(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != LOGIN:
            return Answer(401, {"error": "Couldn't authenticate you"})
        if match := re.fullmatch(r"/attachments/token/(\d+)", asked.path):
            return Answer(302, b"moved", {"Location": f"{self.files_url}/{match[1]}"})
        if asked.path == "/api/v2/users/me.json":
            return Answer(body={"user": {"id": 1, "role": "admin", "email": "us@acme.example"}})
        if asked.path == "/api/v2/organization_fields.json":
            return Answer(body={"organization_fields": [{"key": "contract_end", "type": "date"}]})
        if asked.path == "/api/v2/incremental/tickets/cursor.json":
            return self._export(asked)
        if asked.path == "/api/v2/incremental/organizations.json":
            since = int(asked.query["start_time"])
            listed = COMPANIES if since < 1000 else []
            return Answer(body={"organizations": listed, "end_time": 1000, "end_of_stream": True, "next_page": None})
        if asked.path == "/api/v2/deleted_tickets.json":
            listed = [
                {"id": one["id"], "deleted_at": one["updated_at"]}
                for one in self.tickets.values()
                if one["status"] == "deleted"
            ]
            return Answer(body={"deleted_tickets": listed, "count": len(listed)})
        if match := re.fullmatch(r"/api/v2/tickets/(\d+)(.*)\.json", asked.path):
            return self._ticket(int(match[1]), match[2], asked)
        return Answer(404, {"error": "InvalidEndpoint"})

    def _export(self, asked: Asked) -> Answer:
        second, number = map(int, asked.query.get("cursor", "0-0").split("-"))
        changed = sorted(self.tickets.values(), key=_place)
        fresh = [one for one in changed if _place(one) > (second, number)]
        page = fresh[:PER_PAGE]
        cursor = _place(page[-1]) if page else (second, number)
        return Answer(body={
            "tickets": page, **self._beside(page), "after_cursor": "{}-{}".format(*cursor),
            "end_of_stream": len(fresh) <= PER_PAGE
        })  # fmt: skip

    def _beside(self, tickets: list[dict[str, Any]]) -> dict[str, Any]:
        metrics = [
            {
                "ticket_id": one["id"],
                "solved_at": one["updated_at"] if one["status"] == "closed" else None,
                "requester_updated_at": one["created_at"],
            }
            for one in tickets
        ]
        return {"users": USERS, "organizations": COMPANIES, "metric_sets": metrics}

    def _ticket(self, number: int, rest: str, asked: Asked) -> Answer:
        ticket = self.tickets.get(number)
        if ticket is None or ticket["status"] == "deleted":
            return Answer(404, {"error": "RecordNotFound"})
        if rest == "/comments":
            at = int(asked.query.get("page[after]", "0"))
            page = self.comments[number][at : at + PER_PAGE]
            more = at + PER_PAGE < len(self.comments[number])
            meta = {"has_more": more, "after_cursor": str(at + PER_PAGE) if more else None}
            return Answer(body={"comments": page, "meta": meta})
        if match := re.fullmatch(r"/comments/(\d+)/attachments/(\d+)/redact", rest):
            return self._redact(ticket, *map(int, match.groups()))
        if asked.method == "PUT":
            if ticket["status"] == "closed":
                return Answer(422, {"error": "RecordInvalid"})
            comment = asked.said["ticket"]["comment"]
            written_id = self.say(str(number), comment["html_body"], public=comment["public"])
            return Answer(body={"ticket": ticket, "audit": {"events": [{"id": written_id, "type": "Comment"}]}})
        return Answer(body={"ticket": ticket, **self._beside([ticket])})

    def _redact(self, ticket: dict[str, Any], comment: int, file: int) -> Answer:
        if ticket["status"] == "closed":
            return Answer(422, {"error": "RecordInvalid"})
        for one in self.comments[ticket["id"]]:
            for attachment in one["attachments"] if one["id"] == comment else ():
                if attachment["id"] == file:
                    attachment |= {"file_name": "redacted.txt", "size": 0, "content_type": "text/plain"}
                    self.bytes[file] = b""
                    return Answer(body={"attachment": attachment})
        return Answer(404, {"error": "RecordNotFound"})

    def file(self, asked: Asked) -> Answer:
        return Answer(body=self.bytes[int(asked.path[1:])])


def _place(ticket: dict[str, Any]) -> tuple[int, int]:
    at = ticket["updated_at"]
    return int(at[11:13]) * 3600 + int(at[14:16]) * 60 + int(at[17:19]), ticket["id"]
