"""A stand-in for Request Tracker's REST2, for what the real one cannot be made to say: garbage, and other queues'
transactions by the hundred. What it says otherwise was read off the real one."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from tests.desks.stand_in import Answer, Asked, StandIn, written
from tickets.request_tracker import make

KUND = {
    "type": "user", "id": "asa", "Name": "asa", "EmailAddress": "asa@kund.example", "RealName": "Åsa Kund",
    "Organization": "Kund AB",
}  # fmt: skip
PREVIEWED = 200


class RequestTrackerRows(StandIn):
    """The running stand-in."""

    kind = "request-tracker"
    make = staticmethod(make)
    deletes = False

    def __init__(self) -> None:
        super().__init__()
        self.tickets: dict[int, dict[str, Any]] = {}
        self.parts: dict[int, list[dict[str, Any]]] = {}
        self.transactions: list[dict[str, Any]] = []
        self._ids = 100

    def section(self, **more: Any) -> dict[str, Any]:
        own = {"url": self.url, "token": "rt-token", "allow_loopback": True, "user": "bilaga"}
        return {"kind": self.kind, **own, **more}

    # -- what people do there ------------------------------------------------------------------------------------------
    def open(self, *files: tuple[str, bytes]) -> str:
        number = self._number()
        now = written(self.tick())
        self.tickets[number] = {
            "id": str(number), "type": "ticket", "Status": "open", "Subject": "Skrivaren\nbrinner", "Created": now,
            "LastUpdated": now, "LastUpdatedBy": {"id": "asa"}, "Resolved": "1970-01-01T00:00:00Z", "Requestor": [KUND],
            "CustomFields": [{"id": "1", "name": "Customer", "values": ["Acme"]}],
        }  # fmt: skip
        self.parts[number] = []
        self.say(str(number), "it burns", *files)
        return str(number)

    def say(self, ticket: str, html: str, *files: tuple[str, bytes], by: str = "asa", subject: str = "") -> int:
        transaction = self.happens(ticket, by)
        parts = [
            ("", html.encode(), "text/html", subject),
            *((*file, "application/octet-stream", "") for file in files),
        ]
        for name, content, kind, about in parts:
            self.parts[int(ticket)].append({
                "id": str(self._number()), "type": "attachment", "Filename": name, "ContentType": kind,
                "ContentLength": len(content), "TransactionId": str(transaction), "Subject": about,
                "Created": written(self.now), "Content": base64.encodebytes(content).decode(),
            })  # fmt: skip
        return transaction

    def close(self, ticket: str) -> None:
        self.happens(ticket, "asa", Status="resolved", Resolved=written(self.now))

    def reopen(self, ticket: str) -> None:
        self.happens(ticket, "asa", Status="open")

    def notes(self, ticket: str) -> list[str]:
        return [base64.b64decode(one["Content"]).decode() for one in self.parts[int(ticket)] if one["Subject"]]

    def happens(self, ticket: str, by: str, *, hidden: bool = False, **fields: str) -> int:
        """A transaction. ``hidden``: of another queue."""
        number = self._number()
        row = {"id": number, "ticket": ticket, "Creator": {"id": by}, "Created": written(self.tick())}
        self.transactions.append({**row, "hidden": hidden})
        if not hidden:
            self.tickets[int(ticket)] |= {"LastUpdated": written(self.now), "LastUpdatedBy": {"id": by}, **fields}
        return number

    def _number(self) -> int:
        self._ids += 1
        return self._ids

    # -- what it says --------------------------------------------------------------------------------------------------
    def answer(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != "token rt-token":
            return Answer(401, {"message": "Unauthorized"})
        path = asked.path.removeprefix("/REST/2.0")
        if path == "/rt":
            return Answer(body={"Version": "5.0.3"})
        if path == "/tickets":
            return self._search(asked)
        if path == "/transactions":
            return self._transactions(asked)
        if match := re.fullmatch(r"/ticket/(\d+)(/\w+)?", path):
            return self._ticket(int(match[1]), match[2] or "", asked)
        if match := re.fullmatch(r"/attachment/(\d+)", path):
            return self._attachment(match[1])
        return Answer(404, {"message": "Not Found"})

    def _search(self, asked: Asked) -> Answer:
        query, descending = asked.query["query"], asked.query.get("order") == "DESC"
        if match := re.fullmatch(r"id > (\d+)", query):
            found = [one for number, one in self.tickets.items() if number > int(match[1])]
        else:
            wanted = set(re.findall(r"id = (\d+)", query))
            found = [one for one in self.tickets.values() if one["id"] in wanted]
        key = asked.query.get("orderby", "id")
        found.sort(
            key=lambda one: (one["LastUpdated"] if key == "LastUpdated" else "", int(one["id"])), reverse=descending
        )
        return self._page(found, asked)

    def _transactions(self, asked: Asked) -> Answer:
        limits = {one["field"]: one["value"] for one in json.loads(asked.query["query"])}
        assert limits["ObjectType"] == "RT::Ticket"
        found = [one for one in self.transactions if one["id"] > int(limits["id"])]
        size, page = int(asked.query["per_page"]), int(asked.query["page"])
        rows = sorted(found, key=lambda one: one["id"], reverse=asked.query["order"] == "DESC")
        seen = [one for one in rows[(page - 1) * size : page * size] if not one["hidden"]]
        ahead = [one for one in rows[page * size : page * size + PREVIEWED] if not one["hidden"]]
        items = [{"id": str(one["id"]), "ObjectId": {"id": one["ticket"]}, "Created": one["Created"]} for one in seen]
        return Answer(body={"items": items, **({"next_page": "there"} if ahead else {})})

    def _page(self, found: list[dict[str, Any]], asked: Asked) -> Answer:
        size, page = int(asked.query.get("per_page", "20")), int(asked.query.get("page", "1"))
        more = {"next_page": "there"} if page * size < len(found) else {}
        return Answer(body={"items": found[(page - 1) * size : page * size], "total": len(found), **more})

    def _ticket(self, number: int, rest: str, asked: Asked) -> Answer:
        if number not in self.tickets:
            return Answer(
                *{"/attachments": (200, {"items": []}), "/comment": (400, {"message": "no"})}.get(rest, (404, None))
            )
        ticket = self.tickets[number]
        own = [one for one in self.transactions if one["ticket"] == ticket["id"]]
        if rest == "/comment":
            said = asked.said
            made = self.say(ticket["id"], said["Content"], by="bilaga", subject=said["Subject"])
            return Answer(201, ["Comments added"], {"Location": f"{self.url}/REST/2.0/transaction/{made}"})
        if rest == "/history":
            return self._page([{**one, "id": str(one["id"])} for one in reversed(own)], asked)
        if rest == "/attachments":
            return self._page(self.parts[number], asked)
        return Answer(body={**ticket, "Requestor": [{"id": "asa"}]}, headers={"ETag": f'"{own[-1]["id"]}"'})

    def _attachment(self, number: str) -> Answer:
        found = [one for parts in self.parts.values() for one in parts if one["id"] == number]
        return Answer(body=found[0]) if found else Answer(500, {"message": "Internal Server Error"})
