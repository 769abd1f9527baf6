# SPDX-License-Identifier: Apache-2.0
"""The image as a file: the same sources make the same one, and it says what is in it."""

import hashlib
import json
import subprocess
import tarfile
from pathlib import Path

from appliance_test import ROOT, ApplianceTest

LARGEST = 250_000_000  # octets, compressed


def sum_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Reproducible(ApplianceTest):
    def built(self, place: str) -> dict[str, str]:
        """The sums of all that is built but of the signature, which has a time in it, and of what has that in it."""
        output = self.work / place
        subprocess.run([ROOT / "images/build.sh", "--output", output, "--again"], check=True, stdout=subprocess.DEVNULL)
        sums = {path.suffixes[-1]: sum_of(path) for path in output.iterdir() if path.suffix != ".update"}
        update, = output.glob("*.update")
        with tarfile.open(update) as parts:
            for part in parts.getmembers():
                if part.name != "SHA256SUMS.gpg":
                    sums[part.name] = hashlib.sha256(parts.extractfile(part).read()).hexdigest()
        return sums

    def test_two_builds(self) -> None:
        self.assertEqual(self.built("once"), self.built("again"))
        image, = (self.work / "once").glob("*.raw.zst")
        self.assertLess(image.stat().st_size, LARGEST)
        bill, = (self.work / "once").glob("*.spdx.json")
        listed = json.loads(bill.read_text())
        self.assertEqual(listed["spdxVersion"], "SPDX-2.3")
        names = {each["name"] for each in listed["packages"]}
        self.assertLessEqual({"sekisho-agent", "sekisho-smtpd", "unbound", "libc6"}, names)
        self.assertTrue(any(name.startswith("linux-image-6") for name in names), names)
