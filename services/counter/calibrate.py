"""Calibration from recorded exchanges: ``python -m services.counter.calibrate``.

Half of the recordings, by where they come from, is fitted to; the other half says what the result
is worth. The same recordings give the same file, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import msgspec

from services.counter import reconstruction
from services.counter.accuracy import Errors, band_of, measure, pool, state_errors
from services.counter.family import Calibration, load_calibration
from services.counter.fitting import fit
from services.counter.recording import Halves, load_recordings, split_halves

_PATH: Final = click.Path(exists=True, path_type=Path)
_ROW: Final = "{:<22} {:<24} {:>5} {:>8} {:>8}"


def calibrate(calibration: Calibration, halves: Halves) -> tuple[Calibration, Errors]:
    """The calibration fitted to one half, and its errors on the other.

    The frames around reconstructed vocabularies take part only where ``ctok`` is installed.
    """
    # Frames first: the ratios are fitted to what a frame leaves over.
    ways = (True, False) if reconstruction.is_installed() else (False,)
    for reconstruct in ways:
        calibration = fit(calibration, halves.fitted, reconstruct=reconstruct)
    measured: Errors = {}
    for reconstruct in ways:
        for name, errors in measure(calibration, halves.held_out, reconstruct=reconstruct).items():
            measured.setdefault(name, {}).update(errors)
    return state_errors(calibration, measured), measured


def render_calibration(calibration: Calibration) -> bytes:
    """The data file."""
    data = msgspec.json.encode(calibration)
    return msgspec.json.format(data, indent=1) + b"\n"


def render_errors(calibration: Calibration, errors: Errors) -> Iterator[str]:
    """Two tables: what the held-out recordings say of every family, and of families of one kin."""
    names = [family.name for family in calibration.families]
    yield from _render_table("family", names, errors)
    kin = list(dict.fromkeys(family.kin for family in calibration.families if family.kin))
    yield ""
    yield from _render_table("kin", kin, pool(calibration, errors))


def _render_table(title: str, names: list[str], errors: Errors) -> Iterator[str]:
    yield _ROW.format(title, "kind of request", "held", "median", "p90")
    for name in names:
        for key, values in sorted(errors.get(name, {}).items()):
            band = band_of(values)
            yield _ROW.format(name, key, len(values), f"{band.median:.2%}", f"{band.p90:.2%}")


@click.command("calibrate")
@click.argument("recordings", nargs=-1, required=True, type=_PATH)
@click.option("--base", type=_PATH, help="Start from this calibration, not the shipped one.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the fitted calibration here.",
)
def main(recordings: tuple[Path, ...], base: Path | None, out: Path | None) -> None:
    """Fit the token counter to recorded exchanges and print what it is worth.

    RECORDINGS are files or folders. Half of them, by where they come from, is fitted to; the
    errors printed are those on the other half. Point GATEBEYZ_COUNTER_CALIBRATION at the file
    written to count by it.
    """
    try:
        calibration = load_calibration(base)
        found, passed_over = load_recordings(recordings)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    halves = split_halves(found)
    calibration, errors = calibrate(calibration, halves)
    for line in render_errors(calibration, errors):
        click.echo(line)
    click.echo(
        f"\n{len(halves.fitted)} recordings fitted, {len(halves.held_out)} held out, "
        f"{passed_over} values held no request with a count."
    )
    if out is not None:
        out.write_bytes(render_calibration(calibration))


if __name__ == "__main__":
    main(prog_name="gatebeyz calibrate")
