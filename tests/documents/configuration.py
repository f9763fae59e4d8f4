"""docs/configuration.md: every setting of every process, as the processes declare them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import runtime.catalog
from edge.config import Config as EdgeConfig
from runtime.config import ProcessConfig, SecretText
from services.auth.config import AuthConfig
from services.counter.config import Config as CounterConfig
from services.relay.config import RelayConfig
from services.translator.config import Config as TranslatorConfig

PATH = Path("docs/configuration.md")
PROCESSES: dict[str, Any] = {
    "edge": EdgeConfig,
    "auth": AuthConfig,
    "counter": CounterConfig,
    "translator": TranslatorConfig,
    "relay": RelayConfig,
}
INTRO = """\
# Configuration

<!-- Written by `make docs` from the code. -->

A process reads its settings from the environment, once, at its start. It names every fault at once
and exits with status 2; `--check` only reads and reports (`python -m edge --check`). A secret `X`
may stand in a file named by `X_FILE`. Empty, short and default secrets are refused. `make run`
chooses and keeps all of this by itself; what you set beforehand is left as it is.
"""
CATALOG = """\
## The catalog: gatebeyz.yaml

Upstreams, models, plans and prices stand in one file named by `GATEBEYZ_CATALOG`. It is read again
when it changes; a text with faults never replaces one that works, and the log says why. `gatebeyz
check` reports every fault with its line.

"""


def settings_of(config: Any) -> Iterator[tuple[str, str, str]]:
    """Name, default and meaning of each setting."""
    hints = get_type_hints(config)
    for field in dataclasses.fields(config):
        is_required = field.default is dataclasses.MISSING
        is_secret = hints[field.name] in (SecretText, SecretText | None)
        default = "required" if is_required else _shown(field.default)
        meaning = field.metadata["help"]
        yield field.metadata["name"], default, f"{meaning} (secret)" if is_secret else meaning


def _shown(default: Any) -> str:
    if default in ("", (), None):
        return ""
    return f"`{','.join(default) if isinstance(default, tuple) else default}`"


def _table(rows: list[tuple[str, str, str]]) -> str:
    lines = [f"| `{name}` | {default} | {meaning} |" for name, default, meaning in rows]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *lines, ""])


def render() -> str:
    """The whole page."""
    shared = list(settings_of(ProcessConfig))
    names = {name for name, _, _ in shared}
    sections = [INTRO, "## Every process\n", _table(shared)]
    for process, config in PROCESSES.items():
        rows = [row for row in settings_of(config) if row[0] not in names]
        sections += [f"## {process}\n", _table(rows)]
    _, _, example = (runtime.catalog.__doc__ or "").partition("::\n\n")
    block = example.split("\n\nA catalog")[0]
    lines = [line.removeprefix("    ") for line in block.splitlines()]
    sections.append(CATALOG + "```yaml\n" + "\n".join(lines) + "\n```\n")
    return "\n".join(sections)
