# SPDX-License-Identifier: Apache-2.0
"""Who is where: names, addresses, wires. All addresses are from the ranges for documentation."""

from dataclasses import dataclass

MX_DOMAIN = "example.com"  # its MX is the internet host
ISP_DOMAIN = "example.net"
MAIL_NAME = "mail.example.net"
MX_NAME = "mx.example.com"
SMTP_NAME = "smtp.example.net"  # the submission server on the edge
DOWN_DOMAIN = "down.example.com"  # its mail host is never up
POLICY_PORT = 4001
LMTP_PORT = 24  # of Dovecot, where a test wants it
API_KEY = "for-the-lab-only"

EDGE_SUBSCRIBER4 = "192.0.2.1"  # the subscribers' gateway, the same on every line
EDGE_CORE4 = "198.51.100.1"
EDGE_CORE6 = "2001:db8:25::1"
MAIL4 = "198.51.100.25"
MAIL6 = "2001:db8:25::25"
EDGE_INET4 = "203.0.113.1"
EDGE_INET6 = "2001:db8:ffff::1"
INTERNET4 = "203.0.113.25"
INTERNET6 = "2001:db8:ffff::25"
DOWN4 = "203.0.113.26"  # nobody has it, until a test gives it to the internet host
UNKNOWN_USER = "nobody"  # whom no mail server knows

POOL4 = "192.0.2.0/24"
POOL6 = "2001:db8:100::/40"
KEY_LENGTH6 = 56  # what one subscriber gets delegated


@dataclass(frozen=True)
class Subscriber:
    """A line: one IPv4 address, one delegated IPv6 prefix, and the edge's interface it ends at."""

    host: str
    interface: str
    attach: str
    address4: str
    prefix6: str
    address6: str
    other6: str  # another address of the same delegated prefix
    user: str
    password: str


SUBSCRIBERS = {
    line.host: line
    for line in (
        Subscriber("a", "sub-a", "xdp", "192.0.2.10", "2001:db8:100:a00::/56", "2001:db8:100:a00::10",
                   "2001:db8:100:aff::10", "alice", "wonderland"),
        Subscriber("b", "sub-b", "tc", "192.0.2.20", "2001:db8:100:b00::/56", "2001:db8:100:b00::20",
                   "2001:db8:100:bff::20", "bob", "the-builder"),
        Subscriber("c", "sub-c", "xdp", "192.0.2.30", "2001:db8:100:c00::/56", "2001:db8:100:c00::30",
                   "2001:db8:100:cff::30", "carol", "christmas"),
    )
}

# More subscribers than anybody wants to give a host of its own: they all sit behind A's line, and a program on A
# may bind to any address of theirs. Each IPv4 address and each /56 is one subscriber.
# Of the crowd: an address with a name that has this address, and one that only says so.
NAMED4, MISNAMED4, CLIENT_NAME = "192.0.2.33", "192.0.2.34", "office.example.net"
CROWD4 = ("192.0.2.32/27", "192.0.2.64/26", "192.0.2.128/25")
CROWD6 = "2001:db8:140::/48"


def crowd_address4(number: int) -> str:
    """The IPv4 address of subscriber 0 to 221 of the crowd."""
    if not 0 <= number <= 221:
        raise ValueError(f"the crowd has subscribers 0 to 221, not {number}")
    return f"192.0.2.{number + 33}"


def crowd_address6(number: int) -> str:
    """An IPv6 address of subscriber 0 to 255 of the crowd."""
    if not 0 <= number <= 255:
        raise ValueError(f"the crowd has subscribers 0 to 255, not {number}")
    return f"2001:db8:140:{number << 8:x}::1"


HOSTS = ("a", "b", "c", "edge", "mail", "internet")
