"""A Freshdesk account in memory, by the rules of API v2 as its public reference and its users tell them.

Written from the protocol, not from what our connector asks: it knows more than we use, and refuses what Freshdesk does.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from tests.desks.freshdesk_answers import Problem, invalid, when
from tests.desks.freshdesk_people import People

MB = 1_000_000
STATUSES = {
    "2": ["Open", "Being Processed"],
    "3": ["Pending", "Awaiting your Reply"],
    "4": ["Resolved", "This ticket has been Resolved"],
    "5": ["Closed", "This ticket has been Closed"],
    "6": ["Waiting on Customer", "Awaiting your Reply"],
    "7": ["Waiting on Third Party", "Being Processed"],
    "9": ["Parked with the supplier", "Being Processed"],
}


@dataclass
class Stored:
    """A file in the bucket, and where it hangs."""

    id: int
    name: str
    content: bytes
    content_type: str
    ticket: int
    part: int | None
    created_at: datetime
    announced: int | None = None
    """What the API says of its size, where that is not the truth."""
    gone: bool = False


@dataclass
class Happening:
    """Something that took effect: ``download`` (whole), ``note``, ``reply``, ``delete``; ``about`` is a file's id or a
    ticket's. ``number`` orders them."""

    number: int
    kind: str
    about: int
    text: str = ""


