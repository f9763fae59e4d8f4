"""Pages out of templates: escaped by default, a missing value is a failure, one set a language."""

from __future__ import annotations

from typing import Any, Final

import jinja2
from starlette.responses import HTMLResponse, Response

from edge.web.brand import Brand
from edge.web.formats import Formats
from edge.web.language import LANGUAGES, load_translations
from edge.web.static import StaticFiles
from edge.web.view import View, other_languages

ROOMS: Final = ("web", "site", "panel", "console")


class Renderer:
    """Renders any page of the edge in any of its languages."""

    def __init__(self, brand: Brand, static: StaticFiles) -> None:
        self.formats = {code: Formats(code) for code in LANGUAGES}
        self.translations = {code: load_translations(code) for code in LANGUAGES}
        self._environments = {code: self._environment(code, brand, static) for code in LANGUAGES}

    def _environment(self, code: str, brand: Brand, static: StaticFiles) -> jinja2.Environment:
        environment = jinja2.Environment(
            loader=jinja2.ChoiceLoader([jinja2.PackageLoader(f"edge.{room}") for room in ROOMS]),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            extensions=["jinja2.ext.i18n"],
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.policies["ext.i18n.trimmed"] = True
        environment.install_gettext_translations(  # type: ignore[attr-defined]
            self.translations[code], newstyle=True
        )
        environment.globals |= {"brand": brand, "static": static.path, "fmt": self.formats[code]}
        return environment

    def text(self, view: View, message: str) -> str:
        """A sentence marked with N_, in the visitor's language."""
        return self.translations[view.language].gettext(message)

    def page(self, view: View, name: str, status: int = 200, **values: Any) -> Response:
        """The answer that shows a template."""
        template = self._environments[view.language].get_template(name)
        languages = other_languages(view.language)
        text = template.render(view=view, languages=languages, **values)
        return HTMLResponse(text, status, headers={"vary": "accept-language, cookie"})


def N_(message: str) -> str:  # noqa: N802 - gettext's word for a message translated later
    """Marks a sentence for the catalogues."""
    return message
