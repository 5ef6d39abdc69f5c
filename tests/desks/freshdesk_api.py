"""Freshdesk's API v2: what each call reads, does to an account, and answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.desks.freshdesk_account import STATUSES, Account
from tests.desks.freshdesk_answers import Problem, instant, invalid

API = "/api/v2"


class Call:
    """One call of the API."""

    def __init__(self, account: Account, method: str, target: str, content_type: str, body: bytes) -> None:
        parts = urlsplit(target)
        self.account, self.method, self.path = account, method, parts.path
        self.query = dict(parse_qsl(parts.query))
        self.type = content_type
        self.body = body

    def answer(self) -> tuple[int, Any, dict[str, str]]:
        for pattern, methods in _ROUTES:
            match = re.fullmatch(API + pattern, self.path)
            if match:
                if self.method not in methods:
                    raise Problem(405, None, {"Allow": ", ".join(methods)})
                found = methods[self.method](self, *map(int, match.groups()))
                return (*found, {})[:3] if isinstance(found, tuple) else (200, found, {})
        raise Problem(404)

    # -- reading what was sent -----------------------------------------------------------------------------------------
    def given(self) -> dict[str, Any]:
        return self.sent()[0]

    def sent(self) -> tuple[dict[str, Any], list[tuple[str, bytes, str]]]:
        """Fields and files."""
        if self.type.startswith("application/json"):
            try:
                found = json.loads(self.body or b"{}")
            except ValueError as error:
                raise Problem(
                    400, {"code": "invalid_json", "message": "Request body has invalid json format"}
                ) from error
            return found, []
        if not self.type.startswith("multipart/form-data"):
            raise Problem(415, {"code": "invalid_content_type", "message": "Content-Type is not supported"})
        parsed = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {self.type}\r\n\r\n".encode() + self.body)
        fields: dict[str, Any] = {}
        files = []
        for part in parsed.iter_parts():
            name = str(part.get_param("name", header="content-disposition"))
            content: Any = part.get_payload(decode=True)  # bytes, of a part that has no parts
            if part.get_filename() is not None:
                if name != "attachments[]":
                    raise invalid(name, "Unexpected/invalid field in request", "invalid_field")
                files.append((part.get_filename(), content, part.get_content_type()))
            elif name.endswith("[]"):
                fields.setdefault(name[:-2], []).append(content.decode())
            elif inner := re.fullmatch(r"custom_fields\[(\w+)\]", name):
                fields.setdefault("custom_fields", {})[inner[1]] = content.decode()
            else:
                fields[name] = content.decode()
        return fields, files

    def page_of(self, items: list[Any], *, per_page: int = 30) -> tuple[int, list[Any], dict[str, str]]:
        """A page, and the link to the next one."""
        size, page = _number(self.query, "per_page", per_page, 100), _number(self.query, "page", 1, 300)
        more = len(items) > page * size
        following = urlencode({**self.query, "page": page + 1})
        link = {"Link": f'<{self.account.base}{self.path}?{following}>; rel="next"'} if more else {}
        return 200, items[(page - 1) * size : page * size], link

    # -- tickets -------------------------------------------------------------------------------------------------------
    def list_tickets(self) -> Any:
        query, account = self.query, self.account
        which = query.get("filter")
        if which not in {None, "new_and_my_open", "watching", "spam", "deleted"}:
            raise invalid("filter", "It should be one of these values: new_and_my_open,…", "invalid_value")
        found = [
            one
            for one in account.tickets.values()
            if (one["deleted"], one["spam"])
            == {"deleted": (True, one["spam"]), "spam": (False, True)}.get(which or "", (False, False))
        ]
        if "updated_since" in query:
            since = instant(query["updated_since"])
            found = [one for one in found if one["updated_at"].replace(microsecond=0) >= since]
        else:  # the trap: what is older than 30 days is left out in silence
            month = account.clock().timestamp() - 30 * 86400
            found = [one for one in found if one["created_at"].timestamp() >= month]
        if "company_id" in query:
            found = [one for one in found if str(one["company_id"]) == query["company_id"]]
        order = query.get("order_by", "created_at")
        if order not in {"created_at", "due_by", "updated_at", "status"}:
            raise invalid("order_by", "It should be one of these values: …", "invalid_value")
        found.sort(key=lambda one: (one[order], one["id"]), reverse=query.get("order_type", "desc") == "desc")
        status, page, link = self.page_of(found)
        include = query.get("include", "").split(",")
        return status, [self.shown(one, include, listed=True) for one in page], link

    def shown(self, ticket: dict[str, Any], include: list[str], *, listed: bool = False) -> dict[str, Any]:
        account = self.account
        shown = {name: value for name, value in ticket.items() if name not in {"stats", "deleted"}}
        if ticket["deleted"]:
            shown["deleted"] = True
        if listed:
            del shown["description"], shown["description_text"]
        else:
            shown["attachments"] = account.files_of(ticket["id"], None)
        if "stats" in include:
            shown["stats"] = ticket["stats"]
        if "requester" in include:
            contact = account.contacts.get(ticket["requester_id"], {})
            shown["requester"] = {name: contact.get(name) for name in ("id", "name", "email", "mobile", "phone")}
        if "company" in include and not listed:
            company = account.companies.get(ticket["company_id"])
            shown["company"] = {name: company[name] for name in ("id", "name")} if company else {}
        if "conversations" in include and not listed:
            shown["conversations"] = [self.spoken(one) for one in account.said_in(ticket["id"])[:10]]
        return shown

    def get_ticket(self, number: int) -> Any:
        return self.shown(self.account.ticket(number), self.query.get("include", "").split(","))

    def post_ticket(self) -> Any:
        return 201, self.shown(self.account.create_ticket(*self.sent()), [])

    def put_ticket(self, number: int) -> Any:
        return self.shown(self.account.update_ticket(number, self.given()), [])

    def delete_ticket(self, number: int) -> Any:
        self.account.delete_ticket(number)
        return 204, None

    def put_restore(self, number: int) -> Any:
        self.account.restore_ticket(number)
        return 204, None

    def put_merge(self) -> Any:
        self.account.merge(self.given())
        return 204, None

    def bulk_delete(self) -> Any:
        for number in self.given()["bulk_action"]["ids"]:
            self.account.delete_ticket(number)
        job = f"{self.account.new_id():x}"
        return 202, {"job_id": job, "href": f"{self.account.base}{API}/jobs/{job}"}

    # -- what is said --------------------------------------------------------------------------------------------------
    def spoken(self, said: dict[str, Any]) -> dict[str, Any]:
        return {**said, "attachments": self.account.files_of(said["ticket_id"], said["id"])}

    def list_conversations(self, number: int) -> Any:
        self.account.ticket(number)
        status, page, link = self.page_of(self.account.said_in(number))
        return status, [self.spoken(one) for one in page], link

    def post_note(self, number: int) -> Any:
        given, _ = self.sent()
        return 201, self.spoken(self.account.note(self.account.ticket(number, trashed=False), given))

    def post_reply(self, number: int) -> Any:
        return 201, self.spoken(self.account.reply(self.account.ticket(number, trashed=False), *self.sent()))

    def put_conversation(self, number: int) -> Any:
        said = self.account.conversation(number)
        said["body"] = said["body_text"] = self.given()["body"]
        return self.spoken(said)

    def delete_conversation(self, number: int) -> Any:
        self.account.conversation(number)
        return 204, self.account.conversations.pop(number) and None

    def delete_attachment(self, number: int) -> Any:
        self.account.delete_file(number)
        return 204, None

    # -- people, companies, fields -------------------------------------------------------------------------------------
    def list_contacts(self) -> Any:
        email = self.query.get("email")
        return self.page_of([one for one in self.account.contacts.values() if email in {None, one["email"]}])

    def post_contact(self) -> Any:
        return 201, self.account.create_contact(self.given())

    def get_contact(self, number: int) -> Any:
        return _found(self.account.contacts, number)

    def delete_contact(self, number: int) -> Any:
        self.account.delete_contact(number, hard=False)
        return 204, None

    def hard_delete(self, number: int) -> Any:
        self.account.delete_contact(number, hard=True, force=self.query.get("force") in {"true", "True"})
        return 204, None

    def list_companies(self) -> Any:
        return self.page_of(list(self.account.companies.values()))

    def post_company(self) -> Any:
        return 201, self.account.create_company(self.given())

    def get_company(self, number: int) -> Any:
        return _found(self.account.companies, number)

    def put_company(self, number: int) -> Any:
        company = _found(self.account.companies, number)
        company.update(self.given(), updated_at=self.account.clock())
        return company

    def ticket_fields(self) -> Any:
        now = self.account.clock()
        status = {"id": 1, "name": "status", "label": "Status", "description": "", "type": "default_status",
                  "default": True, "choices": STATUSES, "created_at": now, "updated_at": now}  # fmt: skip
        return [status]

    def company_fields(self) -> Any:
        names = {"renewal_date": "default_renewal_date"}
        for company in self.account.companies.values():
            names |= dict.fromkeys(company["custom_fields"], "custom_text")
        return [{"id": n, "name": name, "label": name, "type": kind} for n, (name, kind) in enumerate(names.items())]

    def me(self) -> Any:
        now = self.account.clock()
        contact = {"name": "Bilaga", "email": "bilaga@example.com", "active": True}
        return {"id": 1, "contact": contact, "type": "support_agent", "created_at": now, "updated_at": now}


def _number(query: dict[str, str], name: str, otherwise: int, most: int) -> int:
    text = query.get(name, str(otherwise))
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise invalid(name, f"It should be a Positive Integer less than or equal to {most}", "invalid_value")
    return int(text)


def _found(items: dict[int, Any], number: int) -> Any:
    if number not in items:
        raise Problem(404)
    return items[number]


_N = r"/(\d+)"
_ROUTES: list[tuple[str, dict[str, Callable[..., Any]]]] = [
    ("/tickets", {"GET": Call.list_tickets, "POST": Call.post_ticket}),
    ("/tickets/merge", {"PUT": Call.put_merge}),
    ("/tickets/bulk_delete", {"POST": Call.bulk_delete}),
    (f"/tickets{_N}", {"GET": Call.get_ticket, "PUT": Call.put_ticket, "DELETE": Call.delete_ticket}),
    (f"/tickets{_N}/restore", {"PUT": Call.put_restore}),
    (f"/tickets{_N}/conversations", {"GET": Call.list_conversations}),
    (f"/tickets{_N}/notes", {"POST": Call.post_note}),
    (f"/tickets{_N}/reply", {"POST": Call.post_reply}),
    (f"/conversations{_N}", {"PUT": Call.put_conversation, "DELETE": Call.delete_conversation}),
    (f"/attachments{_N}", {"DELETE": Call.delete_attachment}),
    ("/contacts", {"GET": Call.list_contacts, "POST": Call.post_contact}),
    (f"/contacts{_N}", {"GET": Call.get_contact, "DELETE": Call.delete_contact}),
    (f"/contacts{_N}/hard_delete", {"DELETE": Call.hard_delete}),
    ("/companies", {"GET": Call.list_companies, "POST": Call.post_company}),
    (f"/companies{_N}", {"GET": Call.get_company, "PUT": Call.put_company}),
    ("/ticket_fields", {"GET": Call.ticket_fields}),
    ("/company_fields", {"GET": Call.company_fields}),
    ("/agents/me", {"GET": Call.me}),
]
