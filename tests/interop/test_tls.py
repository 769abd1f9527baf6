# SPDX-License-Identifier: Apache-2.0
"""What testssl.sh finds at the submission server."""

import json

from lab.topology import EDGE_CORE4
from lab_test import LabTest

REPORT = "/run/testssl.json"
# WARN and DEBUG are about testssl.sh itself; LOW is that CBC ciphers are left for programs of TLS 1.2's first years.
BAD = {"MEDIUM", "HIGH", "CRITICAL", "FATAL"}


class Tls(LabTest):
    """Protocols, forward secrecy and the known weaknesses; not the certificate, which is the lab's own."""

    smtp = True
    mail = True

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.agent.start()
        cls.isp.submission.start()

    def findings(self, *options: str) -> dict[str, tuple[str, str]]:
        self.isp.lab["a"].run("rm", "-f", REPORT)
        self.isp.lab["a"].run("testssl", "--quiet", "--color", "0", "--warnings", "off", "--jsonfile", REPORT, "-p",
                              "-f", "-U", *options, check=False, timeout=280)
        return {each["id"]: (each["severity"], each["finding"])
                for each in json.loads(self.isp.lab["a"].file(REPORT).read_text())}

    def test_submission(self) -> None:
        for options in (("-t", "smtp", f"{EDGE_CORE4}:587"), (f"{EDGE_CORE4}:465",)):
            with self.subTest(options[-1]):
                found = self.findings(*options)
                for name in ("SSLv2", "SSLv3", "TLS1", "TLS1_1"):
                    self.assertIn("not offered", found[name][1], name)
                for name in ("TLS1_2", "TLS1_3"):
                    self.assertTrue(found[name][1].startswith("offered"), found[name])
                self.assertTrue({"heartbleed", "CRIME_TLS", "POODLE_SSL", "SWEET32", "RC4"} <= found.keys(), "all was looked for")
                self.assertEqual({name: each for name, each in found.items() if each[0] in BAD}, {})
