"""Files of many kinds, byte-true and small, made here: ``(name, content, media type that we store)``."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import random
import sqlite3
import struct
import tarfile
import wave
import zipfile
import zlib
from email.message import EmailMessage

OOXML = "application/vnd.openxmlformats-officedocument"
ODF = "application/vnd.oasis.opendocument"
OCTETS = "application/octet-stream"

# Written by Pillow (one pixel each) and py7zr.
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8ybqm"
    "x5moq6T/wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAABv/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AMv/Z"
)
WEBP = base64.b64decode("UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEAAUAmJaQAA3AA/v02aAA=")
GIF = base64.b64decode("R0lGODdhAQABAIEAAAAAAAAAAAAAAAAAACwAAAAAAQABAAAIBAABBAQAOw==")
BMP = base64.b64decode("Qk06AAAAAAAAADYAAAAoAAAAAQAAAAEAAAABABgAAAAAAAQAAADEDgAAxA4AAAAAAAAAAAAAAAAAAA==")
SEVEN_ZIP = base64.b64decode(
    "N3q8ryccAAT8kvxmVAAAAAAAAAAUAAAAAAAAAIRk3jYBAAJoZWoAAQBIAQQGAAEJBwAHCwEAASEhARAMAwAICgEuVGgMAAAFARkDAAAAEQ0AYQAu"
    "AHQAeAB0AAAAFAoBAKAvJmkLfN0BFQYBACCAgIEAAAAXBgcBCU0ABwsBAAEhIQEYDEkAAA=="
)
AVIF = base64.b64decode(
    "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAADrbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAAAAAAAOcGl0"
    "bQAAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAETAAAAIwAAAChpaW5mAAAAAAABAAAAGmluZmUCAAAAAAEAAGF2MDFDb2xvcgAAAABqaXBy"
    "cAAAAEtpcGNvAAAAFGlzcGUAAAAAAAAAAQAAAAEAAAAQcGl4aQAAAAADCAgIAAAADGF2MUOBAAwAAAAAE2NvbHJuY2x4AAEADQAGgAAAABdpcG1h"
    "AAAAAAAAAAEAAQQBAoMEAAAAK21kYXQSAAoIGAAGiAhoNCAyFRTHh4ZlAgggnlAAAABIWtlc1jAXYA=="
)


def pdf() -> bytes:
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Resources << >> >>",
    ]
    out, offsets = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 4\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return bytes(out + b"trailer << /Size 4 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % table)


def png() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\0\xff\0\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


def zipped(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members:
            archive.writestr(zipfile.ZipInfo(name), body)
    return out.getvalue()


def office(part: str) -> bytes:
    types = b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
    relations = b'<?xml version="1.0"?><Relationships/>'
    return zipped(("[Content_Types].xml", types), ("_rels/.rels", relations), (part, b"<?xml version='1.0'?><x/>"))


def open_document(kind: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", f"{ODF}.{kind}")
        archive.writestr("content.xml", "<?xml version='1.0'?><x/>")
    return out.getvalue()


def compound_file(*streams: str) -> bytes:
    """An OLE compound file (MS-CFB, version 3): header, one FAT sector, one directory sector, empty streams."""
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIIII", 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0, 0)
    header += b"\xff" * (512 - len(header))
    fat = struct.pack("<II", 0xFFFFFFFD, 0xFFFFFFFE) + b"\xff" * 504

    def entry(name: str, kind: int, child: int, sibling: int) -> bytes:
        encoded = (name + "\0").encode("utf-16-le")
        return (
            encoded.ljust(64, b"\0")
            + struct.pack("<HBBIII", len(encoded), kind, 1, 0xFFFFFFFF, sibling, child)
            + bytes(36)
            + struct.pack("<IQ", 0xFFFFFFFE, 0)
        )

    names = list(streams)
    directory = entry("Root Entry", 5, 1 if names else 0xFFFFFFFF, 0xFFFFFFFF)
    for number, name in enumerate(names, 1):
        directory += entry(name, 2, 0xFFFFFFFF, number + 1 if number < len(names) else 0xFFFFFFFF)
    header = header[:76] + struct.pack("<I", 0) + header[80:]
    return header + fat + directory.ljust(512, b"\0")


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def film(brand: bytes) -> bytes:
    return (
        box(b"ftyp", brand, bytes(4), brand, b"isom") + box(b"moov", box(b"mvhd", bytes(100))) + box(b"mdat", bytes(64))
    )


def wav() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    return out.getvalue()


def mp3() -> bytes:
    tag = b"ID3\x03\0\0\0\0\0\x0bTIT2\0\0\0\x01\0\0\0"
    return tag + (b"\xff\xfb\x90\x64" + bytes(413)) * 8


def tar(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, body in members:
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return out.getvalue()


def mail() -> bytes:
    message = EmailMessage()
    message["From"] = "Åsa <asa@kund.example>"
    message["To"] = "support@example.org"
    message["Subject"] = "Skärmbild"
    message.set_content("Hej!\n")
    message.add_alternative("<html><body><p>Hej!</p></body></html>", subtype="html")
    message.add_attachment(png(), maintype="image", subtype="png", filename="skärm.png")
    return message.as_bytes()


def database() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (a)")
    content = connection.serialize()
    connection.close()
    return content


def capture() -> bytes:
    frame = bytes(60)
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + struct.pack("<IIII", 0, 0, 60, 60) + frame


def program() -> bytes:
    """A Windows program's headers: MZ, and PE where e_lfanew says."""
    dos = b"MZ" + bytes(58) + struct.pack("<I", 64)
    coff = struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x22)
    return dos + b"PE\0\0" + coff + struct.pack("<H", 0x20B) + bytes(600)


