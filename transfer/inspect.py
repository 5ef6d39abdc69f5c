"""Which types of file are taken, decided from the name and from what libmagic saw (S-45).

The client's Content-Type decides nothing. Lenient where nobody can know: damaged files, text of any kind, containers
that many formats share. Strict where the content is clearly of another known kind than the extension claims.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from domain.errors import ContentMismatch, TypeNotAllowed
from transfer.media_types import CLAIMS, OCTETS, look_of, one_word
from transfer.names import extensions


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


REFUSED_EXTENSIONS = _words(
    # Windows: programs, their parts, installers
    "exe com scr pif cpl dll sys ocx drv msi msp mst msu msix msixbundle appx appxbundle appinstaller application"
    # Windows: what its script hosts and shells run
    " bat cmd vbs vbe js jse wsf wsh ws wsc sct hta ps1 ps1xml psm1 psc1 psd1 cdxml chm hlp reg inf"
    # Windows: shortcuts and files that open something else
    " lnk url scf library-ms search-ms searchconnector-ms settingcontent-ms appref-ms website"
    # Windows: what other programs of it run
    " gadget msc xll wll xbap diagcab"
    # Java
    " jar jnlp"
    # macOS
    " app command tool workflow action osax scpt scptd applescript pkg mpkg webloc inetloc fileloc terminal"
    # Linux desktops
    " desktop run appimage"
)
"""What an operating system runs, or follows elsewhere, on a double click."""

ACTIVE_EXTENSIONS = _words(
    "exe scr pif cpl bat cmd vbs vbe jse wsf wsh hta ps1 psm1 msi msp lnk scf sct chm xll jar jnlp"
)
"""Refused as an inner extension too: ``invoice.exe.pdf``. Only those that are not also words or places that stand in
honest names (``www.example.com.pdf``, ``node.js.png``, ``my.app.log``)."""

_NAMED_AFTER_A_PROGRAM = _words("config manifest dmp mdmp hdmp")
"""The systems themselves name these so: ``service.exe.config``, ``service.exe.4711.dmp``."""

# A program without an extension of its own is refused like one with it.
_PROGRAM_EXTENSION = {
    "application/x-dosexec": "exe",
    "application/vnd.microsoft.portable-executable": "exe",
    "application/x-msdownload": "exe",
    "application/x-mach-binary": "app",
    "application/x-executable": "run",
    "application/x-pie-executable": "run",
    "application/x-sharedlib": "run",  # what libmagic makes of most programs when it sees only their beginning
    "application/x-msi": "msi",
    "application/x-ms-shortcut": "lnk",
}


@dataclass(frozen=True, slots=True)
class TypePolicy:
    """The site's policy. ``refused_extensions``: lower case, without the dot; never taken, whatever a link allows."""

    refused_extensions: frozenset[str] = REFUSED_EXTENSIONS

    def check_name(self, name: str, allowed: Iterable[str] = ()) -> None:
        """What can be said before the body is read (S-40), from the stored name. Raises TypeNotAllowed."""
        *inner, last = extensions(name) or [""]
        if last in self.refused_extensions:
            raise TypeNotAllowed(field="filename", extension=last)
        if last not in _NAMED_AFTER_A_PROGRAM:
            for extension in inner:
                if extension in self.refused_extensions & ACTIVE_EXTENSIONS:
                    raise TypeNotAllowed(field="filename", extension=extension)
        claim = CLAIMS.get(last)
        entries = _entries(allowed)
        if claim is not None:
            _demand(entries, last, claim.media_type)
        elif entries and all(entry.startswith(".") for entry in entries):
            _demand(entries, last, OCTETS)

    def check(self, name: str, sniffed: str, allowed: Iterable[str] = ()) -> str:
        """The media type to store, from the stored name and what the sniffer saw.

        ``allowed``: a link's media types (``image/*`` too) and extensions (``.pdf``); empty: all that is not refused.
        Raises TypeNotAllowed (415) for a refused or not allowed type, ContentMismatch (422) where the content is
        clearly something else than the name says.
        """
        entries = _entries(allowed)
        self.check_name(name, entries)
        found = extensions(name) or [""]
        last = found[-1]
        sniffed = sniffed.lower()
        look = look_of(sniffed)
        seen = one_word(sniffed)
        claim = CLAIMS.get(last)
        if claim is None:
            library = sniffed == "application/x-sharedlib" and "so" in found
            if _PROGRAM_EXTENSION.get(sniffed) in self.refused_extensions and not library:
                raise TypeNotAllowed(field="filename", media_type=seen)
            media_type = seen
        elif look is None or look in claim.looks:
            media_type = claim.media_type
        elif look == "text":
            media_type = seen
        else:
            raise ContentMismatch(field="filename", extension=last, media_type=seen)
        _demand(entries, last, media_type)
        return media_type


def _entries(allowed: Iterable[str]) -> list[str]:
    entries = [entry.strip().lower() for entry in allowed]
    return [one_word(entry) for entry in entries if entry]


def _demand(entries: list[str], extension: str, media_type: str) -> None:
    if entries and not any(_fits(entry, extension, media_type) for entry in entries):
        raise TypeNotAllowed(field="filename", allowed=list(entries))


def _fits(entry: str, extension: str, media_type: str) -> bool:
    if entry.startswith("."):
        return entry[1:] == extension
    if entry.endswith("/*"):
        return entry == "*/*" or media_type.startswith(entry[:-1])
    return entry == media_type
