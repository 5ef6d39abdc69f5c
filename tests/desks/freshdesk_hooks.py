"""Freshdesk's automation rules that trigger a webhook: what they send, when they come again, and when they give up."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.desks.freshdesk_account import STATUSES, Account

AGAIN = (timedelta(minutes=5), timedelta(minutes=30), timedelta(minutes=60))


@dataclass(frozen=True)
class Rule:
    """``simple``: fields that were ticked, wrapped, with labels; else ``template``, free text with placeholders."""

    headers: Mapping[str, str]
    simple: bool = False
    template: str = '{"ticket_id":"{{ticket.id}}"}'


@dataclass
class _Due:
    at: datetime
    body: bytes
    tries: int = 0


@dataclass
class Webhooks:
    """One rule of an account. ``post`` sends headers and body, and tells the status. ``mails``: to the admins, of what
    was given up."""

    account: Account
    rule: Rule
    post: Callable[[dict[str, str], bytes], int]
    waiting: list[_Due] = field(default_factory=list)
    mails: int = 0

    def __post_init__(self) -> None:
        self.account.changed.append(self._hear)

    def deliver(self, now: datetime) -> int:
        """Send what is due; how many."""
        due = [one for one in self.waiting if one.at <= now]
        for one in due:
            self.waiting.remove(one)
            headers = {"Content-Type": "application/json", **self.rule.headers}
            if 200 <= self.post(headers, one.body) < 300:
                continue
            if one.tries == len(AGAIN):
                self.mails += 1
                continue
            self.waiting.append(_Due(one.at + AGAIN[one.tries], one.body, one.tries + 1))
        return len(due)

    def _hear(self, event: str, number: int) -> None:
        ticket = self.account.tickets[number]
        body = self._simple(ticket, event) if self.rule.simple else self._filled(ticket)
        self.waiting.append(_Due(self.account.clock(), body.encode()))

    def _simple(self, ticket: dict[str, Any], event: str) -> str:
        told = {
            "ticket_id": ticket["id"],
            "ticket_subject": ticket["subject"],
            "ticket_status": STATUSES[str(ticket["status"])][0],
            "ticket_url": f"https://acme.freshdesk.com/helpdesk/tickets/{ticket['id']}",
            "triggered_event": f"{{ticket_action:{event}}}",
        }
        return json.dumps({"freshdesk_webhook": told})

    def _filled(self, ticket: dict[str, Any]) -> str:
        """Placeholders put in as they are: a quotation mark in a subject breaks the JSON around it."""
        text = self.rule.template
        for name in ("id", "subject", "status", "tags"):
            text = text.replace(f"{{{{ticket.{name}}}}}", str(ticket[name]))
        return text
