"""An upload link as somebody was given it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from domain.errors import BadInput

_PATH = re.compile(r"(?P<base>(?:/[^/]+)*)/u/(?P<token>[A-Za-z0-9_-]+)(?:/(?:put/?|files/?)?)?")
_LAST = re.compile(r"/([A-Za-z0-9_-]+)")


@dataclass(frozen=True, slots=True)
class UploadLink:
    """The address of an upload page. It is a credential, and so are the addresses made of it: none is shown."""

    base: str
    """Where the service is, without a slash at the end."""
    token: str = field(repr=False)

    @classmethod
    def parse(cls, said: str) -> UploadLink:
        """A link, or the ``…/put/`` of it. Raises BadInput."""
        try:
            parts = urlsplit(said.strip())
            origin = f"{parts.scheme}://{parts.hostname and parts.netloc.rpartition('@')[2]}"
        except ValueError:
            raise BadInput("This is no upload link.", field="link") from None
        found = _PATH.fullmatch(parts.path)
        if parts.scheme not in {"http", "https"} or not parts.hostname or found is None:
            raise BadInput("This is no upload link; one looks like https://files.example.org/u/TOKEN.", field="link")
        return cls(origin + found["base"], found["token"])

    @property
    def url(self) -> str:
        """The upload page."""
        return f"{self.base}/u/{self.token}"

    @property
    def files_url(self) -> str:
        """Where uploads are created."""
        return f"{self.url}/files"

    def upload_url(self, upload: str) -> str:
        """Where one upload goes on."""
        return f"{self.files_url}/{upload}"

    def receipt_url(self, said: str) -> str:
        """A receipt on the way that the link itself goes: the service's own name may be out of reach from here."""
        return f"{self.base}/r/{last_segment(said)}"


def last_segment(address: str) -> str:
    """What an address ends with: the only part of it that is ours to choose. Raises BadInput."""
    path = urlsplit(address).path
    found = _LAST.fullmatch(path[path.rfind("/") :])
    if found is None:
        raise BadInput("The service answered with an address that is none of Bilaga's.", field="link")
    return found[1]
