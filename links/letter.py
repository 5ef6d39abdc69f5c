"""A mail in the outbox: sealed under a secret of the site, since an address and a code are nobody else's business."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from crypto import Secret, open_with_secret, seal_with_secret
from storage import Mail

_LABEL = "letter"


@dataclass(frozen=True, slots=True)
class Letter:
    """One plain-text mail."""

    to: str
    subject: str
    text: str


def seal_letter(secret: Secret, letter: Letter, mail_id: str) -> bytes:
    """What the outbox keeps of a letter, bound to the mail's id."""
    return seal_with_secret(secret, json.dumps(asdict(letter)).encode(), _LABEL, mail_id.encode())


def open_letter(secret: Secret, mail: Mail) -> Letter:
    """The letter in a mail of the outbox, for whoever sends it. Raises WrongContext where it was changed."""
    return Letter(**json.loads(open_with_secret(secret, mail.sealed, _LABEL, mail.id.encode())))
