# SPDX-License-Identifier: Apache-2.0
"""What subscribers do: connect, and read their mail. Each client runs inside a host's network."""

import errno
import imaplib
import poplib
import smtplib
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from .hosts import Host


@dataclass(frozen=True)
class Attempt:
    """How a connection went: "open", "refused", "timeout", or the name of another error."""

    outcome: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.outcome} after {self.seconds * 1000:.1f} ms"


def connect(host: Host, address: str, port: int = 25, source: str | None = None, timeout: float = 3) -> Attempt:
    """One connection, closed again at once."""
    with host.network():
        return connect_here(address, port, source, timeout)


def connect_here(address: str, port: int, source: str | None = None, timeout: float = 3) -> Attempt:
    """The same, for a thread that is in the host's network already."""
    begin = time.monotonic()
    try:
        socket.create_connection((address, port), timeout, (source, 0) if source else None).close()
        outcome = "open"
    except ConnectionRefusedError:
        outcome = "refused"
    except TimeoutError:
        outcome = "timeout"
    except OSError as error:
        outcome = errno.errorcode.get(error.errno or 0, str(error))
    return Attempt(outcome, time.monotonic() - begin)


class Pop3(poplib.POP3):
    """POP3 from a source address of one's own."""

    def __init__(self, server: str, source: str | None = None, timeout: float = 10):
        self._source = source
        super().__init__(server, 110, timeout)

    def _create_socket(self, timeout):
        return socket.create_connection((self.host, self.port), timeout, (self._source, 0) if self._source else None)


class Imap4(imaplib.IMAP4):
    """IMAP from a source address of one's own."""

    def __init__(self, server: str, source: str | None = None, timeout: float = 10):
        self._source = source
        super().__init__(server, 143, timeout)

    def _create_socket(self, timeout):
        return socket.create_connection((self.host, self.port), timeout, (self._source, 0) if self._source else None)


def trust(certificate: Path) -> ssl.SSLContext:
    """A context that trusts this certificate and nobody else."""
    return ssl.create_default_context(cafile=str(certificate))


def pop3_login(context: ssl.SSLContext, server: str, user: str, password: str, source: str | None = None) -> Pop3:
    """STLS, USER, PASS; returns when +OK has been read. poplib.error_proto if the login failed."""
    client = Pop3(server, source)
    try:
        client.stls(context)
        client.user(user)
        client.pass_(password)
    except BaseException:
        client.close()
        raise
    return client


def apop_login(server: str, user: str, password: str, source: str | None = None) -> Pop3:
    """APOP, without TLS as its users have it."""
    client = Pop3(server, source)
    try:
        client.apop(user, password)
    except BaseException:
        client.close()
        raise
    return client


def imap_login(context: ssl.SSLContext, server: str, user: str, password: str, source: str | None = None) -> Imap4:
    """STARTTLS, LOGIN. imaplib.IMAP4.error if the login failed."""
    client = Imap4(server, source)
    try:
        client.starttls(context)
        client.login(user, password)
    except BaseException:
        client.shutdown()
        raise
    return client


class Smtp(smtplib.SMTP):
    """SMTP with STARTTLS, from a source address of one's own."""

    def __init__(self, server: str, port: int = 587, source: str | None = None, timeout: float = 14):
        super().__init__(server, port, "client.example.net", timeout, (source, 0) if source else None)


class SmtpTls(smtplib.SMTP_SSL):
    """SMTP in TLS from the first byte; the certificate is looked at under the server's name."""

    def __init__(self, server: str, context: ssl.SSLContext, source: str | None = None, timeout: float = 14):
        super().__init__(server, 465, "client.example.net", timeout=timeout, context=context,
                         source_address=(source, 0) if source else None)


def smtp_login(context: ssl.SSLContext, server: str, user: str, password: str, *, implicit: bool = False,
               source: str | None = None) -> smtplib.SMTP:
    """TLS and AUTH; returns when 235 has been read. smtplib.SMTPAuthenticationError if the login failed."""
    client = SmtpTls(server, context, source) if implicit else Smtp(server, source=source)
    try:
        if not implicit:
            client.starttls(context=context)
        client.login(user, password)
    except BaseException:
        client.close()
        raise
    return client
