"""Legal holds on tickets and organisations."""

from __future__ import annotations

from datetime import date

from domain.disposal import Hold
from domain.errors import NotAllowed, NotFound
from storage import Unit
from web.api.shapes import Instant, Text
from web.spec import Call, Kind, Reply, Route, Shape


class HoldIn(Shape):
    """Why, and when somebody must look at it again."""

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


def hold_out(call: Call, unit: Unit, hold: Hold) -> HoldOut:
    """A hold as the API shows it."""
    return HoldOut(
        id=hold.id,
        on="ticket" if hold.ticket_id is not None else "organisation",
        reason=call.services.holds.open_reason(unit, hold),
        review_on=hold.review_on,
        placed_at=hold.placed_at,
    )


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
    made: list[Route] = []
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
