"""Files as people send them to a support desk: byte-true of their kinds, each with content of its own to search for.

The small makers of formats are those of ``transfer_inspect``; here they get a body that stands nowhere else, so that a
search through a data folder means something.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from functools import cache
from hashlib import sha256

from tests.unit.transfer_inspect import corpus as small

SEGMENT = (1 << 20) - 16
FIRST_SEGMENT = SEGMENT - 40
"""Bytes of plaintext that fill the first segment to its end."""
WORDS = ("ärende", "faktura", "skärm", "körning", "återställ", "mätare", "växel", "öppna", "låset", "fönster")


@dataclass(frozen=True)
class File:
    """One file: the name as it is sent, and its bytes."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        return sha256(self.content).hexdigest()

    def samples(self) -> Iterator[bytes]:
        """Pieces of the content that stand nowhere by chance: beyond the format's own head, of many different bytes."""
        start = 160 if len(self.content) > 1024 else 0
        step = max(1, (len(self.content) - start) // 7)
        for at in range(start, len(self.content) - 32, step):
            piece = self.content[at : at + 32]
            if len(set(piece)) >= 11:
                yield piece


def text(seed: int, lines: int = 120) -> str:
    """Lines that are like no other seed's."""
    chance = random.Random(seed)
    return "".join(
        f"{chance.randrange(10**12):012} {' '.join(chance.choices(WORDS, k=5))} {chance.randbytes(9).hex()}\n"
        for _ in range(lines)
    )


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def pdf(seed: int) -> bytes:
    page = b"BT /F1 12 Tf 72 720 Td (" + noise(seed, 600).hex().encode() + b") Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources <</Font <</F1 5 0 R>> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(page), page),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, offsets = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return bytes(out + b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % table)


def office(part: str, seed: int) -> bytes:
    types = b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
    body = f"<?xml version='1.0' encoding='UTF-8'?><body><t>{text(seed)}</t></body>".encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in (
            ("[Content_Types].xml", types),
            ("_rels/.rels", b"<Relationships/>"),
            (part, body),
            ("media/image1.png", png(seed)),
        ):
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def open_document(seed: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), "application/vnd.oasis.opendocument.text")
        archive.writestr(zipfile.ZipInfo("content.xml"), f"<?xml version='1.0'?><office>{text(seed)}</office>")
    return out.getvalue()


def png(seed: int, side: int = 48) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + noise(seed * 1000 + row, side * 3) for row in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def jpeg(seed: int) -> bytes:
    """The small one, with a comment segment (ITU-T T.81, B.2.4.5)."""
    comment = noise(seed, 900).hex().encode()
    return small.JPEG[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + small.JPEG[2:]


def gif(seed: int) -> bytes:
    """The small one, with a comment extension (GIF89a, section 24)."""
    comment = noise(seed, 120).hex().encode()
    return b"GIF89a" + small.GIF[6:-1] + b"\x21\xfe" + bytes([len(comment)]) + comment + b"\0\x3b"


def webp(seed: int) -> bytes:
    """The small one, with a chunk of its own kind, which readers pass over."""
    chunk = b"NOTE" + struct.pack("<I", 600) + noise(seed, 600)
    body = small.WEBP[8:] + chunk
    return b"RIFF" + struct.pack("<I", len(body)) + body


def film(brand: bytes, seed: int) -> bytes:
    box = small.box
    head = box(b"ftyp", brand, bytes(4), brand, b"isom") + box(b"moov", box(b"mvhd", bytes(100)))
    return head + box(b"mdat", noise(seed, 200_000))


def mp3(seed: int) -> bytes:
    tag = b"ID3\x03\0\0\0\0\0\x0bTIT2\0\0\0\x01\0\0\0"
    return tag + b"".join(b"\xff\xfb\x90\x64" + noise(seed * 100 + frame, 413) for frame in range(40))


def wav(seed: int) -> bytes:
    samples = noise(seed, 32_000)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16_000, 2, 16)
    data = struct.pack("<4sI", b"data", len(samples)) + samples
    return struct.pack("<4sI4s", b"RIFF", 4 + len(form) + len(data), b"WAVE") + form + data


def mail(seed: int) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@kund.example", "support@example.org", "Skärmbild"
    message["Message-ID"] = f"<{noise(seed, 8).hex()}@kund.example>"
    message.set_content(text(seed, 20))
    message.add_attachment(png(seed), maintype="image", subtype="png", filename="skärm.png")
    return message.as_bytes()


def database(seed: int) -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE measurement (value TEXT)")
    connection.executemany("INSERT INTO measurement VALUES (?)", ((line,) for line in text(seed).splitlines()))
    connection.commit()
    content = connection.serialize()
    connection.close()
    return content


