"""``gatebeyz up``: everything, from nothing to ready, until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from laptop.embedded_store import EmbeddedStore, StoreInUse
from laptop.greeting import render_greeting
from laptop.onboarding import issue_key, issue_links
from laptop.operator_client import open_operator
from laptop.profile import (
    DATA_DIR,
    RUNNING_FILE,
    PlanError,
    Profile,
    make_profile,
    read_secret,
)
from laptop.secret_file import OPERATOR_TOKEN
from laptop.supervisor import StartFailed, Supervisor
from runtime.config import SecretText
from runtime.faults import ServiceFault

START_TIMEOUT_S: Final = 60.0


def launch(environ: Mapping[str, str], folder: Path) -> int:
    """Runs an installation in ``folder`` until it is told to stop; the exit status."""
    os.umask(0o077)
    started_at = time.monotonic()
    try:
        with ExitStack() as stack:
            store = None
            if not environ.get("REDIS_URL"):
                data_dir = folder / DATA_DIR
                data_dir.mkdir(mode=0o700, exist_ok=True)
                store = stack.enter_context(EmbeddedStore.acquire(data_dir / "store"))
            redis_url = environ.get("REDIS_URL") or (store.url if store else "")
            profile = make_profile(environ, folder, redis_url)
            installation = Installation(environ, profile, store)
            return asyncio.run(installation.run(started_at))
    except (PlanError, StoreInUse, StartFailed, ServiceFault) as error:
        print(f"gatebeyz: {error}", file=sys.stderr)
        return 1


class Installation:
    """One run of a profile."""

    def __init__(
        self, environ: Mapping[str, str], profile: Profile, store: EmbeddedStore | None
    ) -> None:
        self._environ = environ
        self._profile = profile
        self._store = store
        logs = profile.data_dir / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        self._supervisor = Supervisor(logs, _say)
        self._stop = asyncio.Event()

    async def run(self, started_at: float) -> int:
        """Starts everything, greets, waits for a signal, stops everything."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal)
        stopped = asyncio.create_task(self._stop.wait())
        serving = asyncio.create_task(self._serve(started_at))
        running = self._profile.data_dir / RUNNING_FILE
        try:
            await asyncio.wait([stopped, serving], return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
                await stopped
            _say("stopping")
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            running.unlink(missing_ok=True)
            await self._supervisor.stop()
            stopped.cancel()
        _say("stopped")
        return 0

    def _on_signal(self) -> None:
        """The first signal stops in order; another one stops at once."""
        if self._stop.is_set():
            self._supervisor.kill()
        self._stop.set()

    async def _serve(self, started_at: float) -> None:
        profile = self._profile
        if self._store is not None:
            store = self._store.command(dict(self._environ))
            await self._supervisor.start([store], START_TIMEOUT_S)
        upstream = [profile.demo] if profile.demo else []
        commands = [*upstream, *profile.services, profile.edge]
        await self._supervisor.start(commands, START_TIMEOUT_S)
        key, links = await self._welcome()
        self._write_running()
        _say(render_greeting(profile, key, links, time.monotonic() - started_at))

    async def _welcome(self) -> tuple[str, dict[str, str]]:
        """A key, and a one-time link into each site."""
        token = read_secret(self._environ, self._profile.secret_files, OPERATOR_TOKEN)
        async with open_operator(self._profile.targets["auth"], SecretText(token)) as client:
            plan = self._profile.plan
            return await issue_key(client, plan), await issue_links(client, plan)

    def _write_running(self) -> None:
        """Tells the command line where this installation listens."""
        facts = {
            "pid": os.getpid(),
            "url": self._profile.url,
            "credits_url": self._profile.credits_url,
            "sites": dict(self._profile.site_urls),
            "targets": dict(self._profile.targets),
        }
        path = self._profile.data_dir / RUNNING_FILE
        path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _say(text: str) -> None:
    print(text, flush=True)
