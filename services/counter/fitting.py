"""Fits a calibration's numbers to recorded counts, one at a time, by weighted median.

A count is linear in every number of a frame and in every ratio. So with all others held, the best
value of one number is the weighted median of what each recording asks it to be: exact for the sum
of relative errors, and blind to the few recordings that no frame explains. The number whose move
gains most is moved, until none gains; a calibration fitted again to the same recordings is
therefore unchanged.

What too few recordings show stays as it was. Where a family's text is itself an estimate, its
ratios are fitted and its frame is not: a frame shows only beside text counted by its own
vocabulary.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from msgspec.structs import replace

from services.counter.family import Calibration, Family
from services.counter.framing import Frame
from services.counter.meter import (
    UNCERTAIN_BUCKETS,
    Approach,
    Meter,
    bucket_of,
    fixed_terms,
    prompt_texts,
    scaled_texts,
)
from services.counter.prompt import Prompt
from services.counter.recording import Recording
from services.counter.script import ScriptVocabulary

_TOOL_TERMS: Final = ("tools", "tools_any", "tools_named", "tools_serial")
_LOOP_TERMS: Final = ("tool", "call", "calls", "result", "schema")

_OWN_TERMS: Final = {
    "openai": (),
    "json": (),
    "claude": (*_TOOL_TERMS, "thinking_adaptive"),
}
"""Numbers of one family alone, by the frame's style."""

_KIN_TERMS: Final = {
    "openai": ("exchange", *_TOOL_TERMS, *_LOOP_TERMS, "carrier"),
    "json": (*_TOOL_TERMS, *_LOOP_TERMS),
    "claude": (
        "tools_system",
        "call",
        "calls",
        "result",
        "schema",
        "thinking_enabled",
        "document",
        "page",
        "citations",
    ),
}
"""Numbers that are the same for all of a family's kin.

What a message costs is known exactly, so ``request``, ``message``, ``opening`` and Claude's
``exchange`` and ``repeat`` are never fitted: they would only take up the errors of the rest.
"""

_SCALES: Final = ("tool_scale", "schema_scale")
_SIGNED: Final = ("tool", "tools_serial")
"""Numbers that may be below zero."""

_STEP: Final = 0.5
_SCALE_STEP: Final = 0.01
_MIN_SAMPLES: Final = 8
_MIN_ORIGINS: Final = 2
_MIN_SHARE: Final = 0.2
"""A recording shows a factor where at least this share of its count hangs on it."""

_MIN_RATIO_TOKENS: Final = 5_000
"""A ratio is a trait of a language: a few short prompts do not show it."""

_MAX_CHARS_PER_TOKEN: Final = 16
"""Where the text is longer, the provider counted a part of it only."""

_MIN_GAIN: Final = 1e-6
_MAX_MOVES: Final = 10_000


class Slot(NamedTuple):
    """One number: of a ratio table, or of a frame of one family or kin."""

    place: str
    """"ratios", or the frame's field of Family: "frame", "responses"."""
    owner: str
    name: str


@dataclass(slots=True)
class Sample:
    """One recording as a sum: a constant, and for each slot its units times its value."""

    origin: str
    tokens: int
    constant: float
    terms: dict[Slot, float] = field(default_factory=dict)
    left: float = 0.0
    """Tokens that the values of now do not explain."""


def fit(
    calibration: Calibration, recordings: Iterable[Recording], *, reconstruct: bool
) -> Calibration:
    """``calibration`` with the numbers that ``recordings`` show.

    ``reconstruct``: fit the frames of families that ``ctok`` reconstructs; else all the rest.
    """
    builder = _Builder(calibration, reconstruct=reconstruct)
    samples = [sample for recording in recordings if (sample := builder.build(recording))]
    return _write(calibration, _Descent(samples, dict(builder.values)).run())


class _Descent:
    """The numbers on their way; of all single moves, the one that gains most is made next."""

    def __init__(self, samples: list[Sample], values: dict[Slot, float]) -> None:
        self.values = values
        self._shown: dict[Slot, list[Sample]] = defaultdict(list)
        self._near: dict[Slot, set[Slot]] = defaultdict(set)
        for sample in samples:
            sample.left = sample.tokens - sample.constant
            for slot, units in sample.terms.items():
                sample.left -= units * values[slot]
                self._shown[slot].append(sample)
                self._near[slot].update(sample.terms)

    def run(self) -> dict[Slot, float]:
        """The values that no single move betters."""
        moves = {slot: self._best_move(slot) for slot in sorted(self._shown)}
        for _ in range(_MAX_MOVES):
            slot = max(moves, key=lambda slot: moves[slot][0], default=None)
            if slot is None or moves[slot][0] <= 0:
                break
            self._move(slot, moves[slot][1])
            for near in self._near[slot]:
                moves[near] = self._best_move(near)
        return self.values

    def _move(self, slot: Slot, value: float) -> None:
        for sample in self._shown[slot]:
            sample.left -= sample.terms[slot] * (value - self.values[slot])
        self.values[slot] = value

    def _best_move(self, slot: Slot) -> tuple[float, float]:
        """(gain, value) of moving one number to where its recordings put it."""
        now, samples = self.values[slot], self._shown[slot]
        is_scale = slot.place == "ratios" or slot.name in _SCALES
        shown = [
            sample
            for sample in samples
            if not is_scale or sample.terms[slot] * now >= _MIN_SHARE * sample.tokens
        ]
        if len(shown) < _MIN_SAMPLES or len({s.origin for s in shown}) < _MIN_ORIGINS:
            return 0.0, now
        if slot.place == "ratios" and sum(s.terms[slot] for s in shown) < _MIN_RATIO_TOKENS:
            return 0.0, now
        asked = [
            (now + sample.left / sample.terms[slot], sample.terms[slot] / sample.tokens)
            for sample in samples
        ]
        step = _SCALE_STEP if is_scale else _STEP
        best = round(round(_weighted_median(asked) / step) * step, 2)
        if slot.name not in _SIGNED:
            best = max(0.0, best)
        gain = _error(now, asked) - _error(best, asked)
        return (gain, best) if gain > _MIN_GAIN else (0.0, now)


