# SPDX-License-Identifier: Apache-2.0
"""RADIUS accounting: FreeRADIUS's radclient plays the NAS, on the mail host."""

import json
import time

from lab.clients import connect
from lab.hosts import await_true
from lab.topology import EDGE_CORE4, EDGE_CORE6, INTERNET4, INTERNET6, MAIL4, MAIL6, SUBSCRIBERS
from lab_test import LabTest
from test_flows import Conversation

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]
SECRET_FILE, SECRET = "/etc/sekisho/bng1.secret", "for-the-lab-only-too"
RADIUS = f"""[radius]
listen = ["{EDGE_CORE4}", "{EDGE_CORE6}"]
[[radius.client]]
name = "bng1"
prefixes = ["{MAIL4}/32", "{MAIL6}/128"]
secret_file = "{SECRET_FILE}"
interim_interval = "10m"
[[radius.client.nas]]
name = "bng1"
interim_interval = "7m"
[[contract]]
name = "static"
class = ["static-*"]
users = "/etc/sekisho/static.users"
[[pool]]"""


class RadiusTest(LabTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.nas = cls.isp.lab["mail"]

    def setUp(self) -> None:
        super().setUp()
        self.begin_anew()
        self.edge.write(SECRET_FILE, SECRET + "\n", 0o600)
        self.edge.write("/etc/sekisho/static.users", "carol  # by contract of 2024\n")
        self.isp.restart_agent(("[[pool]]", RADIUS))

    def account(self, status: str, session: str, *attributes: str, server: str = EDGE_CORE4, secret: str = SECRET) -> bool:
        """Whether the packet was answered, and the answer was right."""
        lines = [f"Acct-Status-Type = {status}", 'NAS-Identifier = "bng1"',
                 *([f'Acct-Session-Id = "{session}"'] if session else []), *attributes]
        where = f"[{server}]" if ":" in server else server
        done = self.nas.run("radclient", "-r", "1", "-t", "3", f"{where}:1813", "acct", secret,
                            text="\n".join(lines) + "\n", check=False)
        return done.returncode == 0

    def begin(self, line, session: str, *attributes: str) -> None:
        self.assertTrue(self.account("Start", session, f"Framed-IP-Address = {line.address4}",
                                     f"Delegated-IPv6-Prefix = {line.prefix6}", f'User-Name = "{line.user}"', *attributes))

    def session_of(self, what: str) -> dict | None:
        done = self.agent.command("subscriber", "show", what, "--json")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def open_port(self, line) -> None:
        for address in (line.address4, line.address6):
            status, _ = self.policy("allow", self.login_event(address))
            self.assertEqual(status, 200)
            self.assertIsNotNone(self.agent.granted(address), address)

    def metric(self, name: str) -> float:
        text = self.edge.run("curl", "-s", "--unix-socket", "/run/sekisho/agent.sock", "http://localhost/metrics").stdout
        return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


class Radius(RadiusTest):  # labels: sanitize
    """Who has an address, and what ends with that."""

    def test_a_session(self) -> None:
        self.begin(A, "5f01", 'Class = "gold"', 'Calling-Station-Id = "00-11-22-33-44-55"')
        session = self.session_of(A.address4)
        self.assertEqual((session["user"], session["nas"], session["session"], session["classes"], session["contract"]),
                         ("alice", "bng1/bng1", "5f01", ["gold"], ""))
        self.assertEqual(session["prefixes"], [f"{A.address4}/32", A.prefix6])
        self.assertEqual(session["interim_seconds"], 420, "the NAS's own, not the client's")
        self.assertEqual(self.session_of(A.other6), session)
        self.assertEqual(self.session_of(str(session["id"])), session)
        self.assertIsNone(self.session_of(B.address4))
        self.assertIn("alice", self.agent.command("subscriber", "list").stdout)
        self.assertIn("of alice, NAS bng1/bng1", self.agent.command("why", A.address4).stdout)
        self.assertTrue(self.account("Start", "5f02", f"Framed-IP-Address = {B.address4}", server=EDGE_CORE6))
        self.assertEqual(self.metric("sekisho_sessions"), 2)
        self.assertIn("2 sessions, 2 packets answered", self.agent.command("doctor").stdout)

    def test_a_stop_closes_the_port_before_it_is_answered(self) -> None:
        self.begin(A, "5f01")
        session = self.session_of(A.address4)["id"]
        self.open_port(A)
        self.assert_port_25("a", INTERNET4, "open")
        self.assertTrue(self.account("Stop", "5f01"))
        attempts = [connect(self.isp.lab["a"], INTERNET4), connect(self.isp.lab["a"], INTERNET6)]
        self.assertEqual([attempt.outcome for attempt in attempts], ["refused", "refused"])
        self.assertIsNone(self.session_of(A.address4))
        self.assertIn("HANDED_OVER", self.log())
        self.assertEqual(self.metric("sekisho_handed_over_total"), 2)
        told = self.decisions("--event", "HANDED_OVER", "--within", f"{A.address4}/32")
        self.assertEqual([(each["key"], each["session"]) for each in told], [(f"{A.address4}/32", session)])
        self.assertRegex(told[0]["text"], "session.*: the grant has ended$")

    def test_the_next_holder_inherits_nothing(self) -> None:
        """Nor does a late Stop of the one before take anything from it."""
        self.begin(A, "5f01")
        self.open_port(A)
        time.sleep(1.1)  # accounting tells whole seconds
        self.begin(A, "5f02")
        self.assertIsNone(self.agent.granted(A.address4))
        self.assert_port_25("a", INTERNET4, "refused")
        self.open_port(A)
        self.assertTrue(self.account("Stop", "5f01"))
        self.assertTrue(self.account("Stop", "5f01"))
        self.begin(A, "5f02")  # once more, with another identifier
        self.assert_port_25("a", INTERNET4, "open")
        self.assertEqual(self.session_of(A.address4)["session"], "5f02")

    def test_a_nas_that_restarts(self) -> None:
        self.begin(A, "5f01")
        self.open_port(A)
        self.assertTrue(self.account("Accounting-On", ""))
        self.assert_port_25("a", INTERNET4, "refused")
        self.assertEqual(self.agent.ask("subscriber", "list")["subscribers"], [])

    def test_strangers_and_wrong_secrets(self) -> None:
        self.assertFalse(self.account("Start", "5f01", f"Framed-IP-Address = {A.address4}", secret="guessed"))
        self.assertIn("RADIUS_REFUSED", self.log())
        doctor = self.agent.command("doctor")
        self.assertEqual(doctor.returncode, 1)
        self.assertIn("made with another secret", doctor.stdout)
        self.assertIsNone(self.session_of(A.address4))
        self.nas.run("ip", "address", "add", "198.51.100.77/32", "dev", "lo")
        self.addCleanup(self.nas.run, "ip", "address", "del", "198.51.100.77/32", "dev", "lo")
        self.begin(A, "5f01")
        self.assertNotIn(SECRET, self.log())

    def test_proxy_state_comes_back(self) -> None:
        """radclient refuses an answer that is wrong in any octet; a proxy would miss its state."""
        done = self.nas.run("radclient", "-x", "-r", "1", "-t", "3", f"{EDGE_CORE4}:1813", "acct", SECRET,
                            text='Acct-Status-Type = Start\nAcct-Session-Id = "x"\nProxy-State = 0x0102ff\nProxy-State = 0x00\n')
        answer = done.stdout.split("Received Accounting-Response")[1]
        self.assertEqual([line.strip() for line in answer.splitlines() if "Proxy-State" in line],
                         ["Proxy-State = 0x0102ff", "Proxy-State = 0x00"])


class RadiusRestart(RadiusTest):
    """What outlives the agent."""

    def test_sessions_outlive_the_agent(self) -> None:
        self.begin(A, "5f01")
        self.open_port(A)
        before = self.session_of(A.address4)
        self.agent.kill()
        self.isp.restart_agent(("[[pool]]", RADIUS))
        after = self.session_of(A.address4)
        self.assertEqual({key: value for key, value in after.items() if key != "last_heard"},
                         {key: value for key, value in before.items() if key != "last_heard"})
        self.assert_port_25("a", INTERNET4, "open")
        self.assertTrue(self.account("Stop", "5f01"))
        self.assert_port_25("a", INTERNET4, "refused")

    def test_an_acknowledged_stop_outlives_a_kill(self) -> None:
        self.begin(A, "5f01")
        self.open_port(A)
        self.assertTrue(self.account("Stop", "5f01"))
        self.agent.kill()
        self.isp.restart_agent(("[[pool]]", RADIUS))
        self.assertIsNone(self.session_of(A.address4))
        self.assert_port_25("a", INTERNET4, "refused")

    def test_what_a_full_disk_forgets_is_not_acknowledged(self) -> None:
        small = "/run/small"
        self.edge.run("mkdir", "-p", small)
        self.edge.run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small)
        self.addCleanup(self.edge.run, "umount", "-l", small)
        own = ("[[pool]]", f'[store]\npath = "{small}/agent.db"\n{RADIUS}')
        self.isp.restart_agent(own)
        self.begin(A, "5f01")
        self.open_port(A)
        self.edge.run("dd", "if=/dev/zero", f"of={small}/ballast", "bs=4k", check=False)
        for number in range(100, 200):  # until there is no page left
            if not self.account("Start", f"6f{number}", f"Framed-IP-Address = 192.0.2.{number}", f'Class = "{"x" * 200}"'):
                break
        self.assertIn("RADIUS_UNRECORDED", self.log())
        self.assertLess(self.log().count("STORE_FAILED"), 3)
        self.assertFalse(self.account("Stop", "5f01"))
        self.assert_port_25("a", INTERNET4, "refused")
        self.edge.run("rm", f"{small}/ballast")
        await_true(lambda: self.account("Stop", "5f01"), "it is repeated, and recorded")
        self.agent.kill()
        self.isp.restart_agent(own)
        self.assertIsNone(self.session_of(A.address4))
        self.assert_port_25("a", INTERNET4, "refused")


