# SPDX-License-Identifier: Apache-2.0
"""The story's second half: who may not use port 25 sends through the box."""

import email
import email.policy
import smtplib
import time
from collections.abc import Iterator
from email.message import EmailMessage

from .clients import connect, connect_here, smtp_login
from .hosts import await_true
from .isp import Isp
from .topology import (DOWN4, DOWN_DOMAIN, EDGE_CORE4, EDGE_CORE6, INTERNET4, INTERNET6, ISP_DOMAIN, MX_DOMAIN,
                       SUBSCRIBERS, UNKNOWN_USER)

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]
TEXT = "Grüße aus 関所\r\n.a line that begins with a dot\r\n"


def draft(subject: str, sender: str, recipient: str) -> bytes:
    """A message as a careless program writes it: 8-bit text, a Bcc, a Return-Path, neither Date nor Message-ID."""
    head = (f"Return-Path: <somebody-else@{ISP_DOMAIN}>\r\nFrom: {sender}\r\nTo: {recipient}\r\nBcc: {B.user}@{ISP_DOMAIN},\r\n secret@{MX_DOMAIN}\r\n"
            f"Subject: {subject}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\n")
    return (head + TEXT).encode()


def arrived(isp: Isp, host: str, subject: str, seconds: float = 15) -> EmailMessage:
    """The one message of this subject in the host's inbox, awaited."""
    def look() -> EmailMessage | None:
        for path in isp.inbox(host):
            message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            if message["Subject"] == subject:
                return message
        return None
    return await_true(look, f"{subject!r} at host {host}", seconds, 0.05)


def check(message: EmailMessage, user: str) -> str:
    """The header a submission server owes its users; what was added."""
    body = message.get_payload(decode=True).replace(b"\r\n", b"\n")
    ours = [line for line in message.get_all("Received") if "by smtp.example.net" in " ".join(line.split())]
    problems = [what for what, wrong in {
        "no Received line of the box": len(ours) != 1 or "ESMTPSA" not in ours[0],
        "no Date, or two": len(message.get_all("Date", [])) != 1,
        "no Message-ID of the box": [each.endswith("@smtp.example.net>") for each in message.get_all("Message-ID", [])] != [True],
        "Return-Path": message.get_all("Return-Path") != [f"<{user}@{ISP_DOMAIN}>"],  # the last server's
        "Bcc": message["Bcc"] is not None or "secret" in str(message),
        "body changed": body != TEXT.encode().replace(b"\r\n", b"\n"),
    }.items() if wrong]
    if problems:
        raise AssertionError(f"{', '.join(problems)}:\n{message}")
    return f"it has arrived, its text intact, with Received, Date and Message-ID, without Bcc and its own Return-Path; sent by {user}"


def send(isp: Isp, line, recipient: str, subject: str, *, implicit: bool = False, server: str = EDGE_CORE4) -> None:
    """One message with AUTH, from a subscriber's host."""
    with isp.lab[line.host].network():
        client = smtp_login(isp.smtp_trust, server, line.user, line.password, implicit=implicit)
        try:
            client.sendmail(f"{line.user}@{ISP_DOMAIN}", [recipient], draft(subject, f"{line.user}@{ISP_DOMAIN}", recipient),
                            ["BODY=8BITMIME"])
        finally:
            client.close()


def submission(isp: Isp) -> Iterator[str]:
    ways = ((A, False, EDGE_CORE4, "STARTTLS on 587, IPv4"), (B, True, EDGE_CORE4, "TLS on 465, IPv4"),
            (A, True, EDGE_CORE6, "TLS on 465, IPv6"), (B, False, EDGE_CORE6, "STARTTLS on 587, IPv6"))
    for number, (line, implicit, server, way) in enumerate(ways):
        refused = connect(isp.lab[line.host], INTERNET4)
        if refused.outcome != "refused":
            raise AssertionError(f"port 25 of {line.user}: {refused}")
        subject = f"story {number} {time.time_ns()}"
        begin = time.monotonic()
        send(isp, line, f"friend@{MX_DOMAIN}", subject, implicit=implicit, server=server)
        accepted = time.monotonic() - begin
        yield f"{line.user}, refused on port 25, sends by {way}: accepted after {accepted * 1000:.0f} ms"
        message = arrived(isp, "internet", subject)
        yield f"{check(message, line.user)}, {(time.monotonic() - begin) * 1000:.0f} ms"
        isp.agent.revoke_all()


