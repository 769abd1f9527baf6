# SPDX-License-Identifier: Apache-2.0
"""The appliance's first boot: as it was flashed, and with a stick that configures it."""

import re

from appliance_test import DESIGNATED, FIRST, SERVER, STICK, SUBSCRIBER, GREET, ApplianceTest, BetweenNetworksTest


class FirstBoot(ApplianceTest):
    def test_first_boot(self) -> None:
        guest = self.guest("first")
        guest.boot()
        self.assertIn(guest.run("systemctl is-system-running --wait", check=False, timeout=400).stdout.strip(), ("running",),
                      guest.run("systemctl --failed --no-pager; journalctl -b -p 3 --no-pager | tail -n 50").stdout)
        # The root is what was shipped, and nobody can write to it.
        self.assertIn("erofs", guest.run("findmnt -no FSTYPE /").stdout)
        self.assertNotEqual(guest.run("touch /usr/x", check=False).returncode, 0)
        # The second slot is there, and /var has all the rest of the disk.
        names = guest.run("lsblk -no PARTLABEL,SIZE --bytes /dev/vda").stdout
        self.assertEqual(len(re.findall(r"^_empty", names, re.MULTILINE)), 2, names)
        self.assertGreater(int(guest.run("df --output=size -B1 /var | tail -n 1").stdout), 5 * 10 ** 9)
        # The filter runs; nothing listens that nobody has asked for.
        self.assertEqual(guest.run("sekisho status --json").returncode, 0)
        listening = [line for line in guest.run("ss -Hltun").stdout.splitlines() if not re.search(r"%\S+:(68|546)\s|127\.0\.0\.1|\[::1\]", line)]
        self.assertEqual(listening, [])
        self.assertEqual(self.states(guest), {FIRST: "good"})
        self.assertLess(int(guest.run("free -m | awk '/^Mem/ { print $3 }'").stdout), 300)
        # What an operator changes stays.
        guest.run("echo '# mine' >>/etc/sekisho/sekisho.toml; hostnamectl hostname edge1")
        identity = guest.run("cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub").stdout
        guest.shut_down()
        guest.boot()
        self.assertIn("# mine", guest.run("cat /etc/sekisho/sekisho.toml").stdout)
        self.assertEqual(guest.run("hostname").stdout.strip(), "edge1")
        self.assertEqual(guest.run("cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub").stdout, identity)


class ConfiguredByStick(BetweenNetworksTest):
    """A box that has never been touched."""

    def test_story(self) -> None:
        guest = self.between("stick")
        guest.add_disk(self.stick("configuration", label="SEKISHO", texts=STICK))
        self.beside("internet", GREET)
        self.start(guest)
        guest.shell()
        self.assertIn("FIRST_BOOT_CONFIGURED", guest.run("journalctl -b -o cat -u sekisho-first-boot").stdout)
        self.assertEqual(guest.run("hostname").stdout.strip(), "edge7")
        self.await_way()
        self.assertEqual(self.meets(DESIGNATED), "open")
        self.assertEqual(self.meets(SERVER), "refused")
        guest.run(f"sekisho grant add {SUBSCRIBER} --for 10m")
        self.assertEqual(self.meets(SERVER), "open")
        guest.run(f"sekisho grant revoke {SUBSCRIBER}")
        self.assertEqual(self.meets(SERVER), "refused")
        # The stick stays in, and does nothing any more.
        guest.run(f"sekisho exempt add {SUBSCRIBER} && sed -i s/dsl/fibre/ /etc/sekisho/sekisho.toml")
        self.reboot(guest)
        self.await_way()
        self.assertIn("fibre", guest.run("cat /etc/sekisho/sekisho.toml").stdout)
        self.assertEqual(self.meets(SERVER), "open", "exempt, after a reboot, too")
