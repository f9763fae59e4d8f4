"""``gatebeyz``, or ``python -m cli``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from cli.account import accounts
from cli.audit import audit
from cli.calibrate import calibrate
from cli.check import check
from cli.key import keys
from cli.ledger import ledger
from cli.member import members
from cli.relay import relays


@click.group()
def main() -> None:
    """Run and operate a GateBeyz gateway.

    accounts, keys, members, ledger, audit and relays talk to the auth service at
    GATEBEYZ_AUTH_TARGET with GATEBEYZ_OPERATOR_TOKEN, or to the installation that runs in this
    folder.
    """


@main.command("up")
def up() -> None:
    """Start everything on this machine and print how to use it."""
    from laptop.launch import launch

    sys.exit(launch(os.environ, Path.cwd()))


main.add_command(check)
main.add_command(calibrate)
main.add_command(accounts)
main.add_command(keys)
main.add_command(members)
main.add_command(ledger)
main.add_command(audit)
main.add_command(relays)

if __name__ == "__main__":
    main()
