"""Every sentence of the pages is said in every language."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from edge.web.language import LANGUAGES, SOURCE, load_translations

ROOT = Path(__file__).resolve().parents[3]
TRANSLATED = [code for code in LANGUAGES if code != SOURCE]
MARKUP = re.compile(r"</?[a-z]+[^>]*>|%\(\w+\)[sd]")


def sources() -> set[str | tuple[str, ...]]:
    """Every marked sentence in code and templates; a plural as its pair."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["babel"]["mappings"]
    methods = [(entry["pattern"], entry["method"]) for entry in table]
    options = {entry["pattern"]: entry for entry in table}
    found = extract_from_dir(ROOT, methods, options)
    return {
        message if isinstance(message, str) else tuple(message) for _, _, message, _, _ in found
    }


def catalogue(code: str) -> Catalog:
    path = ROOT / "edge/web/locale" / code / "LC_MESSAGES/gatebeyz.po"
    with path.open("rb") as file:
        return read_po(file, locale=code)


@pytest.mark.parametrize("code", TRANSLATED)
def test_no_sentence_is_missing_and_none_is_left_over(code: str) -> None:
    entries = {message.id: message for message in catalogue(code) if message.id}

    assert set(entries) == sources(), "run `make messages` and translate what is new"
    for message in entries.values():
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(strings), f"not translated: {message.id}"
        assert not message.fuzzy, message.id


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_translation_keeps_markup_and_values(code: str) -> None:
    for message in catalogue(code):
        if isinstance(message.id, str):
            assert Counter(MARKUP.findall(message.id)) == Counter(MARKUP.findall(message.string)), (
                message.id
            )


def test_a_catalogue_is_loaded_as_it_is_written() -> None:
    assert load_translations("tr").gettext("Quick start") == "Hızlı başlangıç"
    assert load_translations("en").gettext("Quick start") == "Quick start"
