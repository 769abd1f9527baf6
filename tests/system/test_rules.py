# SPDX-License-Identifier: Apache-2.0
"""Rules for logins, and what is written down of each decision."""

import json
import time

from lab.hosts import await_true
from lab.topology import API_KEY, EDGE_CORE4, INTERNET4, INTERNET6, MAIL4, POLICY_PORT, SUBSCRIBERS
from lab_test import LabTest
from test_radius import RADIUS, RadiusTest

A, B, C = (SUBSCRIBERS[name] for name in "abc")
GRANTS = """[grants]
addresses_per_user = 2
tls = "required"
"""
RULES = """[[grants.rule]]
name = "webmail"
protocols = ["webmail"]
opens = false
[[grants.rule]]
name = "old"
protocols = ["pop3"]
tls = "any"
lifetime = "5m"
[[grants.rule]]
name = "senders"
protocols = ["smtp"]
scope = ["relay"]
[[login.dovecot]]"""


class Rules(LabTest):  # labels: sanitize
    """What a login opens, by who reports it and how the user came in."""

    def setUp(self) -> None:
        super().setUp()
        if self.agent.running():
            self.agent.stop()
        self.edge.run("sekishod", "--detach")
        self.edge.run("sh", "-c", "rm -f /var/lib/sekisho/*.db*")
        self.isp.restart_agent(("[grants]\n", GRANTS), ("[[login.dovecot]]", RULES))

    def log_in(self, address: str, **fields) -> None:
        """Dovecot is told to go on, whatever becomes of the grant."""
        status, body = self.policy("allow", self.login_event(address, **fields))
        self.assertEqual((status, json.loads(body)["status"]), (200, 0))

    def test_tls_and_protocols(self) -> None:
        self.log_in(A.address4, protocol="imap", tls=False)
        self.assertIsNone(self.agent.granted(A.address4))
        self.assert_port_25("a", INTERNET4, "refused")
        self.log_in(A.address4, protocol="webmail")
        self.assertIsNone(self.agent.granted(A.address4))
        self.log_in(A.address4, protocol="pop3", tls=False)
        self.assertLessEqual(self.agent.ask("grant", "show", A.address4)["seconds_left"], 300)
        self.assert_port_25("a", INTERNET4, "open")
        self.assertEqual([(event["name"], event["rule"], event["protocol"]) for event in self.decisions()],
                         [("LOGIN_REFUSED", "", "imap"), ("LOGIN_REFUSED", "webmail", "webmail"), ("LOGIN_GRANTED", "old", "pop3")])
        why = self.agent.command("why", A.address4).stdout
        self.assertIn("without TLS opens nothing", why)
        reporter = self.agent.ask("logins", "list")["reporters"][0]
        self.assertEqual({key: reporter[key] for key in ("name", "kind", "where", "granted", "refused")},
                         {"name": "mail1", "kind": "dovecot", "where": "198.51.100.1:4001", "granted": 1, "refused": 2})
        self.assertIn("LOGIN_GRANTED, user alice, by pop3, reporter mail1, rule old", why)

    def test_a_login_for_the_relay_alone(self) -> None:
        self.log_in(A.address4, protocol="smtp")
        self.assertEqual(self.agent.granted(A.address4)["scope"], "relay")
        self.assert_port_25("a", INTERNET4, "refused")
        self.assertEqual(self.decisions()[-1]["text"], "a login opened the relay; with TLS, by PLAIN")
        self.assertIn("the relay alone is open, by smtp login of alice", self.agent.command("why", A.address4).stdout)
        self.isp.restart_agent(("[grants]\n", GRANTS), ("[[login.dovecot]]", RULES))
        self.assertEqual(self.agent.granted(A.address4)["scope"], "relay")
        self.assert_port_25("a", INTERNET4, "refused")
        self.log_in(A.address4, protocol="pop3")
        self.assertEqual(self.agent.granted(A.address4)["scope"], "edge,relay")
        self.assert_port_25("a", INTERNET4, "open")
        self.agent.ask("grant", "revoke", A.address4)
        self.agent.ask("grant", "add", A.address4, "--scope", "relay")
        self.assert_port_25("a", INTERNET4, "refused")

    def test_an_address_that_many_share(self) -> None:
        """One login would open it for all of them; it stands good all the same."""
        self.isp.restart_agent(('name = "dsl"\n', 'name = "dsl"\nshared = true\n'))
        self.log_in(A.address4)
        self.assertIsNone(self.agent.granted(A.address4))
        self.assert_port_25("a", INTERNET4, "refused")
        (told,) = self.decisions()
        self.assertEqual((told["name"], told["user"]), ("LOGIN_REFUSED", "alice"))
        self.assertIn("shared", told["text"])
        self.assertIn("shared", self.agent.command("why", A.address4).stdout)

    def test_so_many_addresses_for_each_user(self) -> None:
        for line in (A, B, C):
            self.log_in(line.address4, protocol="imap")
        self.assertIsNotNone(self.agent.granted(B.address4))
        self.assertIsNone(self.agent.granted(C.address4))
        self.assertIn("has 2 addresses open already", self.decisions()[-1]["text"])
        self.log_in(C.address4, protocol="imap", login="carol")
        self.assertIsNotNone(self.agent.granted(C.address4))

    def test_who_polls_changes_little(self) -> None:
        for _ in range(20):
            self.log_in(A.address4, protocol="imap")
        names = [event["name"] for event in self.decisions()]
        self.assertEqual((names.count("LOGIN_GRANTED"), names.count("LOGIN_KEPT")), (1, 19))

    def test_a_revoked_grant_is_not_opened_by_the_next_poll(self) -> None:
        self.log_in(A.address4)
        self.agent.ask("grant", "revoke", A.address4)
        self.log_in(A.address4)
        self.assert_port_25("a", INTERNET4, "refused")
        self.assertIn("an operator revoked the grant (alice)", self.agent.command("why", A.address4).stdout)
        self.assertEqual(self.agent.ask("grant", "list")["cool_downs"][0]["cause"], "revoked")
        self.agent.ask("grant", "add", A.address4)
        self.agent.ask("grant", "revoke", A.address4, "--no-cool-down")
        self.log_in(A.address4)
        self.assert_port_25("a", INTERNET4, "open")
        self.assertEqual([(event["name"], event["by"]) for event in self.decisions()],
                         [("LOGIN_GRANTED", ""), ("GRANT_REVOKED", "uid 0"), ("LOGIN_REFUSED", ""), ("GRANT_ADDED", "uid 0"),
                          ("GRANT_REVOKED", "uid 0"), ("LOGIN_GRANTED", "")])

    def test_filters(self) -> None:
        self.log_in(A.address4, login="anna")
        self.log_in(B.address6, login="bob")
        self.log_in("203.0.113.99", login="bob")  # in no pool
        self.assertEqual([event["key"] for event in self.decisions("--user", "bob")], [B.prefix6, "203.0.113.99/32"])
        self.assertEqual([event["user"] for event in self.decisions("--within", A.address4)], ["anna"])
        self.assertEqual([event["user"] for event in self.decisions("--within", B.other6)], ["bob"])
        self.assertEqual(len(self.decisions("--within", "203.0.113.0/24", "--event", "LOGIN_REFUSED")), 1)
        self.assertEqual(len(self.decisions("-n", "2")), 2)
        self.assertEqual(self.decisions("--reporter", "nobody"), [])
        self.assertEqual(len(self.decisions("--since", "1h")), 3)
        grants = self.agent.ask("grant", "list", "--user", "bob")["grants"]
        self.assertEqual([(grant["key"], grant["source"]) for grant in grants], [(B.prefix6, "mail1")])
        first = self.agent.ask("grant", "list", "-n", "1")
        self.assertEqual([grant["user"] for grant in first["grants"]], ["anna"])
        rest = self.agent.ask("grant", "list", "--after", first["next"])
        self.assertEqual(([grant["user"] for grant in rest["grants"]], rest["next"]), (["bob"], None))

    def test_following(self) -> None:
        self.log_in(A.address4, login="before")
        told = self.edge.log("events.log")
        with told.open("w") as out:
            follower = self.edge.spawn("sekisho", "events", "--follow", "--json", "--user", "later", stdout=out)
        self.addCleanup(follower.kill)
        time.sleep(0.5)
        for number in range(3):
            self.log_in(A.address4, login="another")
            self.log_in(B.address4, login="later")
            await_true(lambda: told.read_text().count("\n") == number + 1, "the event that is told at once", 5)
        self.assertEqual([json.loads(line)["name"] for line in told.read_text().splitlines()],
                         ["LOGIN_GRANTED", "LOGIN_KEPT", "LOGIN_KEPT"])

    def test_they_outlive_the_agent_and_its_file_need_not(self) -> None:
        self.log_in(A.address4)
        self.decisions()
        self.agent.kill()
        self.agent.start()
        self.assertEqual([event["name"] for event in self.decisions()], ["LOGIN_GRANTED"])
        self.agent.stop()
        self.edge.write("/var/lib/sekisho/agent-events.db", "no database at all " * 500, 0o600)
        self.agent.start()
        self.assertIn("EVENTS_SET_ASIDE", self.log())
        self.log_in(B.address4)
        self.assertEqual([event["user"] for event in self.decisions()], ["alice"])
        self.assert_port_25("b", INTERNET4, "open")
        self.assertIn("agent-events.db.aside-", self.edge.run("ls", "/var/lib/sekisho").stdout)


