"""docs/dialects.md: what each road between two dialects keeps and loses.

The tables are the data that ``tests/contract`` proves line by line, and the model rules are those
the encoders go by.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from dialects.capabilities import RULES, Capabilities
from dialects.registry import DIALECTS
from tests.contract.losses import FINISHES, LOSSES, UNREAD
from tests.contract.request_losses import FATES, FieldFate

PATH = Path("docs/dialects.md")

NAMES: Final = {
    "anthropic_messages": "Anthropic Messages",
    "openai_chat": "OpenAI Chat Completions",
    "openai_responses": "OpenAI Responses",
}

INTRO: Final = """\
# Dialects

<!-- Written by `make docs` from the code and from the tables the tests prove. -->

Any model answers on any surface. Where the upstream speaks the caller's dialect, the bytes pass as
they are; elsewhere the translator carries request and answer through one neutral form
(`dialects/conversation.py`, `dialects/events.py`), so three dialects need three readers and three
writers, not six pairs.

"""
LETTERS: Final = """\
## What becomes of a field

| letter | meaning |
|---|---|
| P, M | carried, as it is or in the other dialect's words |
| S | left out without a word: nothing is lost for the caller |
| W | changed or left out, and named in the answer's header `x-gatebeyz-warnings: field=what;…` |
| E | refused with 400 in the caller's dialect, the field named |

A request with `x-gatebeyz-strict: 1` has every W answered as an E. Fields nobody knows are a W. A
null is as good as an absent field. The tables name the fields as the caller knows them; `–` means
that the line does not concern that road.

"""
TURNS: Final = """\
## Reasoning from turn to turn

What a model thought comes back in the next request, or it answers worse, or not at all. A signature
of one provider is refused by every other, so on a translated road the thought travels sealed: an
envelope `gb1.…` stands where the client's dialect keeps a signature (`thinking.signature`,
`encrypted_content`, `reasoning_details[].data`). Clients give it back as they got it.

- Sealed with keys of the installation (`GATEBEYZ_SEAL_KEYS`; the first seals, all of them open),
  for one account, one provider and one family of models. The text inside counts, not the client's
  copy of it.
- What does not open (another account, an unknown key, another provider) is left out without an
  error, and the calls around it stay paired with their results.
- A conversation goes on at the upstream that signed its latest thought, where the account may still
  use it.
- No envelope reaches a provider, also where the dialect stays the same: a body that holds one takes
  the way through the translator, which opens what is the provider's own and leaves the rest out.
- Signatures that are no envelopes are a provider's own and mean nothing to another: left out, or
  given as text to servers that want their reasoning back.

## The same bytes every time

Models bind caches and thoughts to what stands before them. The translation of a conversation
begins with the translation of its beginning, byte for byte: nothing is moved to the top, no time,
no random id, no order of a set enters a request. Only the repairs of a request that could not be
answered (an answer at the very end) may differ later, and cache marks beyond the fourth.

## End users

Providers see one pseudonym for each account, `gb_` and a keyed digest (`GATEBEYZ_PSEUDONYM_KEY`),
in the place of whatever a client said in `metadata.user_id`, `user` or `safety_identifier`.

"""
MODELS: Final = """\
## What each model takes

Rules by the beginning of the upstream model's id, the longest first; a vendor before the name
(`anthropic/…`, `us.anthropic.…`) is passed over. An operator overrides any of it in
`gatebeyz.yaml`: for all models of an upstream by `model_capabilities`, for one model by
`capabilities`, by the names below.

From gpt-5.6 on, OpenAI takes tools beside reasoning on Responses only: give such a model an
upstream of that dialect. Where it has a Chat upstream alone, a translated request with tools does
without reasoning, and says so.

```yaml
upstreams:
  - name: vllm
    dialect: openai_chat
    base_url: https://vllm.example.org/v1
    model_capabilities: {thinking: [enabled, disabled], thinking_switch: chat_template_kwargs}
models:
  - id: local-large
    routes: [{upstream: vllm, model: org/Large-70B}]
    capabilities: {max_stops: 4, reasoning_field: reasoning_content}
```

