"""Mails as they really come, each with what must become of it. Lines end with CRLF, as on the wire."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass, field

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"
TOP = (
    "Received: from mx.example (mx.example [192.0.2.1]) by in.example; Tue, 24 Nov 2026 11:00:00 +0000\n"
    "From: Kim <kim@kund.example>\nTo: support@desk.example\nSubject: =?utf-8?Q?Sk=C3=A4rmen_=C3=A4r_svart?=\n"
    "Date: Tue, 24 Nov 2026 11:00:00 +0000\nMessage-ID: <1@kund.example>\nMIME-Version: 1.0\n"
)


def crlf(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def b64(content: bytes) -> str:
    return base64.encodebytes(content).decode()


def multipart(kind: str, *parts: str | bytes, boundary: str = "b1", more: str = "") -> bytes:
    """A multipart with its content type first."""
    out = crlf(f'Content-Type: multipart/{kind}; boundary="{boundary}"{more}\n\n')
    for part in parts:
        out += f"--{boundary}\r\n".encode() + crlf(part) + b"\r\n"
    return out + f"--{boundary}--\r\n".encode()


def message(body: str | bytes, top: str = TOP) -> bytes:
    return crlf(top) + crlf(body)


def part(fields: str, content: bytes) -> str:
    """A part in base64."""
    return f"{fields}\nContent-Transfer-Encoding: base64\n\n{b64(content)}"


def winmail(*files: tuple[str, bytes]) -> bytes:
    """Outlook's box: a version, then title and content of each file, each object with its sum."""

    def item(level: int, name: int, kind: int, value: bytes) -> bytes:
        return struct.pack("<BHHI", level, name, kind, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)

    out = b"\x78\x9f\x3e\x22" + struct.pack("<H", 1) + item(1, 0x9006, 8, struct.pack("<I", 0x10000))
    out += item(1, 0x9007, 6, struct.pack("<II", 1252, 0))
    for name, content in files:
        out += item(2, 0x9002, 6, b"\0" * 14)
        out += item(2, 0x8010, 1, name.encode("cp1252") + b"\0") + item(2, 0x800F, 6, content)
    return out


TEXT = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nHej! Skärmen är svart.\n"
HTML = 'Content-Type: text/html; charset=utf-8\n\n<p>Hej</p><img src="cid:logo%40kund">\n'
LOGO = part('Content-Type: image/png; name="logo.png"\nContent-ID: <logo@kund>\nContent-Disposition: inline', PNG)
PICTURE = part(
    'Content-Type: image/png; name="skärmbild.png"\nContent-ID: <other@kund>\nContent-Disposition: inline', PNG
)
INNER = "From: a@b.example\nSubject: =?iso-8859-1?Q?Gammalt_=E4rende?=\nContent-Type: text/plain\n\nold\n"
BOX = winmail(("avtal.pdf", PDF), ("läs mig.txt", b"hej"))


@dataclass(frozen=True)
class Mail:
    """One message. ``files``: names and bytes that must be kept; ``stays``: what must go on; ``gone``: what must not;
    ``whole``: the message goes on to the last byte."""

    name: str
    raw: bytes
    files: dict[str, bytes] = field(default_factory=dict)
    stays: tuple[bytes, ...] = ()
    gone: tuple[bytes, ...] = ()
    whole: bool = False


