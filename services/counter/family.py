"""Which family a model belongs to, and what is known of it: the packaged calibration data."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from pathlib import Path

import msgspec
from msgspec import Struct

from services.counter.framing import Frame


class ErrorBand(Struct, frozen=True, array_like=True):
    """Expected absolute error as a share of the count; 0.02 = 2 %."""

    median: float
    p90: float


UNKNOWN_ERROR = ErrorBand(0.05, 0.25)


class Family(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Models that share a vocabulary and a frame."""

    name: str
    pattern: str
    """Searched in the lower-cased model id; the first family that matches wins."""
    vocabulary: str
    frame: Frame
    kin: str = ""
    """Families of one kin share every number of their frames but a few."""
    ratios: str = ""
    """Name of the per-script multipliers where ``vocabulary`` is not the family's own."""
    reconstruction: str = ""
    """The family's vocabulary in the optional ``ctok`` package."""
    is_approximate: bool = False
    """The vocabulary or the frame is the nearest known, not the family's own."""
    responses: Frame | None = None
    """The frame of the Responses endpoint, where it differs."""
    errors: dict[str, ErrorBand] = {}
    """By ``error_key``: measured on recordings not used for fitting."""

    def error_of(self, bucket: str, way: str) -> ErrorBand:
        """What a count of this kind of request is worth; where that is not known, of its like."""
        known = (error_key(bucket, way), bucket, error_key(bucket, "responses"))
        return next((self.errors[key] for key in known if key in self.errors), UNKNOWN_ERROR)


def error_key(bucket: str, way: str) -> str:
    """Errors are kept by the kind of request ("text", "plain", "tools", ...) and how it is counted.

    ``way``: "responses" by that frame, "reconstructed" by that vocabulary, else empty.
    """
    return f"{way}.{bucket}" if way else bucket


class Calibration(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole data file; ``source`` says what it was measured on."""

    version: int
    source: str
    ratios: dict[str, dict[str, float]]
    families: list[Family]

    def family_of(self, model: str) -> Family:
        """The first family whose pattern the model's id matches; the last one matches all."""
        name = model.lower()
        for family in self.families:
            if re.search(family.pattern, name):
                return family
        return self.families[-1]


def parse_calibration(data: bytes) -> Calibration:
    """Raises msgspec.ValidationError on unknown or missing fields."""
    return msgspec.json.decode(data, type=Calibration)


@cache
def load_calibration(path: Path | None = None) -> Calibration:
    """The calibration at ``path``, or the one shipped with this package.

    Raises OSError, msgspec.DecodeError.
    """
    if path is not None:
        return parse_calibration(path.read_bytes())
    shipped = resources.files("services.counter").joinpath("calibration.json")
    return parse_calibration(shipped.read_bytes())
