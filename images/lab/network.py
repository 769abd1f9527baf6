# SPDX-License-Identifier: Apache-2.0
"""The lab's wires, addresses and routes."""

import subprocess
from pathlib import Path

from .hosts import Lab
from .topology import (CROWD4, CROWD6, EDGE_CORE4, EDGE_CORE6, EDGE_INET4, EDGE_INET6, EDGE_SUBSCRIBER4, INTERNET4,
                       INTERNET6, MAIL4, MAIL6, SUBSCRIBERS, Subscriber)


def build_network(lab: Lab) -> None:
    """Joins all hosts. The edge forwards, and nothing filters yet."""
    forwarding = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
                  "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
    lab["edge"].run("sysctl", "-q", "-w", *forwarding)
    passing = compile_pass(lab.state / "pass.o")
    for line in SUBSCRIBERS.values():
        lab.wire("edge", line.interface, line.host, "eth0")
        connect_subscriber(lab, line, passing)
    connect_crowd(lab)
    lab.wire("edge", "core", "mail", "eth0")
    connect_server(lab, "mail", "core", (EDGE_CORE4, 24), (EDGE_CORE6, 64), MAIL4, MAIL6)
    lab.wire("edge", "inet", "internet", "eth0")
    connect_server(lab, "internet", "inet", (EDGE_INET4, 24), (EDGE_INET6, 64), INTERNET4, INTERNET6)


def compile_pass(target: Path) -> Path:
    source = Path(__file__).with_name("pass.bpf.c")
    # -g: libbpf wants the program's BTF.
    subprocess.run(["clang-19", "-target", "bpf", "-O2", "-g", "-Wall", "-Werror", "-c", str(source), "-o", str(target)],
                   check=True)
    return target


def connect_subscriber(lab: Lab, line: Subscriber, passing: Path) -> None:
    """Both ends of a line. The gateway has the same addresses on every line, as at a real edge."""
    connect_line_at_edge(lab, line)
    host = lab[line.host]
    host.write("/etc/resolv.conf", f"nameserver {MAIL4}\n")
    # What leaves a veth has partial checksums, and then nobody looks at those that come back, either.
    host.run("ethtool", "-K", "eth0", "tx", "off")
    host.file("/run/pass.o").write_bytes(passing.read_bytes())
    host.run("ip", "link", "set", "dev", "eth0", "xdp", "obj", "/run/pass.o", "sec", "xdp.frags")
    lab.configure(
        line.host,
        f"addr add {line.address4}/32 dev eth0",
        f"addr add fe80::{SUFFIX[line.host]}/64 dev eth0 nodad",
        f"addr add {line.address6}/64 dev eth0 nodad",
        "link set eth0 up",
        f"addr add {line.other6}/128 dev lo nodad",
        f"route add {EDGE_SUBSCRIBER4} dev eth0",
        f"route add default via {EDGE_SUBSCRIBER4} dev eth0 src {line.address4}",
        f"route add default via fe80::1 dev eth0")


SUFFIX = {"a": "10", "b": "20", "c": "30"}


def connect_line_at_edge(lab: Lab, line: Subscriber) -> None:
    """The edge's end: also what brings a line back whose interface went away."""
    neighbour = f"fe80::{SUFFIX[line.host]}"
    lab.configure(
        "edge",
        f"addr add {EDGE_SUBSCRIBER4}/32 dev {line.interface}",
        f"addr add fe80::1/64 dev {line.interface} nodad",
        f"link set {line.interface} up",
        f"route add {line.address4} dev {line.interface}",
        f"route add {line.prefix6} via {neighbour} dev {line.interface}")


def connect_crowd(lab: Lab) -> None:
    """The crowd behind A's line: every address of its prefixes is A's own."""
    line = SUBSCRIBERS["a"]
    at_edge = [f"route add {prefix} via {line.address4} dev {line.interface}" for prefix in CROWD4]
    at_edge.append(f"route add {CROWD6} via fe80::{SUFFIX['a']} dev {line.interface}")
    lab.configure("edge", *at_edge)
    lab["a"].run("sysctl", "-q", "-w", "net.ipv6.ip_nonlocal_bind=1")
    at_home = [f"route add local {prefix} dev lo" for prefix in CROWD4]
    lab.configure("a", *at_home, f"route add local {CROWD6} dev lo")


def connect_server(lab: Lab, host: str, interface: str, edge4: tuple[str, int], edge6: tuple[str, int],
                   address4: str, address6: str) -> None:
    lab.configure("edge", f"addr add {edge4[0]}/{edge4[1]} dev {interface}",
                  f"addr add {edge6[0]}/{edge6[1]} dev {interface} nodad", f"link set {interface} up")
    lab.configure(host, f"addr add {address4}/{edge4[1]} dev eth0", f"addr add {address6}/{edge6[1]} dev eth0 nodad",
                  "link set eth0 up", f"route add default via {edge4[0]}", f"route add default via {edge6[0]}")
    lab[host].write("/etc/resolv.conf", f"nameserver {MAIL4}\n")