def elf(kind: int = 2) -> bytes:
    return (
        b"\x7fELF\x02\x01\x01\0"
        + bytes(8)
        + struct.pack("<HHIQQQIHHHHHH", kind, 62, 1, 0x400000, 64, 0, 0, 64, 56, 1, 64, 0, 0)
        + (struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 200, 200, 4096) + bytes(80))
    )


LOG = "2026-11-24T11:00:00Z ERROR gateway answered <html><body>502 Bad Gateway</body></html> för åäö\n" * 50
PROSE = "import duty is 5 %; from a lambda, def. of function() { return }\nclass: A\n" * 20
RANDOM = random.Random(45)

TAKEN: list[tuple[str, bytes, str]] = [
    ("rapport.pdf", pdf(), "application/pdf"),
    ("brev.docx", office("word/document.xml"), f"{OOXML}.wordprocessingml.document"),
    ("budget.xlsx", office("xl/workbook.xml"), f"{OOXML}.spreadsheetml.sheet"),
    ("bilder.pptx", office("ppt/presentation.xml"), f"{OOXML}.presentationml.presentation"),
    ("text.odt", open_document("text"), f"{ODF}.text"),
    ("tabell.ods", open_document("spreadsheet"), f"{ODF}.spreadsheet"),
    ("bok.epub", zipped(("mimetype", b"application/epub+zip"), ("a", b"b")), "application/epub+zip"),
    ("old.doc", compound_file("WordDocument"), "application/msword"),
    ("old.xls", compound_file("Workbook"), "application/vnd.ms-excel"),
    ("outlook.msg", compound_file("__properties_version1.0", "__nameid_version1.0"), "application/vnd.ms-outlook"),
    ("locked.docx", compound_file("EncryptedPackage", "EncryptionInfo"), f"{OOXML}.wordprocessingml.document"),
    ("memo.rtf", rb"{\rtf1\ansi Hej \'e5}", "text/rtf"),
    ("skärmbild.png", png(), "image/png"),
    ("foto.JPG", JPEG, "image/jpeg"),
    ("anim.gif", GIF, "image/gif"),
    ("bild.webp", WEBP, "image/webp"),
    ("bild.bmp", BMP, "image/bmp"),
    ("IMG_0001.HEIC", box(b"ftyp", b"heic", bytes(4), b"mif1heic") + box(b"meta", bytes(40)), "image/heic"),
    ("bild.avif", AVIF, "image/avif"),
    ("ritning.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>', "image/svg+xml"),
    ("film.mp4", film(b"mp42"), "video/mp4"),
    ("film.mov", film(b"qt  "), "video/quicktime"),
    ("ljud.m4a", film(b"M4A "), "audio/mp4"),
    ("ljud.mp3", mp3(), "audio/mpeg"),
    ("ljud.wav", wav(), "audio/wav"),
    ("arkiv.zip", zipped(("a.txt", b"hej")), "application/zip"),
    ("arkiv.7z", SEVEN_ZIP, "application/x-7z-compressed"),
    ("arkiv.tar", tar(("a.txt", b"hej")), "application/x-tar"),
    ("arkiv.tar.gz", gzip.compress(tar(("a.txt", b"hej")), mtime=0), "application/gzip"),
    ("arkiv.tar.bz2", bz2.compress(b"hej" * 100), "application/x-bzip2"),
    ("arkiv.xz", lzma.compress(b"hej" * 100), "application/x-xz"),
    ("server.log", LOG.encode(), "text/plain"),
    ("latin.log", LOG.encode("latin-1"), "text/plain"),
    ("fält.csv", "namn;ålder\nÅsa;41\nÖrjan;52\n".encode(), "text/csv"),
    ("data.json", b'{"a": [1, 2, {"b": null}]}', "application/json"),
    ("broken.json", b'{"a": [1, 2', "application/json"),
    ("lines.ndjson", b'{"a":1}\n{"a":2}\n', "application/json"),
    ("data.xml", "<?xml version='1.0'?><ärende/>".encode(), "text/xml"),
    ("page.html", b"<!doctype html><title>x</title><script>1</script>", "text/html"),
    ("mail.eml", mail(), "message/rfc822"),
    ("config.yaml", b"#comment\na:\n  - b\n", "application/yaml"),
    ("notes.md", b"# Title\n\nsome `code` and <div align=center>x</div>\n", "text/markdown"),
    ("prose.txt", PROSE.encode(), "text/plain"),
    ("Fenster.txt", "Grüße\r\nöäü\r\n".encode("utf-16"), "text/plain"),
    ("korean.txt", "똠방각하 펲시콜라\n\n뎠뎠농!! 쩨로듐 \n".encode("cp949"), "text/plain"),
    ("json.txt", b'{"a": 1}', "text/plain"),
    ("mail.txt", mail(), "text/plain"),
    ("möte.ics", b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n", "text/calendar"),
    ("trace.har", b'{"log": {"version": "1.2"}}', "application/json"),
    ("net.pcap", capture(), "application/vnd.tcpdump.pcap"),
    ("app.sqlite", database(), "application/vnd.sqlite3"),
    ("app.db", database(), "application/vnd.sqlite3"),
    ("report.xls", b"<html><body><table><tr><td>1</td></tr></table></body></html>", "application/vnd.ms-excel"),
    ("report2.xls", b"a\tb\n1\t2\n", "text/plain"),
    ("word.doc", rb"{\rtf1 x}", "application/msword"),
    ("new.doc", office("word/document.xml"), "application/msword"),
    ("empty.pdf", b"", "application/pdf"),
    ("empty", b"", OCTETS),
    ("skärmbild", png(), "image/png"),
    ("core.4711", elf(4), "application/x-coredump"),
    ("service.exe.config", b"<?xml version='1.0'?><configuration/>", "text/xml"),
    ("service.exe.4711.dmp", b"MDMP\x93\xa7\0\0" + bytes(64), "application/x-dmp"),
    ("www.example.com.txt", b"hej\n", "text/plain"),
    ("deploy.sh", b"#!/bin/sh\necho hej\n", "text/x-shellscript"),
    # Damaged on purpose, as people send them to a support desk.
    ("beginning lost.pdf", pdf()[40:], "text/plain"),
    ("zeros.pdf", bytes(4096), "application/pdf"),
    ("noise.pdf", b"\x01" + RANDOM.randbytes(4096), "application/pdf"),
    ("cut.pdf", pdf()[:20], "application/pdf"),
    ("header lost.png", png()[8:], "image/png"),
    ("cut.docx", office("word/document.xml")[:40], f"{OOXML}.wordprocessingml.document"),
    ("noise.docx", b"\x02" + RANDOM.randbytes(4096), f"{OOXML}.wordprocessingml.document"),
    ("noise.jpg", b"\x03" + RANDOM.randbytes(64), "image/jpeg"),
    ("cut.msg", compound_file("x")[:600], "application/vnd.ms-outlook"),
    ("libfoo.so.6", elf(3), "application/x-sharedlib"),
]
