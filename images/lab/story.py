# SPDX-License-Identifier: Apache-2.0
"""The story the lab tells: what a subscriber, a contract customer and an operator see. Each step leaves the ISP as it
found it, says what it saw, and raises AssertionError where that is not what it should be."""

import imaplib
import poplib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .clients import Attempt, apop_login, connect, connect_here, imap_login, pop3_login
from .hosts import await_true
from .isp import Isp
from .story_mail import bounce, host_down, login_opens, no_login, submission
from .services import OTHER_PORT
from .topology import (INTERNET4, INTERNET6, MAIL4, MAIL6, MX_DOMAIN, MX_NAME, SUBSCRIBERS, crowd_address4,
                       crowd_address6)
from .watch import Stream, SynCounters

A, B, C = SUBSCRIBERS["a"], SUBSCRIBERS["b"], SUBSCRIBERS["c"]
MX = {"IPv4": INTERNET4, "IPv6": INTERNET6}
SHORT = 3  # seconds of the grant whose end is waited for
RESTARTS = 20
CLIENTS = 200


def expect(attempt: Attempt, outcome: str, what: str) -> str:
    if attempt.outcome != outcome:
        raise AssertionError(f"{what}: {attempt}, should be {outcome}")
    if outcome == "refused" and attempt.seconds > 1:
        raise AssertionError(f"{what}: {attempt}, should be at once")
    return f"{what}: {attempt}"


def expect_mx(isp: Isp, host: str, outcome: str, families: tuple[str, ...] = ("IPv4", "IPv6")) -> Iterator[str]:
    for family in families:
        attempt = connect(isp.lab[host], MX[family])
        yield expect(attempt, outcome, f"{host.upper()} to {MX_DOMAIN}'s mail server, port 25, {family}")


def closed(isp: Isp) -> Iterator[str]:
    found = isp.lab["a"].run("dig", "+short", "MX", MX_DOMAIN).stdout.split()
    if found != ["10", f"{MX_NAME}."]:
        raise AssertionError(f"the name service says {found}")
    yield f"the name service says that {MX_DOMAIN}'s mail goes to {MX_NAME}"
    for host in ("a", "b"):
        yield from expect_mx(isp, host, "refused")


def other_ports(isp: Isp) -> Iterator[str]:
    for host in ("a", "b"):
        for family, address in MX.items():
            attempt = connect(isp.lab[host], address, OTHER_PORT)
            yield expect(attempt, "open", f"{host.upper()} to the same server, port {OTHER_PORT}, {family}")


def contract(isp: Isp) -> Iterator[str]:
    yield from expect_mx(isp, "c", "refused")
    prefixes = (C.address4, C.prefix6)
    for prefix in prefixes:
        isp.agent.ask("exempt", "add", prefix, "--note", "static contract")
    try:
        yield f"sekisho exempt add {' and '.join(prefixes)}"
        yield from expect_mx(isp, "c", "open")
        yield from expect_mx(isp, "a", "refused")
    finally:
        for prefix in prefixes:
            isp.agent.ask("exempt", "remove", prefix)
    yield from expect_mx(isp, "c", "refused")


def own_mail_host(isp: Isp) -> Iterator[str]:
    for host in SUBSCRIBERS:
        for family, address in (("IPv4", MAIL4), ("IPv6", MAIL6)):
            attempt = connect(isp.lab[host], address)
            yield expect(attempt, "open", f"{host.upper()} to the ISP's own mail host, port 25, {family}")


Login = Callable[[str], object]


def opened_by(isp: Isp, what: str, login: Login, family: str) -> Iterator[str]:
    """A logs in over one family; that family is open for A, and nothing else is."""
    yield from expect_mx(isp, "a", "refused")
    server = MAIL4 if family == "IPv4" else MAIL6
    with isp.lab["a"].network():
        client = login(server)
        first = connect_here(MX[family], 25)
    try:
        yield expect(first, "open", f"A has read +OK ({what}, {family}) and connects at once")
        if family == "IPv6":
            other = connect(isp.lab["a"], INTERNET6, source=A.other6)
            yield expect(other, "open", f"A from another address of {A.prefix6}")
        yield from expect_mx(isp, "a", "refused", tuple(set(MX) - {family}))
        yield from expect_mx(isp, "b", "refused")
        address = A.address4 if family == "IPv4" else A.address6
        grant = isp.agent.granted(address)
        if not grant or grant["user"] != A.user or grant["source"] != "mail1":
            raise AssertionError(f"sekisho grant show {address}: {grant}")
        yield f"sekisho grant show {address}: {grant['key']} by {grant['source']}, {grant['seconds_left']} s left"
    finally:
        leave(client)
        isp.agent.revoke_all()
    yield from expect_mx(isp, "a", "refused")


