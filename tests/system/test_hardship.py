# SPDX-License-Identifier: Apache-2.0
"""A full disk, a store that is no store, a kernel that can't: said clearly, and port 25 keeps its state."""

import json

from lab.agent import CONFIG
from lab.hosts import Host
from lab.isp import config_text
from lab.topology import INTERNET4, SUBSCRIBERS
from lab_test import LabTest

A = SUBSCRIBERS["a"]
SMALL = "/run/small"
DATABASE = f"{SMALL}/agent.db"


def in_store(edge: Host, sql: str) -> str:
    """Done where the file is: SQLite follows no path into another host."""
    program = ("import sqlite3, sys\nwith sqlite3.connect('/var/lib/sekisho/agent.db') as store:\n"
               "    print(store.execute(sys.argv[1]).fetchall())\n")
    return edge.run("/usr/bin/python3", "-c", program, sql).stdout.strip()


class FullDisk(LabTest):
    """The store on a file system of its own, which gets filled up."""

    def setUp(self) -> None:
        super().setUp()
        self.edge.run("mkdir", "-p", SMALL)
        self.edge.run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", SMALL)
        self.addCleanup(self.edge.run, "umount", "-l", SMALL)
        self.isp.restart_agent(("[grants]", f'[store]\npath = "{DATABASE}"\n[grants]'))

    def fill(self) -> None:
        self.edge.run("dd", "if=/dev/zero", f"of={SMALL}/ballast", "bs=4k", check=False)
        free = self.edge.run("df", "--output=avail", SMALL).stdout.split()[-1]
        self.assertEqual(free, "0")

    def grant_many(self) -> None:
        """Enough that a write must fail, whatever pages were still free."""
        for number in range(64):
            self.edge.run("sekisho", "grant", "add", f"192.0.2.{100 + number}", "--reason", "x" * 200)

    def test_grants_work_and_outlive_the_agent(self) -> None:
        self.fill()
        self.grant_many()
        self.policy("allow", self.login_event(A.address4))
        self.assert_port_25("a", INTERNET4, "open")
        self.assertIn("STORE_FAILED", self.log())
        doctor = self.agent.command("doctor", "--json")
        self.assertEqual(doctor.returncode, 1, doctor.stdout)
        ends = self.agent.granted(A.address4)["expires"]
        self.agent.kill()
        self.edge.run("rm", f"{SMALL}/ballast")
        self.agent.start()
        self.assert_port_25("a", INTERNET4, "open")
        self.assertEqual(self.agent.granted(A.address4)["expires"][:17], ends[:17])
        self.agent.revoke_all()
        self.assert_port_25("a", INTERNET4, "refused")

    def test_contracts_are_written_down_or_refused(self) -> None:
        self.agent.ask("exempt", "add", "192.0.2.200", "--note", "y" * 400)
        self.agent.ask("grant", "add", "192.0.2.201", "--reason", "z" * 200)
        self.fill()
        for number in range(256):
            done = self.agent.command("exempt", "add", f"192.0.2.{number}", "--note", "x" * 400)
            if done.returncode != 0:
                break
        self.assertIn("disk", done.stderr)
        self.assertNotIn(f"192.0.2.{number}/32", self.agent.command("exempt", "list").stdout)
        # What closes is closed at once, and it is said that the disk doesn't know yet. Removing needs room, too.
        ended = self.agent.command("grant", "revoke", "192.0.2.201")
        self.assertEqual((ended.returncode, "restart would undo" in ended.stderr), (1, True), ended.stderr)
        self.assertIsNone(self.agent.granted("192.0.2.201"))
        self.edge.run("rm", f"{SMALL}/ballast")
        self.agent.stop()  # writes what is owed
        self.agent.start()
        self.assertIsNone(self.agent.granted("192.0.2.201"))
        self.assertIn("192.0.2.200/32", self.agent.command("exempt", "list").stdout)
        self.assertEqual(self.agent.command("doctor").returncode, 0)

    def test_start_on_a_full_disk_keeps_the_port_closed(self) -> None:
        """No store can be made: said clearly. What an earlier agent put in force stays."""
        self.agent.kill()
        self.edge.run("sh", "-c", f"rm -f {DATABASE}*")
        self.fill()
        self.assertIn(DATABASE, self.agent.refused_start(1))
        self.assert_port_25("a", INTERNET4, "refused")