class Retention(LabTest):
    """How much of the audit log is kept."""

    FILE = "/var/lib/sekisho/agent-events.db"

    def in_file(self, statement: str) -> str:
        program = f"import sqlite3; file = sqlite3.connect('{self.FILE}'); print(*file.execute({statement!r})); file.commit()"
        return self.edge.run("/usr/bin/python3", "-c", program).stdout

    def restart(self, *lines: str) -> None:
        self.isp.restart_agent(("[grants]\n", "\n".join(["[events]", *lines, "[grants]\n"])))

    def test_by_size(self) -> None:
        self.begin_anew()
        self.restart("keep_mib = 1")
        login = {"address": A.address4, "user": "long" * 60, "protocol": "smtp", "success": True}
        self.edge.run("curl", "-sS", "--fail", "--unix-socket", "/run/sekisho/agent.sock", "-d", json.dumps(login),
                      "http://localhost/v1/logins?[1-6000]")
        self.agent.stop()
        self.assertEqual(self.in_file("SELECT max(id), min(id) > 1 FROM events"), "(6000, 1)\n")
        self.assertLess(self.edge.file(self.FILE).stat().st_size, 2 << 20)

    def test_by_age(self) -> None:
        self.begin_anew()
        self.restart()
        self.agent.ask("grant", "add", A.address4)
        self.agent.stop()
        self.in_file("UPDATE events SET at = at - 7200000000000")
        self.restart('keep = "3h"')
        self.agent.ask("grant", "add", B.address4)
        time.sleep(2)  # it is looked at
        self.assertEqual([each["key"] for each in self.decisions()], [f"{A.address4}/32", f"{B.address4}/32"])
        self.restart('keep = "1h"')
        await_true(lambda: [each["key"] for each in self.decisions()] == [f"{B.address4}/32"], "what is too old has gone")