class Silence(RadiusTest):  # labels: long
    """No interval is shorter than a minute, and it takes three of them."""

    def test_it_ends_a_session(self) -> None:
        self.isp.restart_agent(("[[pool]]", RADIUS.replace('"7m"', '"1m"')))
        self.begin(A, "5f01")
        self.begin(B, "5f02")
        self.open_port(A)
        number = self.session_of(A.address4)["id"]
        time.sleep(150)
        self.assertTrue(self.account("Interim-Update", "5f02"))
        self.assert_port_25("a", INTERNET4, "open")
        await_true(lambda: [each["user"] for each in self.agent.ask("subscriber", "list")["subscribers"]] == [B.user],
                   "the end of who says nothing", 60, 1)
        self.assert_port_25("a", INTERNET4, "refused")
        self.assertEqual([(each["name"], each["key"]) for each in self.decisions("--session", str(number))][-3:],
                         [("SESSIONS_SILENT", f"{A.address4}/32"), ("HANDED_OVER", f"{A.address4}/32"), ("HANDED_OVER", A.prefix6)])


class Contracts(RadiusTest):
    """Static contracts that come with a session."""

    def test_by_class_and_by_name(self) -> None:
        self.begin(A, "5f01", 'Class = "static-7"')
        self.assert_port_25("a", INTERNET4, "open")
        self.assert_port_25("a", INTERNET6, "open")
        self.assertEqual(self.session_of(A.address4)["contract"], "static")
        self.assertIn('contract "static"', self.agent.command("why", A.address4).stdout)
        self.begin(B, "5f02")
        self.assert_port_25("b", INTERNET4, "refused")
        self.edge.write("/etc/sekisho/static.users", "carol\nbob\n")
        await_true(lambda: connect(self.isp.lab["b"], INTERNET4).outcome == "open", "the list is read again")
        self.edge.write("/etc/sekisho/static.users", "# nobody\n")
        await_true(lambda: connect(self.isp.lab["b"], INTERNET4).outcome == "refused", "and again")
        self.assert_port_25("a", INTERNET4, "open")
        self.assertTrue(self.account("Stop", "5f01"))
        self.assert_port_25("a", INTERNET4, "refused")
        decided = self.decisions("--within", A.address4)
        self.assertEqual([each["name"] for each in decided], ["CONTRACT_BEGAN", "CONTRACT_ENDED"])
        self.assertIn('"static"', decided[0]["text"])
        decided = self.decisions("--within", B.address4)
        self.assertEqual([each["name"] for each in decided], ["CONTRACT_BEGAN", "CONTRACT_ENDED"])

    def test_a_lost_store_makes_no_exemption_of_it(self) -> None:
        self.begin(A, "5f01", 'Class = "static-7"')
        self.agent.stop()
        self.edge.write("/var/lib/sekisho/agent.db", "no database at all " * 500, 0o600)
        self.edge.run("rm", "-f", "/var/lib/sekisho/agent.db-wal", "/var/lib/sekisho/agent.db-shm")
        self.agent.start()
        self.assertIn("STORE_SET_ASIDE", self.log())
        self.assert_port_25("a", INTERNET4, "open")
        self.assertEqual(self.agent.ask("exempt", "list")["exemptions"], [])
        self.assertTrue(self.account("Stop", "5f01", f"Framed-IP-Address = {A.address4}"))
        self.assert_port_25("a", INTERNET4, "refused")

    def test_lists_are_filtered(self) -> None:
        self.begin(A, "5f01")
        self.begin(B, "5f02", 'Class = "static-7"')
        self.open_port(A)
        listed = lambda *words: [each["user"] for each in self.agent.ask("subscriber", "list", *words)["subscribers"]]
        self.assertEqual(listed("--nas", "bng1"), [A.user, B.user])
        self.assertEqual(listed("--nas", "bng2"), [])
        self.assertEqual(listed("--user", B.user), [B.user])
        self.assertEqual(listed("--within", A.prefix6), [A.user])
        session = self.session_of(A.address4)["id"]
        keys = [each["key"] for each in self.agent.ask("grant", "list", "--session", str(session))["grants"]]
        self.assertIn(f"{A.address4}/32", keys)
        self.assertEqual({each["session"] for each in self.decisions("--session", str(session))}, {session})
        other = self.session_of(B.address4)["id"]
        self.assertEqual(self.agent.ask("grant", "list", "--session", str(other))["grants"], [])
        self.assertEqual([each["name"] for each in self.decisions("--session", str(other))],
                         ["CONTRACT_BEGAN"] * 2)  # of both families

    def test_one_that_cant_be(self) -> None:
        """Of one address among many subscribers. It is told once, however often the session's labels change."""
        self.isp.restart_agent(("[[pool]]", RADIUS), ('action = "reset"', 'action = "reset"\nshared = true'))
        for number in range(3):
            self.begin(A, "5f01", f'Class = "static-{number}"')
        self.assert_port_25("a", INTERNET4, "refused")
        decided = self.decisions("--within", A.address4)
        self.assertEqual([(each["name"], each["user"], each["session"]) for each in decided],
                         [("CONTRACT_IMPOSSIBLE", A.user, self.session_of(A.address4)["id"])])
        self.assertIn('contract "static" opens nothing: 192.0.2.10/32 lies in pool "dsl", which is shared', decided[0]["text"])
        self.assertIn('contract "static", which opens nothing: 192.0.2.10/32 lies in pool "dsl"',
                      self.agent.command("why", A.address4).stdout)

    def test_a_restart_has_no_gap(self) -> None:
        self.begin(A, "5f01", 'Class = "static-7"')
        self.agent.kill()
        self.assert_port_25("a", INTERNET4, "open")
        self.isp.restart_agent(("[[pool]]", RADIUS))
        self.assert_port_25("a", INTERNET4, "open")
        self.assertTrue(self.account("Stop", "5f01"))
        self.assert_port_25("a", INTERNET4, "refused")
        self.assertEqual(self.agent.ask("exempt", "list")["exemptions"], [])