def leave(client) -> None:
    if isinstance(client, imaplib.IMAP4):
        client.shutdown()
    else:
        client.close()


def pop3(isp: Isp) -> Iterator[str]:
    for family in MX:
        yield from opened_by(isp, "POP3 in TLS", lambda server: pop3_login(isp.trust, server, A.user, A.password),
                             family)


def apop(isp: Isp) -> Iterator[str]:
    for family in MX:
        yield from opened_by(isp, "APOP", lambda server: apop_login(server, A.user, A.password), family)


def imap(isp: Isp) -> Iterator[str]:
    for family in MX:
        yield from opened_by(isp, "IMAP in TLS", lambda server: imap_login(isp.trust, server, A.user, A.password),
                             family)


def wrong_password(isp: Isp) -> Iterator[str]:
    attempts = {
        "POP3": lambda: pop3_login(isp.trust, MAIL4, A.user, "guessed"),
        "APOP": lambda: apop_login(MAIL4, A.user, "guessed"),
        "IMAP": lambda: imap_login(isp.trust, MAIL4, A.user, "guessed"),
    }
    for protocol, login in attempts.items():
        with isp.lab["a"].network():
            try:
                leave(login())
            except (poplib.error_proto, imaplib.IMAP4.error) as error:
                yield f"{protocol} with a wrong password: {error}"
            else:
                raise AssertionError(f"{protocol} let a wrong password in")
    yield from expect_mx(isp, "a", "refused")


def two_hundred(isp: Isp) -> Iterator[str]:
    """Clients with addresses of their own, so that each must be let in by its own login."""
    slowest = 0.0
    with isp.lab["a"].network():
        for number in range(CLIENTS):
            address, server, source = ((MAIL4, INTERNET4, crowd_address4(number)) if number % 2
                                       else (MAIL6, INTERNET6, crowd_address6(number)))
            expect(connect_here(server, 25, source), "refused", f"client {number} before its login")
            client = pop3_login(isp.trust, address, A.user, A.password, source)
            attempt = connect_here(server, 25, source)
            client.close()
            expect(attempt, "open", f"client {number} after +OK")
            slowest = max(slowest, attempt.seconds)
    isp.agent.revoke_all()
    yield f"{CLIENTS} of {CLIENTS} got through at the first try; the slowest waited {slowest * 1000:.1f} ms"


def kernel_keeps_time(isp: Isp) -> Iterator[str]:
    isp.restart_agent(('lifetime = "10m"', f'lifetime = "{SHORT}s"'))
    with isp.lab["a"].network():
        client = pop3_login(isp.trust, MAIL4, A.user, A.password)
        begin = time.monotonic()
        isp.agent.kill()
        client.close()
        yield expect(connect_here(INTERNET4, 25), "open", f"A logged in for {SHORT} s, sekishod is killed")
        await_true(lambda: connect_here(INTERNET4, 25).outcome == "refused", "end of the grant", SHORT + 5)
        lasted = time.monotonic() - begin
    if not SHORT - 0.5 <= lasted <= SHORT + 0.5:
        raise AssertionError(f"the grant of {SHORT} s lasted {lasted:.2f} s")
    yield f"closed again after {lasted:.2f} s, by nobody but the kernel"
    isp.restart_agent()
    if isp.agent.granted(A.address4):
        raise AssertionError("a new agent found a grant that had ended")