@dataclass
class Account(People):
    """Tickets, people, companies and files. Not thread-safe: whoever serves it holds ``lock``."""

    key: str = "a-freshdesk-key"
    calls_a_minute: int = 100_000
    attachments_limit: int = 20 * MB
    address_life: timedelta = timedelta(minutes=5)
    bucket: str = ""
    """What addresses of files begin with."""
    base: str = ""
    conversations: dict[int, dict[str, Any]] = field(default_factory=dict)
    happenings: list[Happening] = field(default_factory=list)
    undeletable: set[int] = field(default_factory=set)
    changed: list[Callable[[str, int], None]] = field(default_factory=list)
    """Told of a ticket's creation and update: automation rules."""
    lock: RLock = field(default_factory=RLock)

    def note_down(self, kind: str, about: int, text: str = "") -> None:
        self.happenings.append(Happening(len(self.happenings), kind, about, text))

    # -- tickets -------------------------------------------------------------------------------------------------------
    def create_ticket(self, given: Mapping[str, Any], files: Sequence[tuple[str, bytes, str]] = ()) -> dict[str, Any]:
        """``POST /tickets``."""
        people = ("requester_id", "email", "phone", "twitter_id", "facebook_id", "unique_external_id")
        if not any(given.get(one) for one in people):
            raise invalid("requester_id", "It should be a/an Positive Integer", "missing_field")
        check_fields(given, TICKET_FIELDS)
        status = choice(given, "status", 2, {int(one) for one in STATUSES})
        priority = choice(given, "priority", 1, {1, 2, 3, 4})
        requester = self.requester_of(given)
        now, number = self.clock(), len(self.tickets) + 1
        ticket = {
            "id": number,
            "subject": given.get("subject"),
            "description": given.get("description") or "<div></div>",
            "description_text": given.get("description") or "",
            "status": status,
            "priority": priority,
            "source": int(given.get("source") or 2),
            "type": given.get("type"),
            "requester_id": requester["id"],
            "responder_id": None,
            "group_id": None,
            "product_id": None,
            "email_config_id": None,
            "company_id": given.get("company_id") or requester.get("company_id"),
            "tags": list(given.get("tags") or []),
            "cc_emails": list(given.get("cc_emails") or []),
            "fwd_emails": [],
            "reply_cc_emails": list(given.get("cc_emails") or []),
            "to_emails": None,
            "custom_fields": dict(given.get("custom_fields") or {}),
            "spam": False,
            "deleted": False,
            "is_escalated": False,
            "fr_escalated": False,
            "due_by": now + timedelta(days=3),
            "fr_due_by": now + timedelta(days=1),
            "created_at": now,
            "updated_at": now,
            "stats": dict.fromkeys(STATS),
        }
        ticket["stats"]["status_updated_at"] = now
        self.check_sizes(files)
        self.tickets[number] = ticket
        self.attach(files, number, None)
        self.tell("created", number)
        return ticket

    def update_ticket(self, number: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """``PUT /tickets/{id}``."""
        ticket = self.ticket(number)
        check_fields(given, TICKET_FIELDS)
        if ticket["source"] == 10 and {"subject", "description"} & set(given):
            raise invalid("subject", "Cannot update subject/description of an outbound ticket", "invalid_field")
        status = choice(given, "status", ticket["status"], {int(one) for one in STATUSES})
        choice(given, "priority", ticket["priority"], {1, 2, 3, 4})
        now = self.clock()
        if status != ticket["status"]:
            ticket["stats"]["status_updated_at"] = now
            ticket["stats"]["resolved_at"] = now if status in {4, 5} else None
            ticket["stats"]["closed_at"] = now if status == 5 else None
        for name, value in given.items():
            ticket[name] = {**ticket["custom_fields"], **value} if name == "custom_fields" else value
        self.touch(ticket)
        self.tell("updated", number)
        return ticket

    def ticket(self, number: int, *, trashed: bool = True) -> dict[str, Any]:
        found = self.tickets.get(number)
        if found is None or (found["deleted"] and not trashed):
            raise Problem(404)
        return found

    def delete_ticket(self, number: int) -> None:
        """Into the trash: no automation rule hears of it."""
        ticket = self.ticket(number, trashed=False)
        ticket["deleted"] = True
        self.touch(ticket)

    def restore_ticket(self, number: int) -> None:
        ticket = self.ticket(number)
        ticket["deleted"] = False
        self.touch(ticket)

    def merge(self, given: Mapping[str, Any]) -> None:
        """Secondary tickets close; what was said in them, and their files, go over to the primary one."""
        primary = self.ticket(int(given.get("primary_id") or 0), trashed=False)
        for number in given.get("ticket_ids") or []:
            other = self.ticket(int(number), trashed=False)
            moved = self.note(primary, {"body": f"Ticket #{number} is merged into this one", "private": True})
            for one in self.files.values():
                if one.ticket == number and one.part is None:
                    one.ticket, one.part = primary["id"], moved["id"]
            self.update_ticket(int(number), {"status": 5})
            self.note(other, {"body": f"This ticket is closed and merged into #{primary['id']}", "private": True})
        self.touch(primary)

    def tell(self, event: str, number: int) -> None:
        for one in self.changed:
            one(event, number)

    def touch(self, ticket: dict[str, Any]) -> None:
        ticket["updated_at"] = max(self.clock(), ticket["updated_at"])

    # -- what is said --------------------------------------------------------------------------------------------------
    def note(self, ticket: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """``POST /tickets/{id}/notes``."""
        return self.say(ticket, given, private=bool(given.get("private", True)), source=2)

    def reply(self, ticket: dict[str, Any], given: Mapping[str, Any], files: Any = ()) -> dict[str, Any]:
        """``POST /tickets/{id}/reply``: to the customer."""
        now = self.clock()
        ticket["stats"]["agent_responded_at"] = now
        ticket["stats"]["first_responded_at"] = ticket["stats"]["first_responded_at"] or now
        return self.say(ticket, given, private=False, source=0, files=files)

    def mail_from_requester(self, number: int, body: str, files: Any = ()) -> dict[str, Any]:
        """The requester answers by mail."""
        ticket = self.ticket(number)
        ticket["stats"]["requester_responded_at"] = self.clock()
        said = self.say(ticket, {"body": body}, private=False, source=0, files=files, incoming=True)
        self.tell("updated", number)
        return said

    def say(
        self,
        ticket: dict[str, Any],
        given: Mapping[str, Any],
        *,
        private: bool,
        source: int,
        files: Sequence[tuple[str, bytes, str]] = (),
        incoming: bool = False,
    ) -> dict[str, Any]:
        if not given.get("body"):
            raise invalid("body", "It should be a/an String", "missing_field")
        self.check_sizes(files)
        now = self.clock()
        said = {
            "id": self.new_id(),
            "ticket_id": ticket["id"],
            "body": given["body"],
            "body_text": given["body"],
            "incoming": incoming,
            "private": private,
            "user_id": given.get("user_id") or 1,
            "support_email": None,
            "source": source,
            "from_email": None,
            "to_emails": list(given.get("notify_emails") or []),
            "cc_emails": [],
            "bcc_emails": [],
            "created_at": now,
            "updated_at": now,
            "last_edited_at": None,
        }
        self.conversations[said["id"]] = said
        self.attach(files, ticket["id"], said["id"])
        self.touch(ticket)
        self.note_down("note" if private else "reply", ticket["id"], given["body"])
        return said

    def conversation(self, number: int) -> dict[str, Any]:
        found = self.conversations.get(number)
        if found is None:
            raise Problem(404)
        return found

    def said_in(self, number: int) -> list[dict[str, Any]]:
        return [one for one in self.conversations.values() if one["ticket_id"] == number]

    # -- files ---------------------------------------------------------------------------------------------------------
    def check_sizes(self, files: Sequence[tuple[str, bytes, str]]) -> None:
        if sum(len(content) for _, content, _ in files) > self.attachments_limit:
            raise invalid("attachments", "The total size of attachments exceeds the limit", "invalid_value")

    def attach(self, files: Sequence[tuple[str, bytes, str]], ticket: int, part: int | None) -> list[int]:
        made = []
        for name, content, content_type in files:
            one = Stored(self.new_id(), name, content, content_type, ticket, part, self.clock())
            self.files[one.id] = one
            made.append(one.id)
        return made

    def delete_file(self, number: int) -> None:
        """``DELETE /attachments/{id}``: the bucket's object goes with it."""
        found = self.files.get(number)
        if found is None or found.gone:
            raise Problem(404)
        if number in self.undeletable:
            raise Problem(403, {"code": "access_denied", "message": "You are not authorized to perform this action."})
        found.gone = True
        self.note_down("delete", number)

    def files_of(self, ticket: int, part: int | None) -> list[dict[str, Any]]:
        here = [one for one in self.files.values() if (one.ticket, one.part) == (ticket, part) and not one.gone]
        return [
            {
                "id": one.id,
                "content_type": one.content_type,
                "size": len(one.content) if one.announced is None else one.announced,
                "name": one.name,
                "attachment_url": self.signed_address(one),
                "created_at": when(one.created_at),
                "updated_at": when(one.created_at),
            }
            for one in here
        ]

    def signed_address(self, file: Stored) -> str:
        """As S3 signs one: it opens for whoever has it, until its time is over."""
        path = f"/data/helpdesk/attachments/production/{file.id}/original/{quote(file.name, safe='', errors='replace')}"
        date = self.clock().strftime("%Y%m%dT%H%M%SZ")
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Date": date,
            "X-Amz-Expires": str(int(self.address_life.total_seconds())),
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Signature": self.signature(path, date),
        }
        return f"{self.bucket}{path}?{urlencode(query)}"

    def signature(self, path: str, date: str) -> str:
        return hmac.digest(self.key.encode(), f"{path} {date}".encode(), "sha256").hex()

    def opened_address(self, target: str, *, authorised: bool) -> Stored:
        """What S3 gives for an address. Raises Problem."""
        if authorised:
            raise Problem(400, "InvalidArgument: Only one auth mechanism allowed")
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        date = query.get("X-Amz-Date", "")
        if not hmac.compare_digest(query.get("X-Amz-Signature", ""), self.signature(parts.path, date)):
            raise Problem(403, "SignatureDoesNotMatch")
        signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if self.clock() > signed_at + timedelta(seconds=int(query["X-Amz-Expires"])):
            raise Problem(403, "AccessDenied: Request has expired")
        file = self.files[int(parts.path.split("/")[5])]
        if file.gone:
            raise Problem(404, "NoSuchKey")
        return file


STATS = (
    "agent_responded_at", "requester_responded_at", "first_responded_at", "status_updated_at", "reopened_at",
    "resolved_at", "closed_at", "pending_since",
)  # fmt: skip
TICKET_FIELDS = {
    "name", "requester_id", "email", "phone", "twitter_id", "facebook_id", "unique_external_id", "subject", "type",
    "status", "priority", "description", "responder_id", "cc_emails", "custom_fields", "due_by", "email_config_id",
    "fr_due_by", "group_id", "product_id", "source", "tags", "company_id", "attachments",
}  # fmt: skip


def check_fields(given: Mapping[str, Any], allowed: set[str]) -> None:
    for name in given:
        if name not in allowed:
            raise invalid(name, "Unexpected/invalid field in request", "invalid_field")


def choice(given: Mapping[str, Any], name: str, otherwise: int, allowed: set[int]) -> int:
    """A number out of a list."""
    value = given.get(name, otherwise)
    if isinstance(value, str) and value.isdigit():  # forms bring text
        value = int(value)
    if not isinstance(value, int):
        raise invalid(name, "Value set is of type String. It should be a/an Integer", "datatype_mismatch")
    if value not in allowed:
        raise invalid(name, f"It should be one of these values: {sorted(allowed)}", "invalid_value")
    return value
