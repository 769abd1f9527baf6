# SPDX-License-Identifier: Apache-2.0
"""Every command of `sekisho` against a running agent: for people, with --json, and its exit codes."""

import json

from lab.isp import config_text
from lab.topology import MAIL4, SUBSCRIBERS
from lab_test import LabTest

A, B, C = SUBSCRIBERS["a"], SUBSCRIBERS["b"], SUBSCRIBERS["c"]
COMMANDS = (
    ("status",), ("doctor",), ("version",), ("interface",), ("interface", "list"),
    ("grant",), ("grant", "add"), ("grant", "import"), ("grant", "list"), ("grant", "show"), ("grant", "revoke"),
    ("exempt",), ("exempt", "add"), ("exempt", "list"), ("exempt", "remove"), ("why",), ("events",), ("dataplane",), ("dataplane", "detach"), ("config",), ("config", "check"),
    ("subscriber",), ("subscriber", "list"), ("subscriber", "show"), ("subscriber", "import"),
    ("lockout",), ("lockout", "list"), ("lockout", "remove"),
    ("blocked",), ("blocked", "top"), ("quarantine",), ("quarantine", "add"), ("quarantine", "list"), ("quarantine", "remove"),
    ("logins",), ("logins", "list"), ("logins", "test"), ("logins", "patterns"),
    ("user",), ("user", "add"), ("user", "list"), ("user", "passwd"), ("user", "remove"),
    ("user", "usage"), ("user", "stop"), ("user", "resume"),
    ("queue",), ("queue", "list"), ("queue", "show"), ("queue", "flush"), ("queue", "hold"), ("queue", "release"),
    ("queue", "delete"),
    ("why-relay",),
    ("image",), ("image", "status"), ("image", "update"), ("image", "rollback"), ("image", "confirm"), ("image", "factory-reset"), ("image", "install"),
    ("backup",), ("restore",), ("setup",),
)