class TwoServers(LabTest):
    """Each [[login.dovecot]] has its own key and time."""

    def test_each_has_its_key_its_time_and_its_scope(self) -> None:
        self.edge.write("/etc/sekisho/other.key", "the-other-key\n", 0o600)
        other = (f'[[login.dovecot]]\nname = "mail2"\nlisten = "{EDGE_CORE4}"\nport = {POLICY_PORT + 1}\n'
                 f'key_file = "/etc/sekisho/other.key"\nreporters = ["{MAIL4}/32"]\nproof = "authed=ok"\nlifetime = "2m"\n')
        rule = '[[grants.rule]]\nname = "relay-alone"\nreporters = ["mail2"]\nscope = ["relay"]\n'
        self.isp.restart_agent(("[[login.dovecot]]", rule + other + "[[login.dovecot]]"))
        for key, port, status in (("the-other-key", POLICY_PORT, 401), (API_KEY, POLICY_PORT + 1, 401),
                                  (None, POLICY_PORT + 1, 401), ("the-other-key", POLICY_PORT + 1, 200)):
            self.assertEqual(self.policy("allow", self.login_event(B.address4), key=key, port=port)[0], status)
        self.assertEqual(self.policy("allow", self.login_event(A.address4))[0], 200)
        grants = {each["key"]: each for each in self.agent.ask("grant", "list")["grants"]}
        self.assertEqual(grants[f"{B.address4}/32"]["source"], "mail2")
        self.assertLessEqual(grants[f"{B.address4}/32"]["seconds_left"], 120)
        self.assertEqual(grants[f"{A.address4}/32"]["source"], "mail1")
        self.assertGreater(grants[f"{A.address4}/32"]["seconds_left"], 120)
        self.assertEqual([grants[f"{line.address4}/32"]["scope"] for line in (A, B)], ["edge", "relay"])
        self.assert_port_25("a", INTERNET4, "open")
        self.assert_port_25("b", INTERNET4, "refused")
        counts = {each["name"]: (each["granted"], each["rejected"]) for each in self.agent.ask("status")["logins"]}
        self.assertEqual((counts["mail1"], counts["mail2"]), ((1, 1), (1, 2)))


