"""``gatebeyz calibrate``: fit the token counter to recorded exchanges."""

from __future__ import annotations

import subprocess
import sys

import click

_MODULE = "services.counter.calibrate"


@click.command(
    "calibrate",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def calibrate(arguments: tuple[str, ...]) -> None:
    """Fit the token counter to recorded exchanges and print what it is worth.

    The counter brings the command along: every argument is its own.
    """
    command = [sys.executable, "-m", _MODULE, *arguments]
    raise SystemExit(subprocess.run(command, check=False).returncode)  # noqa: S603