class SubscriberImport(RadiusTest):
    """Lists, for networks without RADIUS."""

    def bring(self, *lines: str, check: bool = True):
        done = self.agent.command("subscriber", "import", "-", text="\n".join(["id,user,prefixes,class", *lines]) + "\n")
        if check:
            self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def test_a_list_is_swapped_as_a_whole(self) -> None:
        line_a = f"line-a,alice,{A.address4} {A.prefix6},gold"
        line_b = f"line-b,bob,{B.address4},gold"
        self.assertIn("2 began", self.bring(line_a, line_b).stdout)
        self.open_port(A)
        before = self.session_of(A.address4)
        again = self.bring(line_a, f"line-c,carol,{B.address4},static-1").stdout
        self.assertIn("1 began, 1 ended, 1 kept", again)
        self.assertEqual(self.session_of(A.address4)["id"], before["id"])
        self.assert_port_25("a", INTERNET4, "open")
        self.assertEqual(self.session_of(B.address4)["contract"], "static")
        self.assert_port_25("b", INTERNET4, "open")
        last = self.bring(f"line-x,xavier,{A.address4},gold").stdout  # another has A's address
        self.assertIn("2 grants revoked", last)
        self.assertRegex(self.decisions("--event", "SUBSCRIBERS_IMPORTED")[-1]["text"], "^1 began, 2 ended, 0 kept; 2 grants ended")
        self.assert_port_25("a", INTERNET4, "refused")
        self.assert_port_25("b", INTERNET4, "refused")
        self.assertTrue(self.bring(check=False).returncode != 0, "an empty list is a slip")
        self.assertEqual(self.agent.command("subscriber", "import", "--empty", "-", text="id,prefixes\n").returncode, 0)
        self.assertEqual(self.agent.ask("subscriber", "list")["subscribers"], [])

    def test_what_a_line_says_may_change(self) -> None:
        self.bring(f"line-a,alice,{A.address4} {A.prefix6},static-1")
        self.assert_port_25("a", INTERNET4, "open")
        number = self.session_of(A.address4)["id"]
        self.bring(f"line-a,alice,{A.address4} {A.prefix6},gold")
        self.assert_port_25("a", INTERNET4, "refused")
        self.assertEqual(self.session_of(A.address4)["id"], number)
        self.bring(f"line-a,alice,{A.address4} {A.prefix6},static-1")
        self.bring(f"line-a,alice,{A.address4},")  # no class any more, and no IPv6
        self.assert_port_25("a", INTERNET4, "refused")
        self.assert_port_25("a", INTERNET6, "refused")
        self.assertIsNone(self.session_of(A.address6))

    def test_no_room(self) -> None:
        """Who is not taken in is told of once."""
        self.isp.restart_agent(("[[pool]]", RADIUS.replace("[radius]\n", "[radius]\nmax_sessions = 16\n")))
        self.bring(*[f"line-{number},,192.0.2.{number},gold" for number in range(100, 116)])
        for status in ("Start", "Interim-Update"):
            self.assertTrue(self.account(status, "5f17", f"Framed-IP-Address = {B.address4}", f'User-Name = "{B.user}"'))
        self.assertIsNone(self.session_of(B.address4))
        self.assertEqual([(each["name"], each["key"], each["text"]) for each in self.decisions("--user", B.user)],
                         [("SESSION_REFUSED", f"{B.address4}/32", "not taken in: there are 16 sessions, and no room for more")])

    def test_wrong_lists_change_nothing(self) -> None:
        self.bring(f"line-a,alice,{A.address4},gold")
        wrong = self.bring("line-b,bob,192.0.2.300,gold", check=False)
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn(":2", wrong.stderr)
        self.assertEqual(len(self.agent.ask("subscriber", "list")["subscribers"]), 1)


