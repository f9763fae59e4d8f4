"""How far counts are from the providers' own, by family and by kind of request."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Final, TypeAlias

from msgspec.structs import replace

from services.counter.family import Calibration, ErrorBand, Family, error_key
from services.counter.meter import Meter, bucket_of
from services.counter.recording import Recording

MIN_MEASURED: Final = 5
"""Fewer recordings than this state no error."""

Errors: TypeAlias = dict[str, dict[str, list[float]]]
"""Owner → key of the error → absolute errors as shares of the provider's count."""

_DIGITS: Final = 4


def band_of(errors: Iterable[float]) -> ErrorBand:
    """Median and 90th percentile, by the nearest rank."""
    ranked = sorted(errors)
    median = ranked[math.ceil(0.5 * len(ranked)) - 1]
    p90 = ranked[math.ceil(0.9 * len(ranked)) - 1]
    return ErrorBand(round(median, _DIGITS), round(p90, _DIGITS))


def measure(
    calibration: Calibration, recordings: Iterable[Recording], *, reconstruct: bool
) -> Errors:
    """The errors of every family that ``recordings`` show."""
    meter = Meter(calibration, may_reconstruct=reconstruct)
    errors: Errors = defaultdict(lambda: defaultdict(list))
    for recording in recordings:
        chosen = meter.approach(recording.model, recording.prompt)
        if reconstruct and not chosen.family.reconstruction:
            continue
        tally = meter.count_prompt(recording.model, recording.prompt)
        key = error_key(bucket_of(recording.prompt, chosen.frame), chosen.way)
        error = abs(tally.tokens - recording.tokens) / recording.tokens
        errors[chosen.family.name][key].append(error)
    return errors


def pool(calibration: Calibration, errors: Errors) -> Errors:
    """The same errors by kin."""
    pooled: Errors = defaultdict(lambda: defaultdict(list))
    for family in calibration.families:
        for key, values in errors.get(family.name, {}).items():
            pooled[family.kin or family.name][key] += values
    return pooled


def state_errors(calibration: Calibration, errors: Errors) -> Calibration:
    """``calibration`` with the errors measured; a family with too few takes those of its kin.

    What not even the kin shows stays as it was.
    """
    kin = pool(calibration, errors)
    families = [
        replace(family, errors=_stated(family, errors, kin)) for family in calibration.families
    ]
    return replace(calibration, families=families)


def _stated(family: Family, errors: Errors, kin: Errors) -> dict[str, ErrorBand]:
    stated = dict(family.errors)
    for measured in (kin.get(family.kin or family.name, {}), errors.get(family.name, {})):
        for key, values in measured.items():
            if len(values) >= MIN_MEASURED:
                stated[key] = band_of(values)
    return dict(sorted(stated.items()))
