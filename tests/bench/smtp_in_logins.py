# SPDX-License-Identifier: Apache-2.0
"""Messages of 4 KB accepted a second, each by a client of its own with STARTTLS and AUTH PLAIN: sekisho against Debian's
Postfix with Dovecot SASL, interleaved, medians of rounds.

Both have the same SHA-512-crypt hash of the password, keep no answers, and have a P-256 key. What hashing alone takes is
measured beside: nobody who checks each password can be faster than that.
"""

import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from lab.daemon import CONFIG, Daemon
from lab.hosts import Host, Lab, await_true
from lab.services import accepts
from lab.submission import make_users
from smtp_in_messages import PORT, SINK, Ours, Theirs, await_quiet, own_disk, start_sink

ROUNDS = 5
SESSIONS = 20
MESSAGES = 400
SIZE = 4096
TARGET = 2.0
USER, PASSWORD = "alice", "wonderland"
CORES = 2

OURS = f"""
[api]
socket = "/run/sekisho/agent.sock"
[submission]
hostname = "ours.test"
report_logins = false
connections = 2000
certificate = "/etc/sekisho/tls/fullchain.pem"
key = "/etc/sekisho/tls/privkey.pem"
[[submission.listener]]
address = "127.0.0.1"
port = {PORT}
tls = "starttls"
[relay]
smarthost = "127.0.0.1:{SINK}"
"""

DOVECOT = """protocols =
listen = 127.0.0.1
auth_mechanisms = plain
auth_cache_size = 0
log_path = /var/log/dovecot.log
passdb {
  driver = passwd-file
  args = scheme=SHA512-CRYPT /etc/dovecot/users
}
userdb {
  driver = static
  args = uid=mail gid=mail home=/var/lib/mail
}
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0666
  }
}
"""

POSTFIX = {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": "/etc/postfix/key.pem /etc/postfix/certificate.pem",
           "smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "private/auth",
           "mynetworks": "192.0.2.1/32", "smtpd_relay_restrictions": "permit_sasl_authenticated, reject"}


def make_certificate(host: Host, key: str, certificate: str) -> None:
    host.file(key).parent.mkdir(parents=True, exist_ok=True)
    host.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
             "-subj", "/CN=smtp.test", "-keyout", key, "-out", certificate)
    host.file(key).chmod(0o600)


class OurLogins(Ours):
    def __init__(self, host: Host, disk: Path, password_hash: str):
        self.host = host
        own_disk(host, disk / "ours", "/var/lib/sekisho")
        host.file("/run/sekisho").mkdir(parents=True, exist_ok=True)
        host.write(CONFIG, OURS)
        make_users(host)
        make_certificate(host, "/etc/sekisho/tls/privkey.pem", "/etc/sekisho/tls/fullchain.pem")
        users = "/var/lib/sekisho/auth/users"
        host.write(users, f"{USER}:{password_hash}\n", 0o600)
        host.run("chown", "sekisho-auth:", users)
        start_sink(host, SINK)
        self.daemons = [Daemon(host, name) for name in ("sekisho-auth", "sekisho-relay", "sekisho-smtpd")]
        for daemon in self.daemons:
            daemon.start()


class TheirLogins(Theirs):
    def __init__(self, host: Host, disk: Path, password_hash: str):
        host.write("/etc/dovecot/dovecot.conf", DOVECOT)
        host.write("/etc/dovecot/users", f"{USER}:{password_hash}\n", 0o644)
        make_certificate(host, "/etc/postfix/key.pem", "/etc/postfix/certificate.pem")
        super().__init__(host, disk)
        host.run("install", "-d", "/var/lib/dovecot")
        host.run("dovecot")
        host.run("postconf", *(f"{name}={value}" for name, value in POSTFIX.items()))
        host.run("postfix", "reload")
        await_true(lambda: host.file("/var/spool/postfix/private/auth").exists(), "Dovecot")
        await_true(lambda: accepts(host, "127.0.0.1", PORT), "Postfix", 30)


def hashing_seconds(password_hash: str) -> float:
    """Of one core, for one password."""
    # Of constants Perl would compute it once.
    check = "my ($word, $hash) = @ARGV; for (1..100) { crypt($word, $hash) eq $hash or die }"
    begin = time.monotonic()
    subprocess.run(["perl", "-e", check, PASSWORD, password_hash], check=True)
    return (time.monotonic() - begin) / 100


def rate(server, load: Path) -> float:
    """Messages a second, of one round."""
    done = server.host.run(str(load), str(PORT), str(SESSIONS), str(MESSAGES), str(SIZE), USER, PASSWORD, timeout=300)
    return MESSAGES / float(done.stdout)


def main() -> int:
    build = Path(sys.argv[1])
    disk = build / "bench-disk"
    shutil.rmtree(disk, ignore_errors=True)
    password_hash = subprocess.run(["openssl", "passwd", "-6", PASSWORD], check=True, capture_output=True, text=True).stdout.strip()
    lab = Lab("bench-smtp-in-logins", build)
    rates: dict[str, list[float]] = {Ours.name: [], Theirs.name: []}
    try:
        lab.make_hosts(("ours", "theirs"))
        servers = (OurLogins(lab["ours"], disk, password_hash), TheirLogins(lab["theirs"], disk, password_hash))
        for _ in range(ROUNDS):
            for server in servers:
                await_quiet(servers)
                rates[server.name].append(rate(server, build / "tests/bench/bench_smtp_in_logins"))
        hashing = statistics.median(hashing_seconds(password_hash) for _ in range(ROUNDS))
    finally:
        lab.remove()
        subprocess.run(["rm", "-rf", str(disk)], check=True)
    ours, theirs = (statistics.median(rates[each.name]) for each in (Ours, Theirs))
    print(json.dumps({"row": "smtp-in-logins-vs-postfix", "value": round(ours / theirs, 3), "unit": "ratio", "target": TARGET,
                      "met": ours / theirs >= TARGET,
                      "peers": {"sekisho_per_second": round(ours, 1), "postfix_per_second": round(theirs, 1),
                                "hash_milliseconds": round(hashing * 1000, 2),
                                "hash_share_of_both_cores": {"sekisho": round(ours * hashing / CORES, 2),
                                                             "postfix": round(theirs * hashing / CORES, 2)}}}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