class CommandLine(LabTest):  # labels: quick
    """An operator at the box."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.agent.start()

    def say(self, exit_code: int, *words: str) -> str:
        """Standard output of a command, once its exit code has been looked at."""
        done = self.agent.command(*words)
        self.assertEqual(done.returncode, exit_code, f"sekisho {' '.join(words)}: {done.stdout}{done.stderr}")
        if exit_code:
            self.assertTrue(done.stderr.strip(), f"sekisho {' '.join(words)} failed without a word")
        return done.stdout

    def ask(self, exit_code: int, *words: str) -> dict:
        return json.loads(self.say(exit_code, *words, "--json"))

    def assert_error(self, kind: str, *words: str) -> str:
        """Refused: exit code 1, words for people, and the kind for programs."""
        self.say(1, *words)
        error = self.ask(1, *words)["error"]
        self.assertEqual(error["kind"], kind)
        self.assertTrue(error["what"])
        return error["what"]

    def test_help_has_examples(self) -> None:
        for words in COMMANDS:
            with self.subTest(words=words):
                self.assertIn("xample", self.say(0, *words, "--help"))

    def test_wrong_usage(self) -> None:
        for words in ((), ("nonsense",), ("grant",), ("grant", "add"), ("status", "--nonsense"), ("why",),
                      ("grant", "add", "not-an-address"), ("grant", "add", A.address4, "--for", "soon"),
                      ("exempt", "add", "192.0.2.1/24")):
            with self.subTest(words=words):
                self.say(2, *words)

    def test_status(self) -> None:
        self.assert_port_25("a", "203.0.113.25", "refused")
        answer = self.ask(0, "status")
        self.assertEqual(answer["state"], "enforcing")
        self.assertEqual(answer["interfaces"], 3)
        self.assertEqual(answer["pid"], self.pid_inside())
        self.assertEqual([pool["name"] for pool in answer["pools"]], ["dsl"])
        self.assertEqual([login["name"] for login in answer["logins"]], ["mail1", "submission"])
        blocked = [item for item in answer["counts"] if (item["reason"], item["verdict"]) == ("not_granted", "reset")]
        self.assertGreaterEqual(blocked[0]["packets"], 1)
        self.assertIn("dsl", self.say(0, "status"))

    def pid_inside(self) -> int:
        """The agent's pid as it knows it itself."""
        with open(f"/proc/{self.agent.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[-1]) for line in file if line.startswith("NSpid:"))

    def test_doctor(self) -> None:
        done = self.agent.command("doctor", "--json")
        answer = json.loads(done.stdout)
        bad = [check for check in answer["checks"] if not check["ok"]]
        self.assertEqual((done.returncode, bad), (0, []))
        self.assertTrue(self.say(0, "doctor"))

    def test_version(self) -> None:
        said = self.say(0, "version")
        answer = self.ask(0, "version")
        self.assertRegex(json.dumps(answer), r'"\d+\.\d+\.\d+"')
        self.assertRegex(said, r"\d+\.\d+\.\d+")

    def test_interface_list(self) -> None:
        modes = {item["name"]: item["mode"] for item in self.ask(0, "interface", "list")["interfaces"]}
        self.assertEqual({name: modes[name] for name in ("sub-a", "sub-c")}, {"sub-a": "xdp", "sub-c": "xdp"})
        release = tuple(int(number) for number in self.edge.run("uname", "-r").stdout.split(".")[:2])
        self.assertEqual(modes["sub-b"], "tcx" if release >= (6, 6) else "clsact")
        self.assertIn("sub-a", self.say(0, "interface", "list"))

    def test_grants(self) -> None:
        self.assertEqual(self.ask(0, "grant", "list")["grants"], [])
        self.assert_error("not_found", "grant", "show", B.address4)
        self.assert_error("not_found", "grant", "revoke", B.address4)
        added = self.ask(0, "grant", "add", B.address4, "--for", "90s", "--reason", "ticket 7")
        self.assertEqual((added["key"], added["source"], added["reason"]), (f"{B.address4}/32", "operator", "ticket 7"))
        self.assertTrue(85 <= added["seconds_left"] <= 90, added)
        self.assert_port_25("b", "203.0.113.25", "open")
        self.assertEqual(self.ask(0, "grant", "show", B.address4)["key"], added["key"])
        self.assertIn(B.address4, self.say(0, "grant", "list"))
        self.assertIn("ticket 7", self.say(0, "grant", "show", B.address4))
        self.say(0, "grant", "revoke", B.address4)
        self.assert_port_25("b", "203.0.113.25", "refused")
        self.say(0, "grant", "add", B.address6)
        self.assertEqual([grant["key"] for grant in self.ask(0, "grant", "list")["grants"]], [B.prefix6])
        self.assert_port_25("b", "2001:db8:ffff::25", "open", B.other6)
        self.say(0, "grant", "revoke", B.other6, "--json")
        self.assert_port_25("b", "2001:db8:ffff::25", "refused")

    def test_grants_of_a_list(self) -> None:
        lists = self.edge.file("/run/list.txt")
        lists.write_text(f"{B.address4} # a comment\n\n{B.prefix6}\n{B.address4}\n")
        done = self.ask(0, "grant", "import", "/run/list.txt", "--for", "90s", "--budget", "7", "--reason", "ticket 8")
        self.assertEqual(done, {"opened": 2, "kept": 0, "refused": 0, "examples": []})
        self.assertEqual(self.decisions("--event", "GRANTS_IMPORTED")[-1]["text"],
                         "2 opened, 0 kept, 0 refused, the port: ticket 8")
        self.assert_port_25("b", "203.0.113.25", "open")
        self.assert_port_25("b", "2001:db8:ffff::25", "open")
        grants = self.ask(0, "grant", "list")["grants"]
        self.assertEqual([(grant["key"], grant["budget"], grant["reason"]) for grant in grants],
                         [(f"{B.address4}/32", 7, "ticket 8"), (B.prefix6, 7, "ticket 8")])
        lists.write_text(f"{B.address4}\n{MAIL4}\n{A.address4}\n")
        told = self.agent.command("grant", "import", "/run/list.txt", "--for", "60s")
        self.assertEqual(told.returncode, 1)
        self.assertEqual(told.stdout, "opened for 1 subscribers; 1 have a grant that lasts longer\n")
        self.assertEqual(told.stderr, f"1 were refused:\n  {MAIL4} lies in no pool\n")
        self.assert_port_25("a", "203.0.113.25", "open")
        self.isp.restart_agent()
        self.assertEqual(len(self.ask(0, "grant", "list")["grants"]), 3)
        self.agent.revoke_all()

    def test_lists_that_are_wrong(self) -> None:
        lists = self.edge.file("/run/list.txt")
        lists.write_text(f"{B.address4}\n192.0.2.300\n")
        self.assertIn("/run/list.txt, line 2", self.assert_error("invalid", "grant", "import", "/run/list.txt"))
        lists.write_text(f"{B.address4}\n192.0.2.0/24\n")
        self.assert_error("invalid", "grant", "import", "/run/list.txt")
        lists.write_text(f"{B.address4}\n")
        self.assert_error("invalid", "grant", "import", "/run/list.txt", "--for", "25h")
        self.assert_error("unavailable", "grant", "import", "/run/missing.txt")
        self.assertEqual(self.ask(0, "grant", "list")["grants"], [])

    def test_grants_that_are_refused(self) -> None:
        self.assert_error("refused", "grant", "add", MAIL4)
        self.assert_error("invalid", "grant", "add", B.address4, "--for", "25h")
        self.assertEqual(self.ask(0, "grant", "list")["grants"], [])

    def test_exemptions(self) -> None:
        self.assertEqual(self.ask(0, "exempt", "list")["exemptions"], [])
        self.say(0, "exempt", "add", C.address4, "--note", "contract 7")
        self.assert_port_25("c", "203.0.113.25", "open")
        self.assert_error("conflict", "exempt", "add", C.address4)
        (item,) = self.ask(0, "exempt", "list")["exemptions"]
        self.assertEqual((item["prefix"], item["note"]), (f"{C.address4}/32", "contract 7"))
        self.assertIn("contract 7", self.say(0, "exempt", "list"))
        self.say(0, "exempt", "remove", C.address4)
        self.assert_port_25("c", "203.0.113.25", "refused")
        self.assert_error("not_found", "exempt", "remove", C.address4)
        told = self.decisions("--within", f"{C.address4}/32", "-n", "2")
        self.assertEqual([(each["name"], each["text"], each["by"]) for each in told],
                         [("EXEMPTION_ADDED", "contract 7", "uid 0"), ("EXEMPTION_REMOVED", "", "uid 0")])
        self.assert_error("refused", "exempt", "add", MAIL4)

    def test_wide_exemption(self) -> None:
        """Wider than a subscriber: B's and C's addresses together."""
        self.say(0, "exempt", "add", "192.0.2.16/28")
        self.assert_port_25("b", "203.0.113.25", "open")
        self.assert_port_25("c", "203.0.113.25", "open")
        self.assert_port_25("a", "203.0.113.25", "refused")
        self.say(0, "exempt", "remove", "192.0.2.16/28", "--json")
        self.assert_port_25("b", "203.0.113.25", "refused")

    def test_why(self) -> None:
        blocked = self.ask(0, "why", A.address4)
        self.assertEqual((blocked["verdict"], blocked["reason"]), ("reset", "not_granted"))
        rules = [step["rule"] for step in blocked["steps"]]
        for rule in ("designated", "no_pool", "exempt", "granted"):
            self.assertIn(rule, rules)
        designated = self.ask(0, "why", A.address4, MAIL4)
        self.assertEqual((designated["verdict"], designated["reason"]), ("pass", "designated"))
        self.assertEqual(self.ask(0, "why", MAIL4)["reason"], "no_pool")
        self.say(0, "grant", "add", A.address4)
        granted = self.ask(0, "why", A.address4)
        self.assertEqual(granted["reason"], "granted")
        decided = next(step["detail"] for step in granted["steps"] if step["rule"] == "granted")
        self.assertRegex(decided, rf"^a grant for {A.address4}/32 lives for (600|5\d\d) s more")
        self.say(0, "grant", "revoke", A.address4)
        self.assertIn("192.0.2.10", self.say(0, "why", A.address4))

    def test_why_where_the_port_is_not_closed(self) -> None:
        self.isp.restart_agent(("[grants]", "[dataplane]\nports = [2525]\n[grants]"))
        self.addCleanup(self.isp.restart_agent)
        answer = self.ask(0, "why", A.address4)
        self.assertEqual((answer["verdict"], answer["reason"]), ("pass", "port_not_enforced"))
        self.assert_port_25("a", "203.0.113.25", "open")

    def test_config_check(self) -> None:
        self.say(0, "config", "check")
        self.ask(0, "config", "check")
        self.edge.write("/etc/sekisho/broken.toml", config_text(("ipv6_key", "ipv6_kex")))
        done = self.agent.command("config", "check", "/etc/sekisho/broken.toml")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stdout + done.stderr, r"/etc/sekisho/broken\.toml:\d+:\d+: ")
        self.assertIn("ipv6_key", done.stdout + done.stderr)
        done = self.agent.command("config", "check", "/etc/sekisho/broken.toml", "--json")
        self.assertEqual(done.returncode, 2)
        json.loads(done.stdout)

    def test_without_agent(self) -> None:
        for words in (("status",), ("grant", "list"), ("why", A.address4)):
            with self.subTest(words=words):
                done = self.agent.command(*words, "--socket", "/run/sekisho/nobody.sock")
                self.assertEqual(done.returncode, 1)
                self.assertIn("/run/sekisho/nobody.sock", done.stderr)

    def test_who_may(self) -> None:
        """A user who is neither operator nor viewer learns and changes nothing."""
        command = self.for_all("sekisho")
        for words in (("grant", "list"), ("grant", "add", A.address4)):
            done = self.edge.run("setpriv", "--reuid", "nobody", "--clear-groups", command, *words, "--json", check=False)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertEqual(json.loads(done.stdout)["error"]["kind"], "refused")
        self.assertEqual(self.ask(0, "grant", "list")["grants"], [])