class FormerHolders(RadiusTest):
    """Connections whose grant has ended go on, but not for whoever has the address next."""

    mx = True

    def leave_a_conversation(self, session: str) -> Conversation:
        """Of A's session, beyond its grant."""
        if session:
            self.begin(A, session)
        self.agent.ask("grant", "add", A.address4, "--for", "2s")
        conversation = Conversation(self, INTERNET4)
        await_true(lambda: self.agent.granted(A.address4) is None, "the grant is over")
        time.sleep(1.5)  # it is swept
        self.assertTrue(conversation.goes_on())
        return conversation

    def test_another_session(self) -> None:
        conversation = self.leave_a_conversation("5f01")
        self.assertTrue(self.account("Start", "5f02", f"Framed-IP-Address = {A.address4}"))
        self.assertFalse(conversation.goes_on())

    def test_the_session_ends(self) -> None:
        conversation = self.leave_a_conversation("5f01")
        self.assertTrue(self.account("Stop", "5f01", f"Framed-IP-Address = {A.address4}"))
        self.assertFalse(conversation.goes_on())

    def test_who_is_first_heard_of_now(self) -> None:
        """He may have opened them himself."""
        conversation = self.leave_a_conversation("")
        self.assertTrue(self.account("Interim-Update", "5f01", f"Framed-IP-Address = {A.address4}"))
        self.assertTrue(conversation.goes_on())
