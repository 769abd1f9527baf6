# SPDX-License-Identifier: Apache-2.0
"""A box that is broken is replaced: a backup of it makes another one the same."""

import base64

from appliance_test import STICK, SUBSCRIBER, ApplianceTest


class BackupToAnother(ApplianceTest):
    def test_the_other_box_is_the_same(self) -> None:
        first = self.guest("backed-up")
        first.add_disk(self.stick("backed-up-stick", label="SEKISHO", texts=STICK))
        first.boot()
        first.run(f"sekisho exempt add {SUBSCRIBER} --note 'ticket 4711'")
        saved = self.work / "edge7.tar.gz"
        saved.write_bytes(base64.b64decode(first.run("sekisho backup - | base64 -w0").stdout.splitlines()[-1]))
        identity = first.run("cat /etc/machine-id").stdout
        first.shut_down()

        second = self.guest("replacement")
        second.add_disk(self.stick("replacement-stick", saved))
        second.boot()
        self.assertNotIn(SUBSCRIBER, second.run("sekisho exempt list").stdout)
        second.run("mount -o ro /dev/vdb /mnt && sekisho restore /mnt/edge7.tar.gz --yes && umount /mnt")
        self.reboot(second)
        self.assertEqual(second.run("systemctl is-active sekisho-agent").stdout.strip(), "active")
        self.assertIn("ticket 4711", second.run("sekisho exempt list").stdout)
        self.assertEqual(second.run("cat /etc/sekisho/sekisho.toml").stdout, STICK["sekisho.toml"])
        self.assertEqual(second.run("hostname").stdout.strip(), "edge7")
        self.assertIn("192.0.2.1", second.run("cat /etc/systemd/network/10-sub0.network").stdout)
        self.assertNotEqual(second.run("cat /etc/machine-id").stdout, identity, "it is another machine all the same")
