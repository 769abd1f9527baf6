# SPDX-License-Identifier: Apache-2.0
"""Other operators' dynamic addresses, and the ISP's own mail server (IP25B)."""

import json
from ipaddress import IPv4Address

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
        before = self.counted("monitor")
        self.assert_port_25("internet", MAIL4, "open")
        self.assertGreater(self.counted("monitor"), before)
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

    def test_a_hundred_thousand(self) -> None:
        listed = [str(IPv4Address("100.64.0.1") + 2 * number) for number in range(100_000)]
        self.write("\n".join(listed))
        self.restart("drop", "xdp")
        self.assertEqual(self.agent.ask("status")["foreign_prefixes"], len(listed))
        for place in (0, 12_345, -1):
            self.assertTrue(self.is_barred(listed[place]), listed[place])
            self.assertFalse(self.is_barred(str(IPv4Address(listed[place]) + 1)), "its neighbour isn't in the list")
        self.write("\n".join(listed[1:]))
        await_true(lambda: self.agent.ask("status")["foreign_prefixes"] == len(listed) - 1, "the new list is in force", 20)
        self.assertFalse(self.is_barred(listed[0]))
        self.assertTrue(self.is_barred(listed[1]))

    def is_barred(self, source: str) -> bool:
        """What the kernel counts of a connection from there; it can't be open, since nobody knows the way back."""
        internet = self.isp.lab["internet"]
        internet.run("ip", "addr", "add", f"{source}/32", "dev", "lo")
        before = self.counted("drop")
        self.assert_port_25("internet", MAIL4, "timeout", source)
        internet.run("ip", "addr", "del", f"{source}/32", "dev", "lo")
        return self.counted("drop") > before

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

    def counted(self, verdict: str) -> int:
        return sum(item["packets"] for item in self.agent.ask("status")["counts"]
                   if (item["reason"], item["verdict"]) == ("foreign_dynamic", verdict))