def _error(value: float, asked: list[tuple[float, float]]) -> float:
    return sum(abs(value - wanted) * weight for wanted, weight in asked)


def _weighted_median(asked: list[tuple[float, float]]) -> float:
    asked = sorted(asked)
    half = sum(weight for _, weight in asked) / 2
    passed = 0.0
    for value, weight in asked:
        passed += weight
        if passed >= half:
            return value
    return asked[-1][0]


class _Builder:
    """Recordings to samples; ``values`` gathers the slots they name and what stands there now."""

    def __init__(self, calibration: Calibration, *, reconstruct: bool) -> None:
        self._calibration = calibration
        self._meter = Meter(calibration, may_reconstruct=reconstruct)
        self._reconstruct = reconstruct
        self.values: dict[Slot, float] = {}

    def build(self, recording: Recording) -> Sample | None:
        """None where the recording shows nothing of the frames that are fitted."""
        prompt = recording.prompt
        chosen = self._meter.approach(recording.model, prompt)
        texts = list(prompt_texts(prompt, chosen.frame))
        is_uncertain = (
            bucket_of(prompt, chosen.frame) in UNCERTAIN_BUCKETS
            or sum(map(len, texts)) > _MAX_CHARS_PER_TOKEN * recording.tokens
        )
        if is_uncertain or (self._reconstruct and not chosen.family.reconstruction):
            return None
        sample = Sample(recording.origin, recording.tokens, fixed_terms(prompt, chosen.frame))
        if not chosen.engine.is_estimate:
            self._free_frame(sample, chosen, prompt)
        for text in texts:
            self._add_text(sample, chosen, text, 1.0)
        for name, text in scaled_texts(prompt, chosen.frame):
            if chosen.engine.is_estimate:
                self._add_text(sample, chosen, text, getattr(chosen.frame, name))
            else:
                sample.terms[self._slot(chosen, name)] = chosen.engine.count(text)
        return sample

    def _add_text(self, sample: Sample, chosen: Approach, text: str, scale: float) -> None:
        """A text of known scale: a number, or a sum over the ratios."""
        if not isinstance(chosen.engine, ScriptVocabulary):
            sample.constant += scale * chosen.engine.count(text)
            return
        table = chosen.family.ratios
        for name, tokens in chosen.engine.weigh(text).items():
            slot = Slot("ratios", table, name)
            self.values.setdefault(slot, self._calibration.ratios[table][name])
            sample.terms[slot] = sample.terms.get(slot, 0.0) + scale * tokens

    def _free_frame(self, sample: Sample, chosen: Approach, prompt: Prompt) -> None:
        """Take the frame's numbers out of the sample's constant."""
        frame = chosen.frame
        whole = frame.tokens(prompt)
        for name in (*_OWN_TERMS[frame.style], *_KIN_TERMS[frame.style]):
            raised = replace(frame, **{name: getattr(frame, name) + 1})
            units = raised.tokens(prompt) - whole
            if units > 0:
                slot = self._slot(chosen, name)
                sample.terms[slot] = units
                sample.constant -= units * self.values[slot]

    def _slot(self, chosen: Approach, name: str) -> Slot:
        place = "responses" if chosen.frame is chosen.family.responses else "frame"
        slot = Slot(place, _owner(chosen.family, chosen.frame, name), name)
        self.values.setdefault(slot, getattr(chosen.frame, name))
        return slot


def _owner(family: Family, frame: Frame, name: str) -> str:
    return family.name if name in _OWN_TERMS[frame.style] else family.kin or family.name


def _write(calibration: Calibration, values: dict[Slot, float]) -> Calibration:
    ratios = {
        table: {name: values.get(Slot("ratios", table, name), ratio) for name, ratio in row.items()}
        for table, row in calibration.ratios.items()
    }
    families = [_write_family(family, values) for family in calibration.families]
    return replace(calibration, ratios=ratios, families=families)


def _write_family(family: Family, values: dict[Slot, float]) -> Family:
    frames: dict[str, Frame] = {}
    for place in ("frame", "responses"):
        frame = getattr(family, place)
        if frame is None:
            continue
        names = (*_OWN_TERMS[frame.style], *_KIN_TERMS[frame.style], *_SCALES)
        known = {name: Slot(place, _owner(family, frame, name), name) for name in names}
        changed = {name: values[slot] for name, slot in known.items() if slot in values}
        frames[place] = replace(frame, **changed)
    return replace(family, **frames)
