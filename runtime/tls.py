"""Who a process is to the others: a certificate from files, read again when they change.

A folder holds ``tls.crt``, ``tls.key`` and ``ca.crt``, as cert-manager writes them. Both sides of
every gRPC call show a certificate of the one authority in it. Nothing is restarted for a new one:
servers are asked for theirs at each handshake, clients open a new channel and let the old one end.
"""

from __future__ import annotations

import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

from runtime.config import ConfigError
from runtime.logs import get_logger

CHECK_S: Final = 1.0
_FILES: Final = ("tls.crt", "tls.key", "ca.crt")


@dataclass(frozen=True, slots=True)
class Identity:
    """What the files say, as PEM."""

    certificate: bytes
    key: bytes
    authority: bytes


class CertificateFolder:
    """The identity in ``folder``; ConfigError where it is not whole at the start.

    A later one that is not whole, or whose key is another certificate's, never replaces one that
    works. Safe to use from the threads that gRPC asks from.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._stamp = self._read_stamp()
        self._looked_at = time.monotonic()
        try:
            self._identity = self._read()
        except (OSError, ssl.SSLError) as error:
            raise ConfigError([f"GATEBEYZ_TLS: {folder} has no usable identity: {error}"]) from None

    def current(self) -> Identity:
        """The identity that holds now; files are looked at no more than once a second."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked_at >= CHECK_S:
                self._looked_at = now
                self._refresh()
            return self._identity

    def _refresh(self) -> None:
        stamp = self._read_stamp()
        if stamp == self._stamp:
            return
        try:
            self._identity = self._read()
        except (OSError, ssl.SSLError) as error:
            get_logger().error("certificate kept: the new one cannot be used", why=str(error))
        else:
            get_logger().info("certificate changed")
        self._stamp = stamp

    def _read(self) -> Identity:
        certificate, key, authority = (self._folder / name for name in _FILES)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(authority)
        return Identity(certificate.read_bytes(), key.read_bytes(), authority.read_bytes())

    def _read_stamp(self) -> tuple[tuple[int, int], ...]:
        """Changes when a file is written, or replaced by way of a link."""
        stats = []
        for name in _FILES:
            try:
                stat = (self._folder / name).stat()
            except OSError:
                stats.append((0, 0))
            else:
                stats.append((stat.st_ino, stat.st_mtime_ns))
        return tuple(stats)


def server_credentials(folder: CertificateFolder) -> grpc.ServerCredentials:
    """Credentials of a server that asks its callers for a certificate too."""
    given = folder.current()

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal given
        identity = folder.current()
        if identity is given:
            return None
        given = identity
        return _configuration(identity)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(given), fetch, require_client_authentication=True
    )


def channel_credentials(identity: Identity) -> grpc.ChannelCredentials:
    """Credentials of a client; they do not change, so a new identity needs a new channel."""
    return grpc.ssl_channel_credentials(identity.authority, identity.key, identity.certificate)


def _configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(identity.key, identity.certificate)], identity.authority
    )
