# SPDX-License-Identifier: Apache-2.0
"""Other operators' dynamic addresses, and the ISP's own mail server (IP25B)."""

import json

from lab.hosts import await_true
from lab.topology import INTERNET4, INTERNET6, MAIL4, MAIL6
from lab_test import LabTest

LIST = "/etc/sekisho/foreign-dynamic"


class ForeignDynamic(LabTest):  # labels: sanitize
    """The Internet host stands in the list, or not; by XDP and by TC."""

    mail = True

    def test_barred(self) -> None:
        for attach in ("xdp", "tc"):
            with self.subTest(attach=attach):
                self.barred(attach)

    def barred(self, attach: str) -> None:
        self.write(f"{INTERNET4}  # an address of example.net\n{INTERNET6}/128\n")
        self.restart("drop", attach)
        self.assertEqual(self.agent.ask("status")["foreign_prefixes"], 2)
        for mail in (MAIL4, MAIL6):
            self.assert_port_25("internet", mail, "timeout")
        self.assert_port_25("mail", INTERNET4, "open")
        self.assert_port_25("a", MAIL4, "open")
        why = self.agent.ask("why", INTERNET4, MAIL4)
        self.assertEqual((why["reason"], why["verdict"]), ("foreign_dynamic", "drop"))
        self.assertEqual(self.agent.ask("why", MAIL4, INTERNET4)["reason"], "no_pool")

        # The list is changed while the agent runs, then broken.
        self.write("192.0.2.77\n")
        await_true(lambda: self.agent.ask("status")["foreign_prefixes"] == 1, "the new list is in force")
        self.assert_port_25("internet", MAIL4, "open")
        self.write(f"{INTERNET4}\nnonsense\n")
        await_true(lambda: not self.doctor()["ok"], "the broken list was noticed")
        self.assertIn("line 2", self.doctor()["detail"])
        self.assert_port_25("internet", MAIL4, "open")

        # What is counted only.
        self.write(f"{INTERNET4}\n")
        self.restart("monitor", attach)
        before = self.monitored()
        self.assert_port_25("internet", MAIL4, "open")
        self.assertGreater(self.monitored(), before)
        self.assertTrue(self.doctor()["ok"])

        # Without the section nobody is foreign.
        self.isp.restart_agent(("[[pool]]\n", self.interface(attach) + "[[pool]]\n"))
        self.attached()
        self.assert_port_25("internet", MAIL4, "open")
        self.assertEqual(self.agent.ask("why", INTERNET4, MAIL4)["reason"], "designated")

    def test_a_missing_list_keeps_what_is_in_force(self) -> None:
        self.write(f"{INTERNET4}\n")
        self.restart("drop", "xdp")
        self.edge.run("rm", LIST)
        self.restart("drop", "xdp")
        self.assert_port_25("internet", MAIL4, "timeout")
        self.assertIn("can't read", self.doctor()["detail"])

    def write(self, text: str) -> None:
        self.edge.run("sh", "-c", f"mkdir -p /etc/sekisho && cat > {LIST}.new && mv {LIST}.new {LIST}", text=text)

    @staticmethod
    def interface(attach: str) -> str:
        return f'[[interface]]\nname = "inet"\nside = "uplink"\nattach = "{attach}"\n'

    def restart(self, action: str, attach: str) -> None:
        section = f'[foreign_dynamic]\nfile = "{LIST}"\nservers = ["{MAIL4}", "{MAIL6}"]\naction = "{action}"\n'
        self.isp.restart_agent(("[[pool]]\n", f"{section}{self.interface(attach)}[[pool]]\n"))
        self.attached()

    def attached(self) -> None:
        await_true(lambda: any(each["name"] == "inet" and each["attached"]
                               for each in self.agent.ask("interface", "list")["interfaces"]), "inet is attached")

    def doctor(self) -> dict:
        answer = json.loads(self.agent.command("doctor", "--json").stdout)
        return next(check for check in answer["checks"] if check["name"] == "foreign-dynamic")

    def monitored(self) -> int:
        return sum(item["packets"] for item in self.agent.ask("status")["counts"]
                   if (item["reason"], item["verdict"]) == ("foreign_dynamic", "monitor"))
