# SPDX-License-Identifier: Apache-2.0
"""An ISP's own FreeRADIUS, on the mail host, takes the NASes' accounting and passes on a copy; radclient plays the NASes."""

import re
import time
from fnmatch import fnmatch

from lab.hosts import await_true
from lab.services import start_freeradius
from lab.topology import EDGE_CORE4, INTERNET4, SUBSCRIBERS
from test_radius import RADIUS, SECRET, RadiusTest

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]
NAS_SECRET = "testing123"  # with which Debian's FreeRADIUS knows 127.0.0.1 and ::1
PATIENCE = 30  # seconds in which what waited has arrived, after this box is back


class FreeRadiusTest(RadiusTest):
    def setUp(self) -> None:
        super().setUp()
        self.nas.run("rm", "-rf", "/var/log/freeradius")
        self.start()

    def start(self, secret: str = SECRET) -> None:
        self.radius = start_freeradius(self.isp.lab, secret)
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

    def waiting(self) -> list[str]:
        """The files of FreeRADIUS with packets that aren't answered yet."""
        directory = "/var/log/freeradius/radacct/sekisho"
        return [f"{directory}/{path.name}" for path in self.nas.file(directory).glob("*")]

    def assert_not_rotated(self) -> None:
        """Debian's logrotate takes away what fits its patterns, be it answered or not."""
        words = self.nas.file("/etc/logrotate.d/freeradius").read_text().split()
        patterns = [word for word in words if word.startswith("/")]
        self.assertTrue(patterns)
        for path in self.waiting():
            self.assertFalse([pattern for pattern in patterns if fnmatch(path, pattern)], path)


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

    def test_what_is_hard_to_write_down(self) -> None:
        """The file is text, and the attributes need not be."""
        names = ('tom "the cat" \\\\ jerry', "J\u00fcrgen, 'x' = $1", "n" * 253)
        for number, name in enumerate(names):
            quoted = name.replace("\\", r"\\").replace('"', r'\"')
            self.tell("Start", f"7f0{number}", f"Framed-IP-Address = {A.address4}", f'User-Name = "{quoted}"',
                      "Class = 0x00ff0a22", "Class = 0x" + "41" * 253)
            session = self.await_session(A, f"7f0{number}")
            self.assertEqual(session["user"], name)
            self.assertEqual(session["classes"][1], "A" * 253)
            time.sleep(1.1)  # accounting tells whole seconds

    def test_a_name_with_a_percent_sign(self) -> None:
        """FreeRADIUS 3.2.7 reads no such name back from its file; whose the address is, is known all the same."""
        self.tell("Start", "7f01", f"Framed-IP-Address = {A.address4}", 'User-Name = "100 %"')
        self.assertIn(self.await_session(A, "7f01")["user"], ("100 %", ""))

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
        self.assert_not_rotated()
        self.isp.restart_agent(("[[pool]]", RADIUS))
        self.await_session(B, "7f04")
        self.assertEqual(self.session_of(A.address4)["session"], "7f03")
        self.assertIsNone(self.agent.granted(A.address4), "who had the address has gone meanwhile")
        self.assertEqual(self.agent.ask("exempt", "list")["exemptions"], [])
        await_true(lambda: not self.waiting(), "nothing waits", PATIENCE)

    def test_freeradius_dies(self) -> None:
        """What it has answered arrives, and hardly a packet twice."""
        count = 3000
        self.nas.run("radclient", "-q", "-p", "50", "127.0.0.1:1813", "acct", NAS_SECRET, text="\n".join(
            f'Acct-Status-Type = Start\nAcct-Session-Id = "{number}"\nNAS-Identifier = "bng7"\n' for number in range(count)))
        await_true(lambda: self.metric("sekisho_sessions") > 100, "some have arrived")
        self.radius.kill()
        self.assertTrue(self.waiting(), "all have arrived already")
        self.start()
        await_true(lambda: not self.waiting(), "nothing waits", PATIENCE)
        self.assertEqual(self.metric("sekisho_sessions"), count)
        answered = int(re.search(r"sessions, (\d+) packets answered", self.agent.command("doctor").stdout)[1])
        self.assertLess(answered, count + 3)

    def test_another_secret(self) -> None:
        """Nothing is learnt; it waits till the secret is put right."""
        self.radius.kill()
        self.start("guessed")
        self.start_of(A, "7f01")
        await_true(lambda: "RADIUS_REFUSED" in self.log(), "the packet is refused")
        self.assertIn("made with another secret", self.agent.command("doctor").stdout)
        self.assertEqual(self.agent.ask("subscriber", "list")["subscribers"], [])
        self.assertTrue(self.waiting())
        self.radius.kill()
        self.start()
        self.await_session(A, "7f01")
        self.assertNotIn("guessed", self.log())
