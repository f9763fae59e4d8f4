"""``gatebeyz check``: is the configuration right, before anything starts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from laptop.catalog import FILE_NAME
from runtime.catalog import load_catalog
from runtime.config import ConfigError

PROCESSES = ("services.auth", "services.counter", "services.relay", "services.translator", "edge")


@click.command("check")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--processes", is_flag=True, help="Also check the environment of every process.")
def check(file: Path | None, processes: bool) -> None:
    """Check the catalog (FILE, else GATEBEYZ_CATALOG, else ./gatebeyz.yaml).

    Every fault is reported at once, each with its line. Nothing is dialled.
    """
    path = file or Path(os.environ.get("GATEBEYZ_CATALOG") or FILE_NAME)
    faults = check_catalog(path, os.environ)
    for fault in faults:
        click.echo(f"{path}: {fault}", err=True)
    failed = [module for module in PROCESSES if processes and not _check_process(module)]
    if faults or failed:
        raise SystemExit(1)
    click.echo(f"{path}: valid")


def check_catalog(path: Path, environ: Mapping[str, str]) -> list[str]:
    """Everything that is wrong with the catalog at ``path``; empty if nothing is."""
    try:
        load_catalog(path.read_text(encoding="utf-8"), environ)
    except ConfigError as error:
        return error.faults
    except OSError as error:
        return [f"cannot be read: {error.strerror}"]
    except UnicodeDecodeError:
        return ["is not UTF-8 text"]
    return []


def _check_process(module: str) -> bool:
    """Whether the process finds its environment valid; it says itself what is not."""
    command = [sys.executable, "-m", module, "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    for line in (result.stdout + result.stderr).splitlines():
        click.echo(f"{module}: {line}", err=result.returncode != 0)
    return result.returncode == 0
