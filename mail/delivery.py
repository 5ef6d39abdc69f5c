"""A mail's way in: its files kept, what is left of it handed on, and only then a yes.

Idempotent by the message's digest and its ticket: a message that comes again after a crash reuses the files that are
there, and is handed on again only where that was not noted. Between the next hop's yes and our note lies the one window
in which a crash hands a message on twice, with the same ``Message-ID``.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

from audit import Log
from domain.actor import EVERYTHING, SYSTEM, Actor, Role
from domain.attachment import Source
from domain.clock import Clock
from domain.errors import BilagaError, IncompleteBody, QuotaExceeded, TooLarge, TooMany, Unavailable
from domain.event import Event, EventKind
from domain.ids import AttachmentId, TicketId
from domain.mail import MailPart, MailState
from domain.ticket import Ticket
from keys import ATTACHMENT, Keys
from mail.addresses import MailAddresses
from mail.head import NAME_MAX
from mail.raw import RawMessage
from mail.relay import Relay
from mail.replies import LATER, TAKEN, Refusal, reply_to
from mail.slim import LOOP_FIELD, Link, slim
from mail.splitting import Rules, Split, Splitting
from storage import Records, Unit
from transfer import Claim, Incoming, Reception, Sealed, Steps

log = logging.getLogger(__name__)
REMEMBERED = timedelta(days=14)
"""How long a mail is known again: longer than any server keeps trying (RFC 5321, section 4.5.4.1: 4 to 5 days)."""


@dataclass(frozen=True, slots=True)
class Onward:
    """Where messages go: the next hop, and its address for a ticket, in which ``{ref}`` stands for the reference."""

    relay: Relay
    to: str
    public_url: str
    loop: str
    """What tells our own messages, should they come back."""


class _KeptMeanwhile(Exception):
    """The same message was kept by somebody else between our look and our commit."""


class _Files:
    """The files of one message on their way in."""

    def __init__(self, reception: Reception, incoming: Incoming) -> None:
        self._reception = reception
        self._incoming = incoming
        self.claims: list[Claim] = []
        self.sealed: dict[int, Sealed] = {}
        self.no_room: set[int] = set()
        self._error: BilagaError | None = None

    def keep(self, part: int, name: str, chunks: Iterable[bytes]) -> None:
        """One more, by the one way in (S-93). Raises what that raises; but where there is no room for it, it is only
        read to its end: it may be of a message that comes again, and take up that room itself."""
        if not self.no_room:
            try:
                self._seal(part, name, chunks)
                return
            except (QuotaExceeded, TooMany) as error:
                self._error = error
        for _ in chunks:
            pass
        self.no_room.add(part)

    def check_room(self, there: Container[int]) -> None:
        """Raises QuotaExceeded, TooMany where a part found no room, and is not there already."""
        if self._error is not None and any(part not in there for part in self.no_room):
            raise self._error

    def _seal(self, part: int, name: str, chunks: Iterable[bytes]) -> None:
        short = name.encode(errors="replace")[:NAME_MAX].decode(errors="ignore")
        claim = self._reception.claim(self._incoming, short, None)
        self.claims.append(claim)
        self.sealed[part] = self._reception.seal(claim, chunks)


class Delivering:
    """Delivers mails. Safe to use from any thread; each mail is one thread's."""

    def __init__(
        self,
        records: Records,
        keys: Keys,
        journal: Log,
        clock: Clock,
        *,
        reception: Reception,
        addresses: MailAddresses,
        rules: Rules,
        onward: Onward,
        steps: Steps,
        count: Callable[[str], None],
    ) -> None:
        """``count`` is told the outcome of each mail: ``relayed``, ``again``, ``refused``, ``put-off``, ``cut``."""
        self._records = records
        self._keys = keys
        self._log = journal
        self._clock = clock
        self._reception = reception
        self._addresses = addresses
        self._rules = rules
        self._onward = onward
        self._steps = steps
        self._count = count
        self._lock = threading.Lock()
        self._under_way: set[tuple[bytes, TicketId]] = set()

    def find(self, address: str) -> Ticket | None:
        """The ticket that an envelope's address means. Raises Unavailable."""
        return self._records.read(lambda unit: self._addresses.find(unit, address))

    def take(self, sender: str, ticket: Ticket, chunks: Iterable[bytes]) -> str:
        """Take one message for a ticket: the reply. ``sender``: of the envelope, empty for none.

        Never raises but IncompleteBody, where nobody is left to reply to.
        """
        coming = iter(chunks)
        try:
            return self._take(sender, ticket, coming)
        except IncompleteBody:
            self._count("cut")
            raise
        except Refusal as refusal:
            reply = refusal.reply
        except BilagaError as error:
            reply = reply_to(error)
        except Exception:
            # A fault of ours is no reason to lose a message: it stays where it is, and comes again.
            log.exception("mail failed unforeseen", extra={"ticket_id": ticket.id})
            reply = LATER
        with suppress(TooLarge):
            for _ in coming:  # the sender reads the reply when all of it is sent
                pass
        refused = reply.startswith("5")
        self._count("refused" if refused else "put-off")
        log.log(
            logging.INFO if refused else logging.WARNING,
            "mail refused" if refused else "mail put off",
            extra={"ticket_id": ticket.id, "reply": reply[:9]},
        )
        return reply

    # -- one message -------------------------------------------------------------------------------------------------
    def _take(self, sender: str, ticket: Ticket, chunks: Iterator[bytes]) -> str:
        actor = Actor(Role.REQUESTER, ticket_id=ticket.id)
        files = _Files(self._reception, Incoming(actor, ticket.id, Source.MAIL))
        raw = RawMessage(chunks)
        try:
            split = Splitting(raw, self._rules, files.keep, loop=(LOOP_FIELD, self._onward.loop)).run()
            with self._alone(raw.digest, ticket.id):
                return self._deliver(sender, ticket, raw.digest, split, files)
        except BaseException as error:
            self._reception.abandon(files.claims, error)
            raise

    @contextmanager
    def _alone(self, digest: bytes, ticket_id: TicketId) -> Iterator[None]:
        """One at a time here of what comes twice at once, as where a sender lost patience."""
        with self._lock:
            if (digest, ticket_id) in self._under_way:
                raise Unavailable("the same message is under way")
            self._under_way.add((digest, ticket_id))
        try:
            yield
        finally:
            with self._lock:
                self._under_way.discard((digest, ticket_id))

    def _deliver(self, sender: str, ticket: Ticket, digest: bytes, split: Split, files: _Files) -> str:
        known = self._find(digest, ticket)
        if known and known[0].state is MailState.RELAYED:
            self._reception.abandon(files.claims)
            self._count("again")
            log.info("mail came again", extra={"ticket_id": ticket.id})
            return TAKEN
        kept = self._keep(ticket, digest, files, known)
        message = slim(split, self._links(kept), self._ticket_url(ticket), self._onward.loop)
        self._steps("mail kept")
        self._onward.relay.send(sender, self._onward.to.replace("{ref}", quote(ticket.ref, safe="-_.")), message)
        self._steps("mail relayed")
        try:
            self._records.write(lambda unit: self._note(unit, digest, ticket, len(kept)))
        except BilagaError as error:
            # It is kept and handed on: to say no now would only make it come, and go on, once more.
            log.warning("mail not noted", extra={"ticket_id": ticket.id, "code": error.code})
        self._count("relayed")
        log.info("mail relayed", extra={"ticket_id": ticket.id, "files": len(kept)})
        return TAKEN

    def _find(self, digest: bytes, ticket: Ticket) -> list[MailPart]:
        return list(self._records.read(lambda unit: unit.mail_deliveries.find(digest, ticket.id)))

    def _keep(self, ticket: Ticket, digest: bytes, files: _Files, known: list[MailPart]) -> list[AttachmentId]:
        """The attachments of the message, those that are there already and those that are new, committed at once."""
        there = {one.part: one.attachment_id for one in known if one.attachment_id is not None}
        files.check_room(there)
        new = {part: sealed for part, sealed in files.sealed.items() if part not in there}
        wanted = [sealed.claim for sealed in new.values()]
        self._reception.abandon(claim for claim in files.claims if claim not in wanted)
        if new:
            try:
                self._reception.finish(
                    list(new.values()), then=lambda unit, _: self._remember(unit, digest, ticket, new, known)
                )
            except _KeptMeanwhile as error:
                raise Unavailable("the same message is under way") from error
        there |= {part: sealed.claim.attachment_id for part, sealed in new.items()}
        return [there[part] for part in sorted(there)]

    def _remember(
        self, unit: Unit, digest: bytes, ticket: Ticket, new: dict[int, Sealed], known: list[MailPart]
    ) -> None:
        now = self._clock()
        if len(unit.mail_deliveries.find(digest, ticket.id)) != len(known):
            raise _KeptMeanwhile
        ids: dict[int, AttachmentId | None] = {} if known else {0: None}
        ids |= {part: sealed.claim.attachment_id for part, sealed in new.items()}
        unit.mail_deliveries.add(
            [MailPart(digest, ticket.id, part, one, MailState.KEPT, now, None) for part, one in ids.items()]
        )

    def _note(self, unit: Unit, digest: bytes, ticket: Ticket, files: int) -> None:
        now = self._clock()
        if not unit.mail_deliveries.find(digest, ticket.id):
            unit.mail_deliveries.add([MailPart(digest, ticket.id, 0, None, MailState.RELAYED, now, now)])
        else:
            unit.mail_deliveries.mark_relayed(digest, ticket.id, at=now)
        self._log.append(unit, Event(EventKind.MAIL_RELAYED, SYSTEM, ticket.id, {"files": files}))

    # -- links -------------------------------------------------------------------------------------------------------
    def _links(self, kept: list[AttachmentId]) -> list[Link]:
        """What the desk is told. A file that was erased meanwhile has no name any more."""
        from_records = self._records.read(lambda unit: [self._link(unit, one) for one in kept])
        return [link for link in from_records if link is not None]

    def _link(self, unit: Unit, attachment_id: AttachmentId) -> Link | None:
        row = unit.attachments.get(attachment_id, EVERYTHING)
        if row is None or row.name_sealed is None:
            return None
        name = self._keys.open_text(unit, row.id, ATTACHMENT, "name", row.name_sealed)
        url = f"{self._onward.public_url}/agent/attachments/{attachment_id}/content"
        return None if name is None else Link(name, row.size or 0, url)

    def _ticket_url(self, ticket: Ticket) -> str:
        return f"{self._onward.public_url}/agent/tickets/{quote(ticket.ref, safe='')}"
