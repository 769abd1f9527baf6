# SPDX-License-Identifier: Apache-2.0
"""The story that images/lab.sh tells: lab.story looks and asserts, here each step is a test."""

from lab import story
from lab_test import LabTest


def tell(test: LabTest, step) -> None:
    for seen in step(test.isp):
        print(f"  {seen}", flush=True)


def tcp_counter(test: LabTest, host: str, name: str) -> int:
    """A counter of the host's own TCP, from /proc/net/snmp."""
    lines = test.isp.lab[host].run("cat", "/proc/net/snmp").stdout.splitlines()
    names, values = (line.split() for line in lines if line.startswith("Tcp:"))
    return int(values[names.index(name)])


class Blocked(LabTest):  # labels: quick
    """Closed for A and B, and open for whom and where it must be."""

    mail = True
    mx = True

    def setUp(self) -> None:
        super().setUp()
        self.isp.restart_agent()

    def test_refused_at_once(self) -> None:
        tell(self, story.closed)
        for host in ("a", "b"):
            # The subscribers' kernels check what comes back: eth0 has its offloads off.
            self.assertEqual(tcp_counter(self, host, "InCsumErrors"), 0, host)

    def test_other_ports_pass(self) -> None:
        tell(self, story.other_ports)

    def test_contract_passes(self) -> None:
        tell(self, story.contract)

    def test_own_mail_host_passes(self) -> None:
        tell(self, story.own_mail_host)

    def test_why(self) -> None:
        tell(self, story.why)


class Login(LabTest):  # labels: sanitize
    """A login opens the port for the one who logged in, before +OK is read."""

    mail = True
    mx = True

    def setUp(self) -> None:
        super().setUp()
        self.isp.restart_agent()

    def test_pop3(self) -> None:
        tell(self, story.pop3)

    def test_apop(self) -> None:
        tell(self, story.apop)

    def test_imap(self) -> None:
        tell(self, story.imap)

    def test_wrong_password(self) -> None:
        tell(self, story.wrong_password)

    def test_two_hundred_clients(self) -> None:
        tell(self, story.two_hundred)


class Time(LabTest):
    """The kernel keeps the time, whether the agent lives or not."""

    mail = True
    mx = True

    def setUp(self) -> None:
        super().setUp()
        self.isp.restart_agent()

    def test_end_without_agent(self) -> None:
        tell(self, story.kernel_keeps_time)

    def test_new_agent_takes_over(self) -> None:
        tell(self, story.new_agent)

    def test_restarts_leak_nothing(self) -> None:
        tell(self, story.restarts)
