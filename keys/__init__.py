"""The data keys of all owners, and the rotation of what wraps them."""

from keys.owners import ATTACHMENT, ORGANISATION, TICKET, Keys

__all__ = ["ATTACHMENT", "ORGANISATION", "TICKET", "Keys"]
