"""The languages of the pages: which there are, which one a visitor gets, what they say.

The source language is English: its sentences are the ids of the catalogues. A catalogue is read
from its text form at the start, so nothing is compiled before and nothing binary is kept.
"""

from __future__ import annotations

import gettext
import io
from importlib import resources
from typing import Final

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from starlette.requests import cookie_parser

LANGUAGES: Final = {"en": "English", "tr": "Türkçe"}
SOURCE: Final = "en"
COOKIE: Final = "gb_language"


def load_translations(code: str) -> gettext.NullTranslations:
    """The sentences of a language; the source language answers every id with itself."""
    if code == SOURCE:
        return gettext.NullTranslations()
    path = resources.files("edge.web") / "locale" / code / "LC_MESSAGES" / "gatebeyz.po"
    with path.open("rb") as file:
        catalogue = read_po(file, locale=code, domain="gatebeyz")
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def choose_language(headers: dict[bytes, bytes]) -> str:
    """What the visitor chose by the switch, else the best the browser asks for, else English."""
    chosen = read_cookie(headers, COOKIE)
    if chosen in LANGUAGES:
        return chosen
    wanted = headers.get(b"accept-language", b"").decode("latin-1")[:256]
    return next((code for code in _preferred(wanted) if code in LANGUAGES), SOURCE)


def _preferred(header: str) -> list[str]:
    """Primary subtags of an Accept-Language header, best first."""
    weighted = []
    for part in header.split(","):
        tag, _, parameter = part.partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            weight = 0.0
        weighted.append((weight, tag.strip().partition("-")[0].lower()))
    weighted.sort(key=lambda pair: -pair[0])
    return [code for weight, code in weighted if weight > 0]


def read_cookie(headers: dict[bytes, bytes], name: str) -> str:
    """The value of a cookie, "" where it is not sent."""
    return cookie_parser(headers.get(b"cookie", b"").decode("latin-1")).get(name, "")
