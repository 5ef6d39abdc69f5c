"""A vector file: headers, an empty line, and the sealed stream in base64."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "streams"


@dataclass
class Vector:
    """``expect`` and ``forward`` are ``plain`` or the error that random access (Unsealer, with what the row says) and
    forward reading (unseal_stream, with the key string alone) end in; ``released`` and ``forward_released`` are the
    bytes that may have left until then; ``tink`` says whether Tink opens the stream, too.
    """

    name: str
    comment: str
    expect: str
    forward: str
    tink: str
    key: bytes
    installation: str
    owner: str
    purpose: str
    aad: bytes
    segment_size: int
    sealed_size: int
    commitment: bytes
    released: bytes = field(repr=False)
    forward_released: bytes = field(repr=False)
    sealed: bytes = field(repr=False)

    def text(self) -> str:
        headers = {
            "comment": self.comment,
            "expect": self.expect,
            "released": _summary(self.released),
            "expect-forward": self.forward,
            "released-forward": _summary(self.forward_released),
            "tink": self.tink,
            "key": self.key.hex(),
            "installation": self.installation,
            "owner": self.owner,
            "purpose": self.purpose,
            "aad": self.aad.hex(),
            "segment-size": str(self.segment_size),
            "sealed-size": str(self.sealed_size),
            "commitment": self.commitment.hex(),
        }
        encoded = base64.b64encode(self.sealed).decode()
        body = [encoded[at : at + 76] for at in range(0, len(encoded), 76)]
        return "\n".join([f"{name}: {value}" for name, value in headers.items()] + ["", *body, ""])


@dataclass(frozen=True)
class Read:
    """A vector as it stands in its file: of what may be released it knows only length and digest."""

    headers: dict[str, str]
    sealed: bytes

    def __getitem__(self, name: str) -> str:
        return self.headers[name]

    def may_release(self, header: str, plaintext: bytes) -> bool:
        return self[header] == _summary(plaintext)


def read(path: Path) -> Read:
    head, _, body = path.read_text().partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines())
    return Read(headers, base64.b64decode(body))


def _summary(plaintext: bytes) -> str:
    return f"{len(plaintext)} bytes, sha256 {hashlib.sha256(plaintext).hexdigest()}"
