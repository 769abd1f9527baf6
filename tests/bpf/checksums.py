# SPDX-License-Identifier: Apache-2.0
"""Reads frames in hexadecimal, one a line; fails if scapy computes other checksums of IPv4 or TCP than they hold."""
import sys

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether  # noqa: F401 (known layers are dissected)
from scapy.layers.ppp import PPPoE  # noqa: F401


def judged(frame: bytes) -> bool:
    packet = Ether(frame)
    if TCP not in packet or not (IP in packet or IPv6 in packet):
        return False
    held = packet[TCP].chksum, packet[IP].chksum if IP in packet else None
    del packet[TCP].chksum
    if IP in packet:
        del packet[IP].chksum
    anew = Ether(bytes(packet))
    return held == (anew[TCP].chksum, anew[IP].chksum if IP in anew else None) and bytes(anew) == frame


lines = [line.strip() for line in sys.stdin]
wrong = [line for line in lines if not judged(bytes.fromhex(line))]
for line in wrong:
    print("scapy disagrees:", line, file=sys.stderr)
sys.exit(1 if wrong or not lines else 0)
