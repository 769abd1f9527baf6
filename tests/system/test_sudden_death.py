# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at any moment: what was acknowledged before it is there after the next start."""

import hashlib
import http.client
import json
import random
import socket
import struct
import threading
import time

from lab.topology import EDGE_CORE4, crowd_address4
from lab_test import API_KEY, POLICY_PORT
from test_radius import SECRET, RadiusTest

START, STOP = 1, 2
KINDS = ("exemptions", "quarantines", "grants", "sessions", "logins")
EACH = 20  # addresses


def address_of(kind: str, number: int) -> str:
    return crowd_address4(number + EACH * KINDS.index(kind))


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str):
        super().__init__("localhost", timeout=5)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(self.path)


def accounting(identifier: int, status: int, session: str, address: str) -> bytes:
    """An Accounting-Request, RFC 2866, 3."""
    def attribute(number: int, value: bytes) -> bytes:
        return bytes([number, len(value) + 2]) + value
    body = (attribute(40, struct.pack("!I", status)) + attribute(44, session.encode()) + attribute(32, b"bng1")
            + attribute(8, socket.inet_aton(address)) + attribute(55, struct.pack("!I", int(time.time()))))
    head = struct.pack("!BBH", 4, identifier, 20 + len(body))
    return head + hashlib.md5(head + bytes(16) + body + SECRET.encode()).digest() + body


class Changes(threading.Thread):
    """Changes one thing after the other until the agent is gone. `sure` is what was acknowledged last of each thing (of a
    login, whose it was), without what was under way at the end; that may have happened or not."""

    def __init__(self, test: "SuddenDeathTest", seed: int, sure: dict, sessions: dict):
        super().__init__()
        self.seed = seed
        self.random = random.Random(seed)
        self.test, self.sure, self.sessions, self.acknowledged = test, sure, sessions, 0
        self.ordered = 0  # carried out, and said so

    def run(self) -> None:
        connection = UnixConnection(str(self.test.edge.file("/run/sekisho/agent.sock")))
        with self.test.nas.network():
            nas = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        nas.settimeout(5)
        nas.connect((EDGE_CORE4, 1813))
        dovecot = http.client.HTTPConnection(EDGE_CORE4, POLICY_PORT, timeout=5)
        with self.test.isp.lab["mail"].network():
            dovecot.connect()
        try:
            while True:
                kind = self.random.choice(KINDS)
                address = address_of(kind, self.random.randrange(EACH))
                wanted = not self.sure.pop((kind, address), False)
                if kind == "sessions":
                    done = self.account(nas, address, wanted)
                elif kind == "logins" and wanted:
                    user = f"user-{self.seed}-{self.acknowledged}"
                    done = self.log_in(dovecot, address, user)
                    wanted = f"mail1 {user}"
                else:
                    done = self.order(connection, kind, address, wanted)
                if done:
                    self.sure[kind, address] = wanted
                    self.acknowledged += 1
        except (OSError, http.client.HTTPException):
            pass  # it is gone
        finally:
            nas.close()
            connection.close()
            dovecot.close()

    def log_in(self, dovecot: http.client.HTTPConnection, address: str, user: str) -> bool:
        dovecot.request("POST", "/?command=allow", json.dumps(self.test.login_event(address, login=user)), {"X-API-Key": API_KEY})
        answer = dovecot.getresponse()
        return answer.status == 200 and answer.read() == b'{"status":0,"msg":""}'

    def order(self, connection: UnixConnection, kind: str, address: str, wanted: bool) -> bool:
        if wanted:
            body = {"prefix": address} if kind == "exemptions" else {"address": address}
            connection.request("POST", f"/v1/{kind}", json.dumps(body))
        elif kind == "exemptions":
            connection.request("DELETE", f"/v1/exemptions?prefix={address}")
        else:
            kind = kind.replace("logins", "grants")
            connection.request("DELETE", f"/v1/{kind}/{address}?cool_down=false")
        answer = connection.getresponse()
        answer.read()
        self.ordered += answer.status in (200, 201, 204)
        # What was under way when the agent before this one died may be there already, or be gone.
        return answer.status in (200, 201, 204, 404, 409)

    def account(self, nas: socket.socket, address: str, wanted: bool) -> bool:
        identifier = self.random.randrange(256)
        if wanted:  # a NAS never gives an id twice
            self.sessions[address] = f"{address}-{self.random.randrange(2**64):x}"
        nas.send(accounting(identifier, START if wanted else STOP, self.sessions[address], address))
        return nas.recv(4096)[1] == identifier


class SuddenDeathTest(RadiusTest):
    kills = 0

    def found(self) -> dict[tuple[str, str], bool | str]:
        """What the agent has now."""
        there: dict[tuple[str, str], bool | str] = {}
        there |= {("exemptions", each["prefix"]): True for each in self.agent.ask("exempt", "list")["exemptions"]}
        there |= {("quarantines", each["key"]): True for each in self.agent.ask("quarantine", "list")["quarantines"]}
        there |= {("sessions", each["prefixes"][0]): True for each in self.agent.ask("subscriber", "list")["subscribers"]}
        there = {(kind, prefix.removesuffix("/32")): value for (kind, prefix), value in there.items()}
        by_login = {address_of("logins", number) for number in range(EACH)}
        for each in self.agent.ask("grant", "list")["grants"]:
            address = each["key"].removesuffix("/32")
            if address in by_login:
                there["logins", address] = f"{each['source']} {each['user']}"
            else:
                there["grants", address] = True
        return there

    def orders_written_down(self) -> int:
        return int(self.edge.run("/usr/bin/python3", "-c", "import sqlite3; print(sqlite3.connect("
                                 "'/var/lib/sekisho/agent-events.db').execute(\"SELECT count(*) FROM events WHERE by <> ''\")"
                                 ".fetchone()[0])").stdout)

    def die_and_look(self) -> None:
        chance = random.Random(20261127)
        sure: dict[tuple[str, str], bool] = {}
        sessions: dict[str, str] = {}
        acknowledged = ordered = 0
        for number in range(self.kills):
            changes = Changes(self, number, sure, sessions)
            changes.start()
            time.sleep(chance.uniform(0.0, 0.25))
            self.agent.kill()
            changes.join()
            acknowledged += changes.acknowledged
            ordered += changes.ordered
            self.agent.start()
            there = self.found()
            self.assertGreaterEqual(self.orders_written_down(), ordered, f"after kill {number}")
            for what, wanted in sure.items():
                self.assertEqual(there.get(what, False), wanted, f"{what} after kill {number}")
            sure.update(there)
            for each in self.agent.ask("subscriber", "list")["subscribers"]:
                sessions[each["prefixes"][0].removesuffix("/32")] = each["session"]
        self.assertGreater(acknowledged, 20 * self.kills, "the agent was killed at work")


class SuddenDeath(SuddenDeathTest):
    kills = 20

    def test_nothing_acknowledged_is_lost(self) -> None:
        self.die_and_look()


class SuddenDeathOften(SuddenDeathTest):  # labels: long
    kills = 200

    def test_nothing_acknowledged_is_lost(self) -> None:
        self.die_and_look()
