"""Retention: why a file is still here, what is due, and the purge."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from domain.actor import EVERYTHING, Action
from domain.clock import parse_rfc3339, rfc3339
from domain.disposal import DueItem, KeptPolicy
from domain.errors import AlreadyPurged, BadInput, BrakeApplied, NotAllowed, NotFound, StateConflict
from domain.ids import AttachmentId, PolicyId
from storage import Unit
from web.api.holds import HoldOut, hold_out
from web.api.shapes import Instant, PageQuery
from web.spec import Call, Kind, Reply, Route, Shape


class WhyOut(Shape):
    """Why a file is still here. ``due_at`` null: kept as long as the facts are as they are."""

    attachment: str
    class_: str = Field(serialization_alias="class")
    rule: str
    facts: dict[str, str | None]
    due_at: Instant | None
    held: bool
    holds: list[HoldOut]


class DueQuery(PageQuery):
    """What would be purged at an instant (default: now)."""

    before: Instant | None = None
    held: bool | None = None


class DueOut(Shape):
    """An attachment whose time is up."""

    attachment: str
    ticket: str
    due_at: Instant
    class_: str = Field(serialization_alias="class")
    rule: str
    held: bool


class DuesOut(Shape):
    """A page of what is due, earliest first."""

    due: list[DueOut]
    next_cursor: str | None


class PurgeIn(Shape):
    """``now`` only narrows what is due, outside dry runs; ``confirm`` releases the brake for exactly so many."""

    dry_run: bool = False
    now: Instant | None = None
    confirm: Annotated[int, Field(ge=0)] | None = None


class PurgedOut(Shape):
    """An attachment that is gone."""

    attachment: str
    certificate: str


class FailedOut(Shape):
    """An attachment that could not be erased now."""

    attachment: str
    reason: str


class PurgeOut(Shape):
    """What a run did, or, dry, would do. Lists hold the first 10,000; the numbers are whole."""

    now: Instant
    dry_run: bool
    complete: bool
    due: int
    held: int
    purged: int
    resumed: int
    tickets_erased: int
    items: list[PurgedOut]
    would_purge: list[DueOut]
    kept_by_hold: list[DueOut]
    failed: list[FailedOut]


class ProposalOut(Shape):
    """A policy that waits for a second person: not ``proposed_by``."""

    id: str
    policy: dict[str, Any]
    proposed_by: str | None
    proposed_at: Instant


class PolicyOut(Shape):
    """The retention policy in force, in the words of the configuration. ``followed``: whether it is the configured one;
    where not, that one would bring dates nearer, and nobody confirmed it."""

    in_force: dict[str, Any]
    configured: dict[str, Any]
    followed: bool
    proposal: ProposalOut | None


class ConfirmIn(Shape):
    """Which proposal."""

    proposal: str


def _policy_out(call: Call, unit: Unit) -> PolicyOut:
    policies = call.services.policies
    current, waiting = policies.current(unit), policies.proposal(unit)
    return PolicyOut(
        in_force=json.loads(current.document),
        configured=json.loads(policies.configured.document),
        followed=policies.is_followed(unit),
        proposal=None if waiting is None else _proposal_out(waiting),
    )


def _proposal_out(kept: KeptPolicy) -> ProposalOut:
    return ProposalOut(
        id=kept.id, policy=json.loads(kept.document), proposed_by=kept.proposed_by, proposed_at=kept.proposed_at
    )


def get_policy(call: Call, unit: Unit) -> Reply:
    """``GET /retention/policy``."""
    call.actor.scope(Action.READ_AUDIT)
    return Reply(200, _policy_out(call, unit))


def confirm_policy(call: Call, unit: Unit) -> Reply:
    """``POST /retention/policy/confirm``."""
    said: ConfirmIn = call.body
    call.services.policies.confirm(unit, call.actor, PolicyId(said.proposal))
    return Reply(200, _policy_out(call, unit))


def _due_out(unit: Unit, item: DueItem) -> DueOut:
    ticket = unit.tickets.by_id(item.ticket_id, EVERYTHING)
    return DueOut(
        attachment=item.attachment_id,
        ticket=ticket.ref if ticket is not None else "",
        due_at=item.due_at,
        class_=item.retention_class,
        rule=item.rule,
        held=item.held,
    )


def why(call: Call, unit: Unit) -> Reply:
    """``GET /attachments/{id}/retention``."""
    found = call.services.outlook.find(unit, call.actor, AttachmentId(call.path["id"]))
    return Reply(
        200,
        WhyOut(
            attachment=found.attachment_id,
            class_=found.retention_class,
            rule=found.rule,
            facts=dict(found.facts),
            due_at=found.due_at,
            held=bool(found.holds),
            holds=[hold_out(call, unit, hold) for hold in found.holds],
        ),
    )


def _place(text: str | None) -> tuple[datetime, AttachmentId] | None:
    if text is None:
        return None
    at, _, attachment_id = text.partition(" ")
    try:
        return parse_rfc3339(at), AttachmentId(attachment_id)
    except ValueError as error:
        raise BadInput("This cursor is not one of ours.", field="cursor") from error


def list_due(call: Call, unit: Unit) -> Reply:
    """``GET /retention/due``."""
    query: DueQuery = call.query
    cursors = call.services.cursors
    found = call.services.outlook.due(
        unit,
        call.actor,
        query.before or call.services.clock(),
        after=_place(cursors.read("due", query.cursor)),
        limit=query.limit + 1,
        held=query.held,
    )
    shown, cursor = cursors.page("due", found, query.limit, lambda item: f"{rfc3339(item.due_at)} {item.attachment_id}")
    return Reply(200, DuesOut(due=[_due_out(unit, item) for item in shown], next_cursor=cursor))


def purge(call: Call) -> Reply:
    """``POST /retention/purge``."""
    said: PurgeIn = call.body
    report = call.services.purge.run(call.actor, now=said.now, dry_run=said.dry_run, confirm=said.confirm)
    would, held = call.services.records.read(
        lambda unit: tuple(
            [_due_out(unit, item) for item in items] for items in (report.would_purge, report.kept_by_hold)
        )
    )
    return Reply(
        200,
        PurgeOut(
            now=report.now,
            dry_run=report.dry_run,
            complete=report.complete,
            due=report.due,
            held=report.held,
            purged=report.purged,
            resumed=report.resumed,
            tickets_erased=report.tickets_erased,
            items=[PurgedOut(attachment=one.attachment_id, certificate=one.certificate_id) for one in report.items],
            would_purge=would,
            kept_by_hold=held,
            failed=[FailedOut(attachment=one.attachment_id, reason=one.reason) for one in report.failed],
        ),
    )


def routes() -> list[Route]:
    """The routes of retention."""
    tag = "retention"
    return [
        Route(
            "GET", "/attachments/{id}/retention", "Why this file is still here", why, Kind.READ, {200: WhyOut}, tag,
            problems=(NotAllowed, NotFound, AlreadyPurged),
        ),
        Route(
            "GET", "/retention/due", "What would be purged, why, and when", list_due, Kind.READ, {200: DuesOut}, tag,
            query=DueQuery, problems=(NotAllowed,),
        ),
        Route(
            "POST", "/retention/purge", "One run of the retention job", purge, Kind.THREAD, {200: PurgeOut}, tag,
            body=PurgeIn, problems=(NotAllowed, StateConflict, BrakeApplied),
        ),
        Route(
            "GET", "/retention/policy", "The retention policy in force, and the one that waits for a second person",
            get_policy, Kind.READ, {200: PolicyOut}, tag, problems=(NotAllowed,),
        ),
        Route(
            "POST", "/retention/policy/confirm", "Confirm a proposed retention policy, as another administrator",
            confirm_policy, Kind.WRITE, {200: PolicyOut}, tag, body=ConfirmIn, problems=(NotAllowed, StateConflict),
        ),
    ]  # fmt: skip
