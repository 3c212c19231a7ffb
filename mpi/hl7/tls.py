"""Encryption: contexts from PEM files, for the listener and for those we send to."""

import ssl
from pathlib import Path

from mpi.config import InvalidConfiguration


def server_context(certificate: Path, key: Path, client_ca: Path | None = None) -> ssl.SSLContext:
    """A context for TLS 1.2 and above; with `client_ca` only senders with a certificate of it are let in.

    Raises `InvalidConfiguration` naming the file that cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidConfiguration(f"{certificate}: certificate and key cannot be used ({error})") from error
    if client_ca is not None:
        try:
            context.load_verify_locations(client_ca)
        except (OSError, ssl.SSLError) as error:
            raise InvalidConfiguration(f"{client_ca}: no certificates can be read ({error})") from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(ca: str | None, certificate: str | None = None, key: str | None = None) -> ssl.SSLContext:
    """A context for TLS 1.2 and above that checks the receiver against `ca` (None: the machine's own authorities).

    Raises `InvalidConfiguration` naming the file that cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise InvalidConfiguration(f"{ca}: no certificates can be read ({error})") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise InvalidConfiguration(f"{certificate}: certificate and key cannot be used ({error})") from error
    return context