"""


def render() -> str:
    """The whole page."""
    return "".join(
        (
            INTRO,
            *_matrix(),
            LETTERS,
            *_requests(),
            *_answers(),
            TURNS,
            MODELS,
            *_models(),
        )
    )


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    titles = list(head)
    yield f"| {' | '.join(titles)} |\n"
    yield f"|{'---|' * len(titles)}\n"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n"
    yield "\n"


def _matrix() -> Iterator[str]:
    yield "## The nine roads\n\n"
    yield "Rows are what the caller speaks, columns what the upstream speaks. A count is of the\n"
    yield "lines below that say so.\n\n"
    yield from table(
        ["caller → upstream", *(NAMES[name] for name in DIALECTS)],
        ([f"**{NAMES[source]}**", *(_road(source, target) for target in DIALECTS)]
         for source in DIALECTS),
    )  # fmt: skip


def _road(source: str, target: str) -> str:
    if source == target:
        return "byte for byte"
    fates = Counter(fate.fates[target] for fate in FATES if _concerns(fate, source, target))
    kept = fates["P"] + fates["M"]
    return f"{kept} carried, {fates['S']} silent, {fates['W']} warned, {fates['E']} refused"


def _concerns(fate: FieldFate, source: str, target: str) -> bool:
    return fate.source == source and target in fate.fates


def _requests() -> Iterator[str]:
    for source in DIALECTS:
        targets = [name for name in DIALECTS if name != source]
        yield f"### From {NAMES[source]}\n\n"
        yield from table(
            ["field", *(f"→ {NAMES[target]}" for target in targets)],
            (
                [_field(fate), *(fate.fates.get(target, "–") for target in targets)]
                for fate in FATES
                if fate.source == source
            ),
        )


def _field(fate: FieldFate) -> str:
    name, blank, rest = fate.name.partition(" ")
    if name.endswith((":", ",")):
        return f"`{name[:-1]}`{name[-1]}{blank}{rest}"
    return f"`{name}`{blank}{rest}"


def _answers() -> Iterator[str]:
    yield "## What an answer loses\n\n"
    yield "Text, tool calls with their ids and arguments, reasoning, the reason of the end and\n"
    yield "the usage arrive whole. What a caller's dialect has no word for becomes this:\n\n"
    yield from table(
        ["caller's dialect", "what", "becomes"],
        ([NAMES[loss.via], loss.what, loss.becomes] for loss in LOSSES),
    )
    yield "What only a provider's own clients know reaches no other dialect:\n\n"
    yield from table(
        ["provider's dialect", "what", "becomes"],
        ([NAMES[unread.source], unread.what, unread.becomes] for unread in UNREAD),
    )
    yield from table(
        ["caller's dialect", "an end by", "is told as"],
        (
            [NAMES[name], reason.value.replace("_", " "), told.value.replace("_", " ")]
            for name, reasons in FINISHES.items()
            for reason, told in reasons.items()
        ),
    )


def _models() -> Iterator[str]:
    plain = Capabilities()
    yield from table(
        ["name", "for a model without a rule"],
        ([f"`{name}`", _shown(value)] for name, value in dataclasses.asdict(plain).items()),
    )
    yield from table(
        ["model id begins with", "differs by"],
        ([f"`{name}`", _differences(RULES[name], plain)] for name in sorted(RULES)),
    )


def _differences(rule: Capabilities, plain: Capabilities) -> str:
    usual = dataclasses.asdict(plain)
    return ", ".join(
        f"{name}: {_shown(value)}"
        for name, value in dataclasses.asdict(rule).items()
        if value != usual[name]
    )


def _shown(value: Any) -> str:
    if isinstance(value, frozenset):
        return f"[{' '.join(sorted(value))}]"
    if isinstance(value, tuple):
        return f"[{' '.join(value)}]"
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
