"""A channel whose certificate may change: new calls use the current one, running ones go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Self

import grpc.aio

from runtime.tls import CertificateFolder, Identity

# What calls of a replaced channel get to end; the longest exchange is shorter.
OLD_CALLS_S: Final = 3_660.0

Open = Callable[[Identity], grpc.aio.Channel]


class RotatingChannel:
    """What stubs need of a channel; ``open_with`` opens one for an identity."""

    def __init__(self, folder: CertificateFolder, open_with: Open) -> None:
        self._folder = folder
        self._open_with = open_with
        self._identity = folder.current()
        self._channel = open_with(self._identity)
        self._closing: set[asyncio.Task[None]] = set()

    def unary_unary(self, *args: Any, **kwargs: Any) -> _Method:
        """As of a channel."""
        return _Method(self, "unary_unary", args, kwargs)

    def unary_stream(self, *args: Any, **kwargs: Any) -> _Method:
        """As of a channel."""
        return _Method(self, "unary_stream", args, kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> _Method:
        """As of a channel."""
        return _Method(self, "stream_stream", args, kwargs)

    def current(self) -> grpc.aio.Channel:
        """The channel of the identity that holds now."""
        identity = self._folder.current()
        if identity is not self._identity:
            old = self._channel
            self._identity, self._channel = identity, self._open_with(identity)
            task = asyncio.ensure_future(old.close(OLD_CALLS_S))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        return self._channel

    async def close(self, grace: float | None = None) -> None:
        """Close it, and what is left of those before."""
        for task in tuple(self._closing):
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._channel.close(grace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()


class _Method:
    """A method's callable, made anew for each channel."""

    __slots__ = ("_args", "_callable", "_channel", "_kind", "_kwargs", "_rotating")

    def __init__(
        self, rotating: RotatingChannel, kind: str, args: Any, kwargs: dict[str, Any]
    ) -> None:
        self._rotating = rotating
        self._kind = kind
        self._args = args
        self._kwargs = kwargs
        self._channel: grpc.aio.Channel | None = None
        self._callable: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        channel = self._rotating.current()
        if channel is not self._channel:
            self._channel = channel
            self._callable = getattr(channel, self._kind)(*self._args, **self._kwargs)
        return self._callable(*args, **kwargs)
