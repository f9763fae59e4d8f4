"""Log lines: one JSON object each, and nothing in it that must stay inside."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

SCRIPT = """
import logging
from runtime.logs import configure, get_logger
configure("sample", "INFO")
log = get_logger()
log.debug("too fine")
log.info("request", key="sk-gb-pl-secret", body="a prompt", model="m", n=3, text="a\\nb")
log.info("said", note="the key sk-gb-pl-AbCdEfGhIjKlMnOp and Bearer abcdefghijkl", long="x" * 9000)
try:
    raise ValueError("sk-ant-api03-AbCdEfGhIjKlMnOpQrSt")
except ValueError:
    log.exception("failed")
logging.getLogger("library").warning("a library's %s", "warning")
"""


def lines_of(script: str) -> list[dict[str, Any]]:
    """What a process of its own logs: the configuration is one per process."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_lines_are_json_and_keep_their_secrets() -> None:
    request, said, failed, library = lines_of(SCRIPT)

    assert (request["event"], request["process"], request["model"]) == ("request", "sample", "m")
    assert request["key"] == request["body"] == "[redacted]"
    assert said["note"] == "the key [redacted] and [redacted]"
    assert len(said["long"]) == 2_000
    assert failed["level"] == "error"
    assert "ValueError" in failed["exception"]
    assert "AbCdEfGh" not in json.dumps(failed)
    assert library["text"] == "a library's warning"
    assert library["logger"] == "library"
    assert logging.getLogger().handlers is not None
