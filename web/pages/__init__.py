"""Pages for people: server-rendered, working without a script, escaped, in their language."""

from web.pages.languages import Language, Languages
from web.pages.render import HEADERS, LANGUAGE_COOKIE, Pages, wants_page

__all__ = ["HEADERS", "LANGUAGE_COOKIE", "Language", "Languages", "Pages", "wants_page"]