class LostStore(LabTest):  # labels: sanitize
    """The file of grants, exemptions and sessions is no use any more, or one row of it."""

    def setUp(self) -> None:
        super().setUp()
        self.begin_anew()

    def test_the_agent_goes_on_with_what_the_kernel_holds(self) -> None:
        self.isp.restart_agent()
        self.agent.ask("exempt", "add", B.address4)
        self.agent.ask("quarantine", "add", C.address4)
        self.policy("allow", self.login_event(A.address4))
        left = self.agent.ask("grant", "show", A.address4)["seconds_left"]
        self.agent.stop()
        self.edge.write("/var/lib/sekisho/agent.db", "no database at all " * 500, 0o600)
        self.edge.run("rm", "-f", "/var/lib/sekisho/agent.db-wal", "/var/lib/sekisho/agent.db-shm")
        self.agent.start()
        self.assertIn("STORE_SET_ASIDE", self.log())
        for host, outcome in (("a", "open"), ("b", "open"), ("c", "refused")):
            self.assert_port_25(host, INTERNET4, outcome)
        self.assertLessEqual(self.agent.ask("grant", "show", A.address4)["seconds_left"], left)
        self.assertEqual([each["prefix"] for each in self.agent.ask("exempt", "list")["exemptions"]], [f"{B.address4}/32"])
        self.assertEqual(len(self.agent.ask("quarantine", "list")["quarantines"]), 1)
        doctor = self.agent.command("doctor")
        self.assertEqual(doctor.returncode, 1)
        self.assertIn("it was moved to /var/lib/sekisho/agent.db.aside-", doctor.stdout)
        self.agent.stop()
        self.agent.start()
        self.assertEqual(self.agent.command("doctor").returncode, 0, "what was begun anew is whole")
        self.assert_port_25("b", INTERNET4, "open")

    def test_one_of_a_newer_agent(self) -> None:
        """As after a downgrade: it is kept for the newer one, and no port closes."""
        self.isp.restart_agent()
        self.policy("allow", self.login_event(A.address4))
        self.agent.stop()
        change = "import sqlite3; sqlite3.connect('/var/lib/sekisho/agent.db').execute('PRAGMA user_version = 99')"
        self.edge.run("/usr/bin/python3", "-c", change)
        self.agent.start()
        self.assertRegex(self.log(), "STORE_SET_ASIDE .*was written by a newer version of sekishod")
        self.assert_port_25("a", INTERNET4, "open")
        self.assertEqual(self.agent.granted(A.address4)["key"], f"{A.address4}/32")
        self.assertIn("it was moved to /var/lib/sekisho/agent.db.aside-", self.agent.command("doctor").stdout)
        version = "import glob, sqlite3; print(*sqlite3.connect(*glob.glob('/var/lib/sekisho/agent.db.aside-*Z')).execute(" \
                  "'PRAGMA user_version').fetchone())"
        self.assertEqual(self.edge.run("/usr/bin/python3", "-c", version).stdout.strip(), "99")

    def test_a_slip_in_the_file_costs_one_row(self) -> None:
        self.isp.restart_agent()
        self.agent.ask("exempt", "add", A.address4)
        self.agent.ask("exempt", "add", B.address4)
        self.agent.stop()
        self.edge.run("/usr/bin/python3", "-c", "import sqlite3; store = sqlite3.connect('/var/lib/sekisho/agent.db');"
                      f"store.execute(\"UPDATE exemptions SET prefix = '192.0.2.x' WHERE prefix = '{A.address4}/32'\");"
                      "store.commit()")
        self.agent.start()
        self.assertIn("STORE_ROW_LEFT_OUT", self.log())
        self.assert_port_25("a", INTERNET4, "refused")
        self.assert_port_25("b", INTERNET4, "open")
        doctor = self.agent.command("doctor")
        self.assertEqual(doctor.returncode, 1)
        self.assertIn('row "192.0.2.x"', doctor.stdout)


class OtherFamily(RadiusTest):
    """A login over one family opens the other, for the same subscriber."""

    def test_both_ways(self) -> None:
        self.isp.restart_agent(("[[pool]]", RADIUS), ("[grants]\n", "[grants]\nother_family = true\n"))
        for line, host in ((A, "a"), (B, "b")):
            self.begin(line, f"5f-{host}")
        self.policy("allow", self.login_event(A.address4))
        self.policy("allow", self.login_event(B.other6, login="bob"))
        for line, host in ((A, "a"), (B, "b")):
            self.assert_port_25(host, INTERNET4, "open")
            self.assert_port_25(host, INTERNET6, "open")
        self.assertIn("over the other family", self.agent.ask("grant", "show", A.address6)["reason"])
        session = self.session_of(A.address4)["id"]
        self.assertEqual([grant["session"] for grant in self.agent.ask("grant", "list", "--user", "alice")["grants"]], [session] * 2)
        self.assertTrue(self.account("Stop", "5f-a"))
        self.assertEqual([self.agent.granted(A.address4), self.agent.granted(A.address6)], [None, None])

    def test_only_if_it_is_wanted(self) -> None:
        self.begin(A, "5f01")
        self.policy("allow", self.login_event(A.address4))
        self.assertIsNone(self.agent.granted(A.address6))