def new_agent(isp: Isp) -> Iterator[str]:
    with isp.lab["b"].network():
        pop3_login(isp.trust, MAIL4, B.user, B.password).close()
    before = isp.agent.granted(B.address4)
    isp.agent.kill()
    yield expect(connect(isp.lab["b"], INTERNET4), "open", "B logged in, sekishod is killed")
    isp.agent.start()
    after = isp.agent.granted(B.address4)
    for field in ("key", "user", "source", "since", "expires"):
        if not after or before[field] != after[field]:
            raise AssertionError(f"before: {before}; after: {after}")
    yield f"a new agent knows B's grant; it ends at {after['expires']}, as before"
    yield expect(connect(isp.lab["b"], INTERNET4), "open", "B again")
    isp.agent.revoke_all()
    yield from expect_mx(isp, "b", "refused")


def restarts(isp: Isp) -> Iterator[str]:
    """Clients connect all the time while agents come and go, with and without a farewell."""
    isp.agent.ask("exempt", "add", C.address4)
    counters = SynCounters(isp.lab["internet"], {"a": A.address4, "b": B.prefix6, "c": C.address4})
    try:
        with (Stream(isp.lab["a"], INTERNET4) as a, Stream(isp.lab["b"], INTERNET6) as b,
              Stream(isp.lab["c"], INTERNET4, pause=0.02) as c):
            for number in range(RESTARTS):
                if number % 2:
                    isp.agent.stop()
                else:
                    isp.agent.kill()
                isp.agent.start()
    finally:
        isp.agent.ask("exempt", "remove", C.address4)
    seen = counters.read()
    for name, stream, outcome in (("A (XDP)", a, "refused"), ("B (TC)", b, "refused"), ("C (exempt)", c, "open")):
        if set(stream.outcomes) != {outcome}:
            raise AssertionError(f"{name}: {dict(stream.outcomes)}, should be {outcome} only")
        yield f"{name}: {stream.outcomes[outcome]} connections in {RESTARTS} restarts, all {outcome}"
    if seen["a"] or seen["b"] or seen["c"] < c.outcomes["open"]:
        raise AssertionError(f"SYNs seen on the Internet: {seen}")
    yield f"SYNs seen on the Internet: none of A's and B's, {seen['c']} of C's"


def why(isp: Isp) -> Iterator[str]:
    answer = isp.agent.ask("why", A.address4)
    if answer["verdict"] != "reset" or answer["reason"] != "not_granted" or not answer["steps"]:
        raise AssertionError(f"sekisho why {A.address4}: {answer}")
    yield from isp.agent.command("why", A.address4).stdout.splitlines()
    expect(connect(isp.lab["a"], INTERNET4), "refused", "A")
    counts = {item["reason"]: item["packets"] for item in isp.agent.ask("status")["counts"]
              if item["verdict"] == "reset"}
    if not counts.get("not_granted"):
        raise AssertionError(f"sekisho status counted nothing: {counts}")
    yield f"sekisho status: {counts['not_granted']} connections refused"


@dataclass(frozen=True)
class Step:
    name: str
    title: str
    tell: Callable[[Isp], Iterator[str]]


STEPS = (
    Step("closed", "A and B try to send mail directly: refused at once", closed),
    Step("other_ports", "Other ports pass", other_ports),
    Step("contract", "C has a static contract and passes", contract),
    Step("own_mail_host", "The ISP's own mail host is open for all", own_mail_host),
    Step("pop3", "A reads mail by POP3, and may send", pop3),
    Step("apop", "The same by APOP", apop),
    Step("imap", "The same by IMAP", imap),
    Step("wrong_password", "A wrong password opens nothing", wrong_password),
    Step("two_hundred", f"{CLIENTS} clients connect the moment they have read +OK", two_hundred),
    Step("kernel_keeps_time", f"A grant of {SHORT} s ends after {SHORT} s, though the agent is dead", kernel_keeps_time),
    Step("new_agent", "A new agent takes over", new_agent),
    Step("restarts", f"{RESTARTS} agents come and go; not one SYN slips through", restarts),
    Step("why", "Why is A blocked?", why),
    Step("submission", "Who is blocked sends through the box: 587 with STARTTLS, 465 with TLS", submission),
    Step("no_login", "Without a login, or with a wrong password, nobody sends", no_login),
    Step("login_opens", "SMTP AUTH opens port 25, too", login_opens),
    Step("host_down", "A message to a host that is down waits", host_down),
    Step("bounce", "A message to an unknown user comes back", bounce),
)