def no_login(isp: Isp) -> Iterator[str]:
    with isp.lab["a"].network():
        with smtplib.SMTP(EDGE_CORE4, 587, "client.example.net", 10) as client:
            client.ehlo()
            if client.has_extn("auth"):
                raise AssertionError("AUTH is offered outside TLS")
            client.starttls(context=isp.smtp_trust)
            client.ehlo()
            code, text = client.mail("alice@example.net")
            yield f"without a login: {code} {text.decode()}"
            if (code, text[:5]) != (530, b"5.7.0"):
                raise AssertionError("should be 530 5.7.0")
        try:
            smtp_login(isp.smtp_trust, EDGE_CORE4, A.user, "guessed").close()
        except smtplib.SMTPAuthenticationError as error:
            yield f"with a wrong password: {error.smtp_code} {error.smtp_error.decode()}"
            if (error.smtp_code, error.smtp_error[:5]) != (535, b"5.7.8"):
                raise AssertionError("should be 535 5.7.8") from error
        else:
            raise AssertionError("a wrong password was let in")
    refused = connect(isp.lab["a"], INTERNET4)
    if refused.outcome != "refused":
        raise AssertionError(f"port 25 of A: {refused}")
    yield f"A's port 25 afterwards: {refused}"


def login_opens(isp: Isp) -> Iterator[str]:
    """SMTP AUTH is a login like those of POP3 and IMAP."""
    for family, server, mx in (("IPv4", EDGE_CORE4, INTERNET4), ("IPv6", EDGE_CORE6, INTERNET6)):
        with isp.lab["a"].network():
            client = smtp_login(isp.smtp_trust, server, A.user, A.password)
            first = connect_here(mx, 25)
            client.close()
        if first.outcome != "open":
            raise AssertionError(f"A has read 235 and connects to port 25: {first}")
        yield f"A has read 235 ({family}) and connects to port 25 at once: {first}"
        other = connect(isp.lab["b"], mx)
        if other.outcome != "refused":
            raise AssertionError(f"B: {other}")
        grants = isp.agent.ask("grant", "list")["grants"]
        if [each["user"] for each in grants] != [A.user]:
            raise AssertionError(f"one login, and these grants: {grants}")
        yield f"one grant: {grants[0]['key']} by {grants[0]['source']}"
        isp.agent.revoke_all()


def host_down(isp: Isp) -> Iterator[str]:
    subject = f"patience {time.time_ns()}"
    send(isp, A, f"friend@{DOWN_DOMAIN}", subject)
    isp.agent.revoke_all()
    waiting = await_true(lambda: [each for each in isp.submission.queue()
                                  if any(one["attempts"] for one in each["recipients"])], "a first attempt", 15)
    if len(waiting) != 1:
        raise AssertionError(f"in the queue: {waiting}")
    yield f"to a host that is down: waits, {waiting[0]['recipients'][0]['last_error']}"
    internet = isp.lab["internet"]
    internet.run("ip", "addr", "add", f"{DOWN4}/24", "dev", "eth0")
    try:
        arrived(isp, "internet", subject, 30)
    finally:
        internet.run("ip", "addr", "del", f"{DOWN4}/24", "dev", "eth0")
    await_true(lambda: not isp.submission.queue(), "an empty queue")
    yield "the host comes up: it arrives, and the queue is empty"


def bounce(isp: Isp) -> Iterator[str]:
    subject = f"nobody {time.time_ns()}"
    before = len(isp.inbox("mail"))
    send(isp, A, f"{UNKNOWN_USER}@{MX_DOMAIN}", subject)
    isp.agent.revoke_all()
    await_true(lambda: len(isp.inbox("mail")) > before, "a notice in the sender's mailbox", 20)
    notice = email.message_from_bytes(isp.inbox("mail")[-1].read_bytes(), policy=email.policy.default)
    parts = [part.get_content_type() for part in notice.walk()]
    if notice.get_content_type() != "multipart/report" or "message/delivery-status" not in parts:
        raise AssertionError(f"no notice of failure:\n{notice}")
    status = next(part for part in notice.walk() if part.get_content_type() == "message/delivery-status")
    fields = {name.lower(): value for block in status.get_payload() for name, value in block.items()}
    wanted = {"action": "failed", "final-recipient": f"rfc822; {UNKNOWN_USER}@{MX_DOMAIN}"}
    for name, value in wanted.items():
        if fields.get(name, "").replace(";", "; ").split() != value.split():
            raise AssertionError(f"{name}: {fields.get(name)!r}, should be {value!r}")
    if not fields.get("status", "").startswith("5."):
        raise AssertionError(f"status {fields.get('status')!r}")
    yield f"to an unknown user: {A.user} gets a notice, status {fields['status']}: {fields.get('diagnostic-code')}"
