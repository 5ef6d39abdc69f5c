"""Pages: templates, always escaped, in the reader's language, under a policy that lets in no script but ours (S-65)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from html import unescape
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from subjects import Dossier
from web.pages.languages import NAMES, Language, Languages
from web.pages.script import script_words
from web.problems import Problem

LANGUAGE_COOKIE = "bilaga-language"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "Vary": "Accept, Accept-Language, Cookie",
}
TYPES: Mapping[str, str] = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"}


class Pages:
    """Renders templates and serves the few static files, whose addresses carry their digest.

    ``root`` is the path under which the site is reached: empty, or ``/something``.
    """

    def __init__(self, languages: Languages, root: str = "") -> None:
        self.languages = languages
        self._root = root
        self._static: dict[str, tuple[str, bytes]] = {}
        self._address: dict[str, str] = {}
        for file in sorted(files("web.pages").joinpath("static").iterdir(), key=lambda entry: entry.name):
            stem, _, ending = file.name.rpartition(".")
            if f".{ending}" in TYPES:
                content = file.read_bytes()
                address = f"{stem}.{sha256(content).hexdigest()[:16]}.{ending}"
                self._static[address] = (TYPES[f".{ending}"], content)
                self._address[file.name] = f"{root}/static/{address}"
        self._environments = {language.tag: self._environment(language) for language in languages}

    def _environment(self, language: Language) -> Environment:
        environment = Environment(
            loader=PackageLoader("web.pages", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            extensions=["jinja2.ext.i18n"],
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.install_gettext_translations(language.words, newstyle=True)  # type: ignore[attr-defined]
        environment.globals.update(
            static=self._address.__getitem__,
            root=self._root,
            language_names=NAMES,
            language=language,
            size=language.size,
            instant=language.instant,
            day=language.day,
            rule=language.rule,
            span=language.span,
            script_words=partial(script_words, language),
        )
        environment.filters["kind"] = language.kind
        return environment

    def language(self, request: web.Request, link: str | None = None) -> Language:
        """The language of a request: chosen on a page, else the link's, else the browser's."""
        return self.languages.negotiate(
            chosen=request.cookies.get(LANGUAGE_COOKIE), link=link, accept=request.headers.get("Accept-Language", "")
        )

    def html(self, template: str, language: Language, **values: Any) -> str:
        """A template's text in a language."""
        return self._environments[language.tag].get_template(template).render(**values)

    def mail(self, template: str, language: Language, **values: Any) -> str:
        """A mail's text in a language: plain, so nothing is escaped."""
        return str(unescape(self.html(template, language, **values)))

    def dossier(self, language: Language, dossier: Dossier) -> str:
        """All that is held of a person, as a page that needs nothing else: the index of an export."""
        return self.html("subject.html", language, dossier=dossier)

    def answer(
        self, request: web.Request, template: str, *, status: int = 200, link: str | None = None, **values: Any
    ) -> web.Response:
        """A page."""
        language = self.language(request, link)
        # Back to this page after choosing a language; a path of our own, never from a header.
        values.setdefault("here", quote(request.path, safe="/-_.~"))
        text = self.html(template, language, **values)
        return web.Response(
            status=status,
            text=text,
            content_type="text/html",
            charset="utf-8",
            headers={**HEADERS, "Content-Language": language.tag},
        )

    def problem(self, request: web.Request, problem: Problem, request_id: str) -> web.Response:
        """A calm page for a problem; nothing about the ticket (R12)."""
        response = self.answer(request, "problem.html", status=problem.status, problem=problem, request_id=request_id)
        response.headers.update({name: value for name, value in problem.headers.items() if name != "WWW-Authenticate"})
        return response

    def static(self, name: str) -> web.Response | None:
        """A static file by its address, cached for good since the address carries its digest; None: there is none."""
        found = self._static.get(name)
        if found is None:
            return None
        return web.Response(
            body=found[1], content_type=found[0], headers={"Cache-Control": "public, max-age=31536000, immutable"}
        )


def wants_page(request: web.Request) -> bool:
    """Whether a person's browser asks: it prefers HTML, and the address is not one for programs."""
    if request.path.startswith(("/api/", "/hooks/", "/healthz", "/readyz", "/metrics")):
        return False
    accept = request.headers.get("Accept", "")
    return "text/html" in accept or "application/xhtml+xml" in accept
