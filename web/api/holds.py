"""Legal holds on tickets and organisations."""

from __future__ import annotations

from datetime import date

from domain.actor import EVERYTHING
from domain.disposal import Hold
from domain.errors import BadInput, NotAllowed, NotFound
from domain.ids import HoldId
from storage import Unit
from web.api.shapes import Instant, PageQuery, Text
from web.spec import Call, Kind, Reply, Route, Shape


class HoldIn(Shape):
    """Why, and when somebody must look at it again; the site's own time from now where no day is given."""

    reason: Text
    review_on: date | None = None


class ReleaseIn(Shape):
    """Why the hold ends."""

    reason: Text | None = None


class HoldOut(Shape):
    """A hold in force."""

    id: str
    on: str
    reason: str | None
    review_on: date | None
    placed_at: Instant


class HoldsQuery(PageQuery):
    """Which holds: all in force, or those whose day of review is before another."""

    review_before: date | None = None


class ListedHoldOut(HoldOut):
    """A hold in force, and what it is on. ``overdue``: its day of review has passed; it keeps what it keeps."""

    ref: str
    overdue: bool


class HoldsOut(Shape):
    """A page of holds, those to be looked at soonest first."""

    holds: list[ListedHoldOut]
    next_cursor: str | None


def hold_out(call: Call, unit: Unit, hold: Hold) -> HoldOut:
    """A hold as the API shows it."""
    return HoldOut(
        id=hold.id,
        on="ticket" if hold.ticket_id is not None else "organisation",
        reason=call.services.holds.open_reason(unit, hold),
        review_on=hold.review_on,
        placed_at=hold.placed_at,
    )


def _listed(call: Call, unit: Unit, hold: Hold) -> ListedHoldOut:
    ticket = None if hold.ticket_id is None else unit.tickets.by_id(hold.ticket_id, EVERYTHING)
    held = hold.organisation_id
    organisation = None if held is None else unit.organisations.by_id(held, EVERYTHING)
    on = ticket or organisation
    return ListedHoldOut(
        **hold_out(call, unit, hold).model_dump(),
        ref="" if on is None else on.ref,
        overdue=hold.review_on is not None and hold.review_on < call.services.holds.today(),
    )


def _place(text: str | None) -> tuple[date, HoldId] | None:
    if text is None:
        return None
    day, _, hold_id = text.partition(" ")
    try:
        return date.fromisoformat(day), HoldId(hold_id)
    except ValueError as error:
        raise BadInput("This cursor is not one of ours.", field="cursor") from error


def list_holds(call: Call, unit: Unit) -> Reply:
    """``GET /holds``."""
    query: HoldsQuery = call.query
    cursors = call.services.cursors
    after = _place(cursors.read("holds", query.cursor))
    found = call.services.holds.page(
        unit, call.actor, review_before=query.review_before, after=after, limit=query.limit + 1
    )
    shown, cursor = cursors.page("holds", found, query.limit, lambda hold: f"{hold.review_on} {hold.id}")
    return Reply(200, HoldsOut(holds=[_listed(call, unit, hold) for hold in shown], next_cursor=cursor))


def place_on_ticket(call: Call, unit: Unit) -> Reply:
    """``PUT /tickets/{ref}/hold``."""
    said: HoldIn = call.body
    placed = call.services.holds.place_on_ticket(unit, call.actor, call.path["ref"], said.reason, said.review_on)
    return Reply(201 if placed.created else 200, hold_out(call, unit, placed.hold))


def release_from_ticket(call: Call, unit: Unit) -> Reply:
    """``DELETE /tickets/{ref}/hold``."""
    said: ReleaseIn = call.body
    call.services.holds.release_from_ticket(unit, call.actor, call.path["ref"], said.reason)
    return Reply(204)


def place_on_organisation(call: Call, unit: Unit) -> Reply:
    """``PUT /organisations/{ref}/hold``."""
    said: HoldIn = call.body
    placed = call.services.holds.place_on_organisation(unit, call.actor, call.path["ref"], said.reason, said.review_on)
    return Reply(201 if placed.created else 200, hold_out(call, unit, placed.hold))


def release_from_organisation(call: Call, unit: Unit) -> Reply:
    """``DELETE /organisations/{ref}/hold``."""
    said: ReleaseIn = call.body
    call.services.holds.release_from_organisation(unit, call.actor, call.path["ref"], said.reason)
    return Reply(204)


def routes() -> list[Route]:
    """The routes of holds."""
    refused = (NotAllowed, NotFound)
    shown = {200: HoldOut, 201: HoldOut}
    made: list[Route] = [
        Route(
            "GET",
            "/holds",
            "Holds in force, and those whose review has passed",
            list_holds,
            Kind.READ,
            {200: HoldsOut},
            "holds",
            query=HoldsQuery,
            problems=(NotAllowed,),
        )
    ]
    for what, place, release in (
        ("tickets", place_on_ticket, release_from_ticket),
        ("organisations", place_on_organisation, release_from_organisation),
    ):
        path, name = f"/{what}/{{ref}}/hold", what.removesuffix("s")
        made += [
            Route(
                "PUT",
                path,
                f"Place a legal hold on one {name}",
                place,
                Kind.WRITE,
                shown,
                "holds",
                HoldIn,
                problems=refused,
            ),
            Route(
                "DELETE",
                path,
                f"Release the hold of one {name}",
                release,
                Kind.WRITE,
                {204: None},
                "holds",
                ReleaseIn,
                problems=refused,
            ),
        ]
    return made