class FullMap(LabTest):
    """The kernel's map of entries has no room left."""

    def setUp(self) -> None:
        super().setUp()
        self.isp.restart_agent(("[grants]", "[dataplane]\nmax_entries = 16\n[grants]"))
        self.addCleanup(self.agent.revoke_all)

    def test_full(self) -> None:
        for number in range(16):
            self.agent.ask("grant", "add", f"192.0.2.{40 + number}")
        for words in (("grant", "add", "192.0.2.99"), ("exempt", "add", "192.0.2.99")):
            done = self.agent.command(*words)
            self.assertEqual((done.returncode, "max_entries" in done.stderr), (1, True), done.stderr)
        self.assertEqual(self.policy("allow", self.login_event(A.address4))[0], 200, "the login itself goes on")
        self.assertEqual(self.logins()["refused"], 1)
        self.assert_port_25("a", INTERNET4, "refused")
        self.assertEqual(self.agent.command("doctor").returncode, 1)
        self.agent.ask("grant", "add", "192.0.2.40", "--for", "1h")  # who is in may be renewed
        self.agent.ask("grant", "revoke", "192.0.2.41")
        self.policy("allow", self.login_event(A.address4))
        self.assert_port_25("a", INTERNET4, "open")
        self.agent.kill()
        self.agent.start()
        self.assertEqual(len(self.agent.ask("grant", "list")["grants"]), 16)

    def test_a_list_that_does_not_fit(self) -> None:
        """What finds room is opened, the others are told, and the books hold what the kernel holds."""
        done = self.agent.command("grant", "import", "-", "--json",
                                  text="".join(f"192.0.2.{number}\n" for number in range(1, 201)))
        told = json.loads(done.stdout)
        self.assertEqual((done.returncode, told["opened"], told["kept"], told["refused"]), (1, 16, 0, 184), done.stderr)
        self.assertEqual(len(told["examples"]), 20)
        self.assertIn("map of entries is full", done.stderr)
        self.assertEqual(len(self.agent.ask("grant", "list")["grants"]), 16)
        self.agent.kill()
        self.agent.start()
        self.assertEqual(len(self.agent.ask("grant", "list")["grants"]), 16)


    def test_less_room_than_before(self) -> None:
        """After a reboot, with a smaller map: who found no room is forgotten by the store, too."""
        self.agent.stop()
        self.edge.run("sekishod", "--config", CONFIG, "--detach")
        self.isp.restart_agent()
        for number in range(30):
            self.agent.ask("grant", "add", f"192.0.2.{40 + number}")
        self.agent.stop()
        self.edge.run("sekishod", "--config", CONFIG, "--detach")
        in_store(self.edge, "UPDATE boots SET id = 'the last one'")
        self.isp.restart_agent(("[grants]", "[dataplane]\nmax_entries = 16\n[grants]"))
        self.assertIn("GRANT_LOST", self.log())
        lost = {each["key"] for each in self.decisions("--event", "GRANT_LOST", "-n", "100")}
        self.assertEqual(len(lost), 14)
        self.assertFalse(lost & {each["key"] for each in self.agent.ask("grant", "list")["grants"]})
        self.assertEqual(len(self.agent.ask("grant", "list")["grants"]), 16)
        self.agent.stop()
        self.assertEqual(in_store(self.edge, "SELECT count(*) FROM grants"), "[(16,)]")
        self.agent.start()


class Reboot(LabTest):
    """The kernel has forgotten all, and the wall clock alone tells how much time has gone by."""

    def setUp(self) -> None:
        super().setUp()
        self.begin_anew()
        self.isp.restart_agent()
        self.policy("allow", self.login_event(A.address4))
        self.addCleanup(self.agent.revoke_all)

    def reboot(self, seconds: int) -> None:
        """By so much the wall clock has gone on."""
        self.agent.stop()
        self.edge.run("sekishod", "--config", CONFIG, "--detach")
        in_store(self.edge, "UPDATE boots SET id = 'the last one'")
        in_store(self.edge, f"UPDATE clocks SET boot = 'the last one', wall = wall - {seconds} * 1000000000")
        self.agent.start()

    def test_a_grant_ends_when_it_would_have_ended(self) -> None:
        left = self.agent.granted(A.address4)["seconds_left"]
        self.reboot(200)
        self.assertLessEqual(self.agent.granted(A.address4)["seconds_left"], left - 200)
        self.assert_port_25("a", INTERNET4, "open")

    def test_a_clock_that_has_gone_back_lengthens_nothing(self) -> None:
        self.reboot(-200)
        self.assertIsNone(self.agent.granted(A.address4))
        self.assert_port_25("a", INTERNET4, "refused")


class BadStore(LabTest):
    """What stands where the store should be."""

    def refused_start(self, path: str) -> None:
        self.agent.configure(config_text(("[grants]", f'[store]\npath = "{path}"\n[grants]')))
        self.assertIn(path, self.agent.refused_start(1))

    def test_not_a_database(self) -> None:
        file = self.edge.file("/var/lib/sekisho/text.db")
        self.edge.write("/var/lib/sekisho/text.db", "this is no database, whatever its name says\n" * 100)
        before = file.read_text()
        self.refused_start("/var/lib/sekisho/text.db")
        self.assertEqual(file.read_text(), before, "somebody's file was changed")

    def test_no_directory(self) -> None:
        self.refused_start("/etc/hostname/agent.db")


class PoorKernel(LabTest):
    """A kernel that lacks what the programs need, as far as it can be made to look so."""

    def setUp(self) -> None:
        super().setUp()
        self.agent.configure(config_text())

    def test_without_btf(self) -> None:
        """The verifier judges global functions by the kernel's own types."""
        hide = "mount -t tmpfs tmpfs /sys/kernel/btf && exec \"$@\""
        self.assertIn("CONFIG_DEBUG_INFO_BTF", self.agent.refused_start(1, "unshare", "--mount", "sh", "-c", hide, "sh"))

    def test_without_capabilities(self) -> None:
        said = self.agent.refused_start(1, "setpriv", "--bounding-set", "-bpf,-sys_admin", "--inh-caps", "-all")
        self.assertIn("CAP_BPF", said)

    def test_without_bpf_file_system(self) -> None:
        cover = 'mount -t tmpfs tmpfs /sys/fs/bpf && exec "$@"'
        self.assertIn("mount -t bpf", self.agent.refused_start(1, "unshare", "--mount", "sh", "-c", cover, "sh"))

    def test_unprivileged(self) -> None:
        said = self.agent.refused_start(1, "setpriv", "--reuid", "nobody", "--clear-groups",
                                        program=self.for_all("sekishod"))
        self.assertRegex(said, "CAP_BPF|/sys/fs/bpf")
