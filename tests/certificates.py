"""Certificates of an authority that a test makes up."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import trustme


def write_identity(folder: Path, authority: trustme.CA, *names: str) -> Path:
    """An identity, put in place as a whole by way of a link, as a Secret's files are."""
    certificate = authority.issue_cert(*names, common_name=names[0])
    target = folder / f"v{len(list(folder.glob('v*')))}" if folder.exists() else folder / "v0"
    target.mkdir(parents=True)
    certificate.cert_chain_pems[0].write_to_path(target / "tls.crt")
    certificate.private_key_pem.write_to_path(target / "tls.key")
    authority.cert_pem.write_to_path(target / "ca.crt")
    for name in ("tls.crt", "tls.key", "ca.crt"):
        draft = folder / f".{name}"
        draft.symlink_to(target / name)
        os.replace(draft, folder / name)
    return folder


def server_certificate(folder: Path, *names: str) -> tuple[ssl.SSLContext, Path]:
    """What a server of these names (127.0.0.1 without any) shows, and whom to trust for it."""
    authority = trustme.CA()
    shown = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names or ("127.0.0.1",)).configure_cert(shown)
    path = folder / "authority.crt"
    authority.cert_pem.write_to_path(path)
    return shown, path