NO_FILES = Mail("nothing but text", message(TEXT), whole=True)
MAILS = (
    NO_FILES,
    Mail(
        "a PDF that Apple Mail marks inline",
        message(
            multipart(
                "mixed",
                TEXT,
                part(
                    'Content-Type: application/pdf; name="avtal.pdf"\n'
                    'Content-Disposition: inline; filename="avtal.pdf"',
                    PDF,
                ),
                TEXT.replace("Hej", "Hälsningar"),
            )
        ),
        {"avtal.pdf": PDF},
        stays=("Skärmen är svart".encode(), "Hälsningar".encode()),
        gone=(b64(PDF)[:40].encode(),),
    ),
    Mail(
        "nothing but a logo that the text refers to",
        message(multipart("related", HTML, LOGO)),
        whole=True,
    ),
    Mail(
        "a logo in the text, and a picture and a log beside it",
        message(
            multipart(
                "mixed",
                multipart("related", multipart("alternative", TEXT, HTML, boundary="b3"), LOGO, PICTURE, boundary="b2"),
                part(
                    'Content-Type: text/plain; name="app.log"\nContent-Disposition: attachment; filename="app.log"',
                    b"log\n",
                ),
            )
        ),
        {"skärmbild.png": PNG, "app.log": b"log\n"},
        stays=(b"Content-ID: <logo@kund>", b"cid:logo", "Skärmen".encode()),
        gone=(b"other@kund", b'app.log"\r\nContent-Transfer'),
    ),
    Mail(
        "Outlook's winmail.dat",
        message(multipart("mixed", TEXT, part('Content-Type: application/ms-tnef; name="winmail.dat"', BOX))),
        {"winmail.dat": BOX, "avtal.pdf": PDF, "läs mig.txt": b"hej"},
    ),
    Mail(
        "a winmail.dat that is damaged",
        message(multipart("mixed", TEXT, part('Content-Type: application/ms-tnef; name="winmail.dat"', BOX[:90]))),
        {"winmail.dat": BOX[:90]},
    ),
    Mail(
        "signed with S/MIME",
        message(
            multipart(
                "signed",
                multipart("mixed", TEXT, part('Content-Type: application/pdf; name="avtal.pdf"', PDF), boundary="b2"),
                part('Content-Type: application/pkcs7-signature; name="smime.p7s"', b"signature"),
                more='; protocol="application/pkcs7-signature"; micalg=sha-256',
            )
        ),
        whole=True,
    ),
    Mail(
        "encrypted with S/MIME",
        message(part('Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name="smime.p7m"', b"x" * 500)),
        whole=True,
    ),
    Mail(
        "encrypted with PGP",
        message(
            multipart(
                "encrypted",
                "Content-Type: application/pgp-encrypted\n\nVersion: 1\n",
                "Content-Type: application/octet-stream; name=encrypted.asc\n\n"
                "-----BEGIN PGP MESSAGE-----\n\nabc\n-----END PGP MESSAGE-----\n",
                more='; protocol="application/pgp-encrypted"',
            )
        ),
        whole=True,
    ),
    Mail(
        "signed, in a list's envelope, beside a file",
        message(
            multipart(
                "mixed",
                multipart(
                    "signed",
                    TEXT,
                    part("Content-Type: application/pgp-signature; name=signature.asc", b"sig"),
                    boundary="b2",
                ),
                part('Content-Type: application/zip; name="logs.zip"', b"PK\x05\x06" + bytes(18)),
            )
        ),
        {"logs.zip": b"PK\x05\x06" + bytes(18)},
        stays=(b64(b"sig").strip().encode(), b"multipart/signed"),
    ),
    Mail(
        "a message in the message",
        message(multipart("mixed", TEXT, "Content-Type: message/rfc822\n\n" + INNER)),
        {"Gammalt ärende.eml": crlf(INNER)},
        gone=(b"Gammalt_=E4rende", b"old\r\n"),
    ),
    Mail(
        "names by RFC 2231, in pieces, and by RFC 2047 where it is forbidden",
        message(
            multipart(
                "mixed",
                TEXT,
                part(
                    "Content-Type: application/pdf\nContent-Disposition: attachment; filename*=UTF-8''r%C3%A4kning.pdf",
                    PDF,
                ),
                part(
                    "Content-Type: application/pdf\nContent-Disposition: attachment;\n"
                    " filename*0*=utf-8''l%C3%A5ngt%20;\n filename*1=namn.pdf",
                    PDF,
                ),
                part('Content-Type: application/pdf; name="=?iso-8859-1?Q?gammal_=E4.pdf?="', PDF),
                part('Content-Type: application/pdf\nContent-Disposition: attachment; filename="å rå.pdf"', PDF),
            )
        ),
        {"räkning.pdf": PDF, "långt namn.pdf": PDF, "gammal ä.pdf": PDF, "å rå.pdf": PDF},
    ),
    Mail(
        "charsets that are broken or unknown",
        message(
            multipart(
                "mixed",
                b"Content-Type: text/plain; charset=x-nowhere\n\ncaf\xe9\n",
                part(
                    "Content-Type: application/pdf\nContent-Disposition: attachment; filename*=x-nowhere''r%E4.pdf", PDF
                ),
                b'Content-Type: application/pdf; name="r\xe4kning.pdf"\nContent-Transfer-Encoding: base64\n\n'
                + b64(PDF).encode(),
            )
        ),
        {"rä.pdf": PDF, "räkning.pdf": PDF},
        stays=(b"caf\xe9",),
    ),
    Mail(
        "a file and nothing else",
        message(part('Content-Type: application/pdf; name="avtal.pdf"', PDF)),
        {"avtal.pdf": PDF},
        gone=(b64(PDF)[:40].encode(),),
    ),
    Mail(
        "cut off in its last part",
        message(
            multipart("mixed", TEXT, part('Content-Type: application/pdf; name="avtal.pdf"', PDF)).split(b"--b1--")[0]
        ),
        {"avtal.pdf": PDF},
        stays=("Skärmen".encode(),),
    ),
    Mail(
        "nothing but files in it",
        message(
            multipart(
                "mixed",
                part('Content-Type: application/pdf; name="a.pdf"', PDF),
                part('Content-Type: application/pdf; name="b.pdf"', PDF),
            )
        ),
        {"a.pdf": PDF, "b.pdf": PDF},
        stays=(b"kept elsewhere",),
    ),
)
LOOPED, PIECES, DEEP = (
    message(TEXT, TOP + "X-Bilaga-Loop: here\n"),
    (
        message('Content-Type: message/partial; id="a"; number=1; total=2\n\nabc\n'),
        message(multipart("mixed", TEXT, 'Content-Type: message/external-body; access-type=URL; URL="http://x"\n\n\n')),
    ),
    message("".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(40))),
)
