# SPDX-License-Identifier: Apache-2.0
"""The agent as a service: what whoever started it is told, and what becomes of its log."""

import os
import subprocess

from lab.daemon import CONFIG
from lab.hosts import await_true
from lab.topology import SUBSCRIBERS
from lab_test import LabTest

A = SUBSCRIBERS["a"]


class Service(LabTest):  # labels: sanitize
    """As systemd would start it, and as a shell would."""

    def setUp(self) -> None:
        super().setUp()
        self.isp.restart_agent()

    def test_watchdog_is_fed(self) -> None:
        self.agent.stop()
        self.agent.start("env", "WATCHDOG_USEC=4000000")
        for _ in range(2):
            await_true(lambda: self.agent.notified(b"WATCHDOG=1"), "the watchdog is fed within its time", 4)

    def test_the_log_has_no_reader_any_more(self) -> None:
        """`sekishod 2>&1 | tee file`, and tee is gone: nobody's port depends on it."""
        self.agent.stop()
        reader, writer = os.pipe()
        with os.fdopen(reader), os.fdopen(writer, "wb") as log:
            agent = self.edge.spawn("sekishod", "--config", CONFIG, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            self.addCleanup(agent.kill)
            await_true(lambda: self.agent.command("status").returncode == 0, "the agent is up")
        for _ in range(2):  # each says GRANT_ADDED and GRANT_REVOKED
            self.agent.ask("grant", "add", A.address4)
            self.agent.ask("grant", "revoke", A.address4)
        self.assertIsNone(agent.poll())
