"""docs/counting-accuracy.md: what the shipped calibration states of every family's counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from services.counter.family import ErrorBand, Family, load_calibration

PATH = Path("docs/counting-accuracy.md")
INTRO = """\
# The accuracy of counts

<!-- Written by `make docs` from the shipped calibration. -->

Errors as shares of the provider's own count, median and 90th percentile, measured on recorded
exchanges that took no part in fitting ([counting.md](counting.md)). A family with fewer than five
recordings of a kind states the error of its kin; a kind that is absent here is stated as 5 % and
25 %. `responses` is OpenAI's Responses endpoint, `reconstructed` a count by the optional `ctok`;
`text` is plain text without framing.
"""


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _rows(family: Family) -> Iterator[str]:
    name = family.name
    for key, band in sorted(family.errors.items()):
        yield f"| {name} | {key.replace('.', ', ')} | {_shown(band)} |"
        name = ""


def _shown(band: ErrorBand) -> str:
    return f"{_percent(band.median)} | {_percent(band.p90)}"


def render() -> str:
    """The page."""
    head = ["| family | kind of request | median | 90 % within |", "|---|---|---|---|"]
    rows = [row for family in load_calibration().families for row in _rows(family)]
    return INTRO + "\n" + "\n".join([*head, *rows]) + "\n"
