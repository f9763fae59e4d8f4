"""Which family a model belongs to, and what is known of it: the packaged calibration data."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

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
    ratios: str = ""
    """Name of the per-script multipliers where ``vocabulary`` is not the family's own."""
    reconstruction: str = ""
    """The family's vocabulary in the optional ``ctok`` package."""
    is_approximate: bool = False
    """The vocabulary or the frame is the nearest known, not the family's own."""
    responses: Frame | None = None
    """The frame of the Responses endpoint, where it differs."""
    errors: dict[str, ErrorBand] = {}
    """By bucket ("text", "plain", "tools", ...): measured on recordings not used for fitting."""
    reconstructed_errors: dict[str, ErrorBand] = {}
    """The same, where the reconstruction counts."""

    def error_of(self, bucket: str, *, is_estimate: bool) -> ErrorBand:
        """What a count of this kind of request is worth."""
        is_reconstructed = bool(self.ratios) and not is_estimate
        errors = self.reconstructed_errors if is_reconstructed else self.errors
        return errors.get(bucket) or errors.get("all") or UNKNOWN_ERROR


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
def load_calibration() -> Calibration:
    """The calibration shipped with this package."""
    return parse_calibration(
        resources.files("services.counter").joinpath("calibration.json").read_bytes()
    )
