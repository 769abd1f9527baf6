# SPDX-License-Identifier: Apache-2.0
"""An ISP's own FreeRADIUS, on the mail host, takes the NASes' accounting and passes on a copy; radclient plays the NASes."""

import time

from lab.hosts import await_true
from lab.services import FREERADIUS, start_freeradius
from lab.topology import EDGE_CORE4, INTERNET4, SUBSCRIBERS
from test_radius import RADIUS, SECRET, RadiusTest

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]
NAS_SECRET = "testing123"  # with which Debian's FreeRADIUS knows 127.0.0.1 and ::1
PATIENCE = 30  # seconds in which what waited has arrived, after this box is back


class FreeRadiusTest(RadiusTest):
    secret = SECRET

    def setUp(self) -> None:
        super().setUp()
        self.nas.run("rm", "-rf", "/var/log/freeradius")
        self.start()

    def start(self) -> None:
        self.radius = start_freeradius(self.isp.lab, self.secret)
        self.addCleanup(self.radius.kill)

    def tell(self, status: str, session: str, *attributes: str, server: str = "127.0.0.1", nas: str | None = "bng7") -> float:
        """Tells FreeRADIUS, which answers; the seconds that took."""
        began = time.monotonic()
        named = () if nas is None else (f'NAS-Identifier = "{nas}"',)
        lines = [f"Acct-Status-Type = {status}", *([f'Acct-Session-Id = "{session}"'] if session else []), *named, *attributes]
        self.nas.run("radclient", "-r", "1", "-t", "5", f"{server}:1813", "acct", NAS_SECRET, text="\n".join(lines) + "\n")
        return time.monotonic() - began

    def start_of(self, line, session: str, *attributes: str, **options) -> float:
        return self.tell("Start", session, f"Framed-IP-Address = {line.address4}", f"Delegated-IPv6-Prefix = {line.prefix6}",
                         f'User-Name = "{line.user}"', *attributes, **options)

    def await_session(self, line, session: str, seconds: float = PATIENCE) -> dict:
        def known() -> dict | None:
            found = self.session_of(line.address4)
            return found if found and found["session"] == session else None
        return await_true(known, f"session {session}", seconds)

    def await_nobody(self, line, seconds: float = PATIENCE) -> None:
        await_true(lambda: self.session_of(line.address4) is None, f"nobody has {line.address4}", seconds)

    def waiting(self) -> bool:
        """Whether FreeRADIUS has packets that aren't answered yet."""
        directory = self.nas.file("/var/log/freeradius/radacct/sekisho")
        return directory.is_dir() and any(directory.iterdir())


class FreeRadius(FreeRadiusTest):
    """With the configuration that sekisho.toml(5) shows."""

    def test_a_session(self) -> None:
        self.start_of(A, "7f01", 'Class = "gold"', 'Class = "static-7"', 'Calling-Station-Id = "00-11-22-33-44-55"')
        session = self.await_session(A, "7f01")
        self.assertEqual((session["user"], session["nas"], session["classes"], session["contract"]),
                         ("alice", "bng1/bng7", ["gold", "static-7"], "static"))
        self.assertEqual(session["prefixes"], [f"{A.address4}/32", A.prefix6])
        self.assert_port_25("a", INTERNET4, "open")
        self.tell("Interim-Update", "7f01", f"Framed-IP-Address = {B.address4}", 'User-Name = "alice"', "Acct-Session-Time = 60")
        self.assertEqual(self.await_session(B, "7f01")["id"], session["id"])
        self.tell("Stop", "7f01", 'User-Name = "alice"')
        self.await_nobody(B)
        self.assert_port_25("a", INTERNET4, "refused")

    def test_a_stop_closes_the_port(self) -> None:
        self.start_of(A, "7f01")
        self.await_session(A, "7f01")
        self.open_port(A)
        self.assert_port_25("a", INTERNET4, "open")
        self.tell("Stop", "7f01")
        await_true(lambda: self.agent.granted(A.address4) is None, "the grant ends")
        self.assert_port_25("a", INTERNET4, "refused")

    def test_nases_are_told_apart(self) -> None:
        """By what they say of themselves, or by what FreeRADIUS adds; and a restart of one ends its own sessions only."""
        for number, (server, nas, expected) in enumerate((("127.0.0.1", "bng7", "bng1/bng7"),
                                                          ("127.0.0.1", None, "bng1/127.0.0.1"),
                                                          ("[::1]", None, "bng1/::1"))):
            self.start_of(A, f"7f0{number}", server=server, nas=nas)
            self.assertEqual(self.await_session(A, f"7f0{number}")["nas"], expected)
            time.sleep(1.1)  # accounting tells whole seconds
        self.start_of(B, "7f08")
        self.await_session(B, "7f08")
        self.tell("Accounting-Off", "", server="[::1]", nas=None)
        self.await_nobody(A)
        self.assertEqual(self.session_of(B.address4)["session"], "7f08")

    def test_nothing_is_lost_while_the_agent_is_away(self) -> None:
        self.start_of(A, "7f01")
        self.await_session(A, "7f01")
        self.open_port(A)
        self.agent.kill()
        slowest = max(self.tell("Stop", "7f01"), self.start_of(B, "7f02", 'Class = "static-7"'))
        time.sleep(1.1)  # accounting tells whole seconds
        slowest = max(slowest, self.start_of(A, "7f03"), self.tell("Stop", "7f02"), self.start_of(B, "7f04"))
        self.assertLess(slowest, 2, "a NAS waited for a box that is away")
        time.sleep(12)  # till FreeRADIUS has noticed, and tried again
        self.assertTrue(self.waiting())
        self.isp.restart_agent(("[[pool]]", RADIUS))
        began = time.monotonic()
        self.await_session(B, "7f04")
        print(f"arrived {time.monotonic() - began:.1f} s after the start", flush=True)
        self.assertEqual(self.session_of(A.address4)["session"], "7f03")
        self.assertIsNone(self.agent.granted(A.address4), "who had the address has gone meanwhile")
        self.assertEqual(self.agent.ask("exempt", "list")["exemptions"], [])
        await_true(lambda: not self.waiting(), "nothing waits", PATIENCE)
