"""A stand-in for Zammad, written from what its API's documents and its source say."""

from __future__ import annotations

import re
from typing import Any

from tests.desks.stand_in import Answer, Asked, StandIn
from tickets.zammad import make

USERS = {7: {"id": 7, "login": "asa", "email": "asa@kund.example", "firstname": "Åsa", "lastname": "Kund"}}
COMPANIES = {5: {"id": 5, "name": "Kund AB", "domain": "kund.example", "contract_end": "2027-03-31"}}


class Zammad(StandIn):
    """The running stand-in."""

    kind = "zammad"
    make = staticmethod(make)
    deletes = False

    def __init__(self) -> None:
        super().__init__()
        self.tickets: dict[int, dict[str, Any]] = {}
        self.articles: dict[int, list[dict[str, Any]]] = {}
        self.bytes: dict[str, bytes] = {}
        self.links: dict[int, list[dict[str, Any]]] = {}
        self._ids = 100

    def section(self, **more: Any) -> dict[str, Any]:
        own = {"url": self.url, "token": "zammad-token", "allow_loopback": True, "contract_field": "contract_end"}
        return {"kind": self.kind, **own, **more}

    # -- what people do there ------------------------------------------------------------------------------------------
    def open(self, *files: tuple[str, bytes]) -> str:
        number, now = self._number(), self._when()
        self.tickets[number] = {
            "id": number, "number": f"22{number}", "title": "Skrivaren\nbrinner", "state": "open", "customer_id": 7,
            "customer": "asa", "organization_id": 5, "organization": "Kund AB", "created_at": now, "updated_at": now,
            "last_contact_at": now, "close_at": None, "last_close_at": None,
        }  # fmt: skip
        self.articles[number] = []
        self.say(str(number), "it burns", *files)
        return str(number)

    def say(self, ticket: str, html: str, *files: tuple[str, bytes], internal: bool = False, **more: Any) -> int:
        number, now = self._number(), self._when()
        attachments = []
        for name, content in files:
            file = self._number()
            self.bytes[f"{ticket}/{number}/{file}"] = content
            preferences = {"Content-Type": "application/octet-stream"}
            attachments.append({"id": file, "filename": name, "size": str(len(content)), "preferences": preferences})
        picture = {"Content-ID": "<a@b>", "Content-Disposition": "inline", "Content-Type": "image/png"}
        attachments.append({"id": self._number(), "filename": "logo.png", "size": "9", "preferences": picture})
        article = {"id": number, "body": html, "internal": internal, "attachments": attachments, "created_at": now}
        self.articles[int(ticket)].append({**article, **more})
        self.tickets[int(ticket)]["updated_at"] = now
        if not internal:
            self.tickets[int(ticket)]["last_contact_at"] = now
        return number

    def close(self, ticket: str) -> None:
        now = self._when()
        self.tickets[int(ticket)] |= {"state": "closed", "updated_at": now, "close_at": now, "last_close_at": now}

    def reopen(self, ticket: str) -> None:
        self.tickets[int(ticket)] |= {"state": "open", "updated_at": self._when()}

    def merge(self, ticket: str, into: str) -> None:
        self.tickets[int(ticket)] |= {"state": "merged", "updated_at": self._when()}
        link = {"link_type": "child", "link_object": "Ticket", "link_object_value": int(into)}
        self.links[int(ticket)] = [link]

    def notes(self, ticket: str) -> list[str]:
        return [one["body"] for one in self.articles[int(ticket)] if one["internal"]]

    def _number(self) -> int:
        self._ids += 1
        return self._ids

    def _when(self) -> str:
        return self.tick().strftime("%Y-%m-%dT%H:%M:%S.123Z")

    # -- what it says --------------------------------------------------------------------------------------------------
    def answer(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != "Token token=zammad-token":
            return Answer(401, {"error": "Invalid BasicAuth credentials"})
        path = asked.path.removeprefix("/api/v1")
        if path == "/users/me":
            return Answer(body=USERS[7])
        if path == "/organizations":
            page, size = int(asked.query["page"]), int(asked.query["per_page"])
            return Answer(body=list(COMPANIES.values())[(page - 1) * size : page * size])
        if path == "/links":
            return Answer(body={"links": self.links.get(int(asked.query["link_object_value"]), [])})
        if path == "/tickets/search":
            return self._search(asked)
        if path == "/ticket_articles" and asked.method == "POST":
            return self._post(asked)
        if match := re.fullmatch(r"/(users|organizations|tickets|ticket_articles/by_ticket)/(\d+)", path):
            found = {"users": USERS, "organizations": COMPANIES, "tickets": self.tickets}.get(match[1], self.articles)
            known = int(match[2]) in found
            return Answer(body=found[int(match[2])]) if known else Answer(404, {"error": "No such object"})
        if match := re.fullmatch(r"/ticket_attachment/(\d+/\d+/\d+)", path):
            known = match[1] in self.bytes
            return Answer(body=self.bytes[match[1]]) if known else Answer(404, {"error": "No such file"})
        return Answer(404, {"error": "No route matches"})

    def _search(self, asked: Asked) -> Answer:
        assert asked.query["condition[ticket.updated_at][operator]"] == "after (absolute)"
        assert (asked.query["sort_by"], asked.query["order_by"]) == ("updated_at", "asc")
        since = asked.query["condition[ticket.updated_at][value]"]
        found = sorted(self.tickets.values(), key=lambda one: (one["updated_at"], one["id"]))
        fresh = [one for one in found if one["updated_at"] > since]
        page, size = int(asked.query["page"]), int(asked.query["per_page"])
        return Answer(body=fresh[(page - 1) * size : page * size])

    def _post(self, asked: Asked) -> Answer:
        said = asked.said
        if said["ticket_id"] not in self.tickets:
            return Answer(404, {"error": "No such object"})
        more = {name: said[name] for name in ("type", "to") if name in said}
        number = self.say(str(said["ticket_id"]), said["body"], internal=said["internal"], **more)
        return Answer(201, {"id": number})