def capture(seed: int) -> bytes:
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    frames = (struct.pack("<IIII", at, 0, 600, 600) + noise(seed * 100 + at, 600) for at in range(20))
    return head + b"".join(frames)


def zipped(seed: int) -> bytes:
    return small.zipped(("logg.txt", text(seed).encode()), ("rå/brus.bin", noise(seed, 4000)))


def files() -> list[File]:
    """All of them; the same bytes on every call."""
    return list(_files())


@cache
def _files() -> tuple[File, ...]:
    table = "namn;ålder;ort\n" + text(13).replace(" ", ";")
    tree = json.dumps({"rader": text(14, 40).splitlines(), "djup": {"a": [1, 2.5, None]}}, ensure_ascii=False)
    return tuple(
        File(name, content)
        for name, content in (
            ("Årsbokslut å ä ö 2026.pdf", pdf(1)),
            ("re\u0301sume\u0301 i NFD.docx", office("word/document.xml", 2)),
            ("تقرير المبيعات.xlsx", office("xl/workbook.xml", 3)),
            ("מצגת רבעונית.pptx", office("ppt/presentation.xml", 4)),
            ("протокол совещания.odt", open_document(5)),
            ("📸 skärmbild 🇸🇪.png", png(6)),
            ("IMG_20261124_110000.JPG", jpeg(7)),
            ("rörlig bild.gif", gif(8)),
            ("写真 一枚目.webp", webp(9)),
            ("skärminspelning av felet.mp4", film(b"mp42", 10)),
            ("QuickTime-film från kunden.MOV", film(b"qt  ", 11)),
            ("röstmeddelande.mp3", mp3(12)),
            ("ljudprov från växeln.wav", wav(15)),
            ("loggar & bilder; alla=ja.zip", zipped(16)),
            ("säkerhetskopia av databasen.tar.gz", gzip.compress(small.tar(("dump.sql", text(17).encode())), mtime=0)),
            ("packat med sju.7z", small.SEVEN_ZIP),
            ("gateway-server.log", text(18, 3000).encode()),
            ("fältmätning 'juni' \"2026\".csv", table.encode()),
            ("svar från tjänsten.json", tree.encode()),
            ("order med åäö.xml", f"<?xml version='1.0' encoding='UTF-8'?><order>{text(19)}</order>".encode()),
            (
                "sparad webbsida.html",
                f"<!doctype html><title>x</title><pre>{text(20)}</pre><script>1</script>".encode(),
            ),
            ("vidarebefordrat brev.eml", mail(21)),
            ("Utlook-meddelande.msg", small.compound_file("__properties_version1.0") + noise(22, 1024)),
            ("anteckningar i UTF-16.txt", text(23).encode("utf-16")),
            ("gammal fil i Latin-1.txt", text(24).encode("latin-1")),
            (
                "ritning över anläggningen.svg",
                f'<svg xmlns="http://www.w3.org/2000/svg"><!--{text(25)}--></svg>'.encode(),
            ),
            ("nätverksfångst.pcap", capture(26)),
            ("kundens databas.sqlite", database(27)),
            ("tom fil.txt", b""),
            ("en enda byte.bin", b"\x07"),
            ("ett segment utan en.bin", noise(28, FIRST_SEGMENT - 1)),
            ("precis ett segment.bin", noise(29, FIRST_SEGMENT)),
            ("ett segment och en.bin", noise(30, FIRST_SEGMENT + 1)),
            ("två segment precis.bin", noise(31, FIRST_SEGMENT + SEGMENT)),
            ("fem miljoner brus.bin", noise(32, 5_000_000)),
            ("utan ändelse", text(33).encode()),
            ("konfiguration.yaml", ("rader:\n" + "".join(f"  - {line}\n" for line in text(34).splitlines())).encode()),
            (
                "inbjudan till mötet.ics",
                b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" + text(35).encode() + b"END:VCALENDAR\r\n",
            ),
            ("l" + "å" * 110 + "ngt namn.txt", text(36).encode()),
            ("CON.txt", text(37).encode()),
            ("..\\..\\..\\etc\\lösenord.txt", text(38).encode()),
            ("oskyldig\u202egnp.txt", text(39).encode()),
            ("familj 👩‍👩‍👧‍👦 och osynlig\u200bt.txt", text(40).encode()),
            ("100 % klart #1?.txt", text(41).encode()),
            ("samma namn.txt", text(42).encode()),
            ("samma namn.txt", text(43).encode()),
            ("mall {kund} + {ärende}.txt", text(44).encode()),
            ("~$ låst fil;=,@&+$.txt", text(45).encode()),
        )
    )
