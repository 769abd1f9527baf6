# SPDX-License-Identifier: Apache-2.0
"""The real servers of the lab: Dovecot and DNS at the ISP's mail host, Postfix there and on the Internet."""

import re
import secrets
import socket
from itertools import takewhile
from pathlib import Path
from string import Template

from .hosts import ROOT, Host, Lab, LabError, Process, await_true
from .topology import (API_KEY, CLIENT_NAME, DOWN4, DOWN_DOMAIN, EDGE_CORE4, EDGE_CORE6, INTERNET4, INTERNET6, ISP_DOMAIN, LMTP_PORT, MAIL4,
                       MAIL6, MAIL_NAME, MISNAMED4, MX_DOMAIN, MX_NAME, NAMED4, POLICY_PORT, POOL4, POOL6, SMTP_NAME, SUBSCRIBERS,
                       UNKNOWN_USER)
from .tree import debian_tree, run_from

TEMPLATES = Path(__file__).with_name("templates")
FREERADIUS = "/etc/freeradius/3.0"
OTHER_PORT = 587  # where the Internet's MX listens, too, and which nobody closes


def fill(template: str, **values: str) -> str:
    return Template((TEMPLATES / template).read_text()).substitute(values)


def accepts(host: Host, address: str, port: int) -> bool:
    """Does anybody listen there, seen from the host itself?"""
    with host.network():
        try:
            socket.create_connection((address, port), 1).close()
            return True
        except OSError:
            return False


def await_no_connection(host: Host, address: str) -> None:
    """The relay keeps one for a moment, for the next message."""
    await_true(lambda: not host.run("ss", "-Htn", "state", "established", "dst", address).stdout, f"the end of connections to {address}")


def make_certificate(lab: Lab) -> None:
    """A self-signed certificate for the mail host; clients find it in the lab's state as ca.pem."""
    mail = lab["mail"]
    mail.file("/etc/dovecot/tls").mkdir(parents=True, exist_ok=True)
    names = f"subjectAltName=DNS:{MAIL_NAME},IP:{MAIL4},IP:{MAIL6}"
    mail.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
             "-subj", f"/CN={MAIL_NAME}", "-addext", names, "-keyout", "/etc/dovecot/tls/server.key",
             "-out", "/etc/dovecot/tls/server.pem")
    (lab.state / "ca.pem").write_bytes(mail.file("/etc/dovecot/tls/server.pem").read_bytes())


def start_dns(lab: Lab) -> None:
    mail = lab["mail"]
    mail.write("/etc/nsd/nsd.conf", fill("nsd.conf"))
    mail.write("/etc/nsd/example.net.zone",
               fill("zone", domain=ISP_DOMAIN, server=f"{MAIL_NAME}.", address4=MAIL4, address6=MAIL6)
               + f"ns.example.net. IN A {MAIL4}\n{SMTP_NAME}. IN A {EDGE_CORE4}\n{SMTP_NAME}. IN AAAA {EDGE_CORE6}\n"
               + f"{CLIENT_NAME}. IN A {NAMED4}\n")
    mail.write("/etc/nsd/example.com.zone",
               fill("zone", domain=MX_DOMAIN, server=f"{MX_NAME}.", address4=INTERNET4, address6=INTERNET6)
               + f"{DOWN_DOMAIN}. IN MX 10 mx.{DOWN_DOMAIN}.\nmx.{DOWN_DOMAIN}. IN A {DOWN4}\n")
    # Both addresses have the name, and the name has one of them.
    mail.write("/etc/nsd/reverse.zone",
               f"$ORIGIN 2.0.192.in-addr.arpa.\n$TTL 60\n@ IN SOA ns.example.net. hostmaster.example.net. 1 3600 600 86400 60\n"
               f"@ IN NS ns.example.net.\n{NAMED4.rsplit('.')[-1]} IN PTR {CLIENT_NAME}.\n"
               f"{MISNAMED4.rsplit('.')[-1]} IN PTR {CLIENT_NAME}.\n")
    mail.run("install", "-d", "-o", "nsd", "-g", "nsd", "/run/nsd", "/var/lib/nsd")
    mail.run("nsd", "-c", "/etc/nsd/nsd.conf")
    await_true(lambda: accepts(mail, MAIL4, 53), "DNS server on the mail host", 30)


# What `postfix check` would make and look at, which takes seconds (postfix-files lists it): it is new.
POSTFIX_QUEUE = """
install -d /var/spool/postfix /var/spool/postfix/pid
cd /var/spool/postfix
install -d -o postfix -g root -m 700 active bounce corrupt defer deferred flush hold incoming private saved trace
install -d -o postfix -g postdrop -m 730 maildrop
install -d -o postfix -g postdrop -m 710 public
touch quick-start
"""


def start_postfix(lab: Lab, host: str, domain: str, name: str, address4: str, address6: str, relay_for: str) -> None:
    """Starts it; `await_postfix` waits, so that two can start side by side."""
    machine = lab[host]
    machine.write("/etc/postfix/main.cf", fill("main.cf", host=name, domain=domain, relay_for=relay_for))
    machine.write("/etc/postfix/mailboxes", f"!/^{UNKNOWN_USER}@/ inbox/\n")
    master = Path("/usr/share/postfix/master.cf.dist").read_text()
    machine.write("/etc/postfix/master.cf", f"{master}\n{OTHER_PORT} inet n - n - - smtpd\n")
    machine.run("postconf", "-F", "*/*/chroot = n")
    machine.run("install", "-d", "-o", "postfix", "-g", "postfix", "/var/lib/postfix")
    machine.run("install", "-d", "-o", "mail", "-g", "mail", "/var/lib/mail")
    machine.run("sh", "-ec", POSTFIX_QUEUE)
    machine.run("postfix", "start", timeout=120)
    for address in (address4, address6):
        await_true(lambda address=address: accepts(machine, address, 25), f"Postfix on {host} at {address}", 30)


def start_isp_postfix(lab: Lab) -> None:
    networks = f"127.0.0.0/8 [::1]/128 {POOL4} [{POOL6.split('/')[0]}]/{POOL6.split('/')[1]}"
    start_postfix(lab, "mail", ISP_DOMAIN, MAIL_NAME, MAIL4, MAIL6, networks)


def start_internet_postfix(lab: Lab) -> None:
    start_postfix(lab, "internet", MX_DOMAIN, MX_NAME, INTERNET4, INTERNET6, "127.0.0.0/8 [::1]/128")


def dovecot_version(host: Host) -> tuple[int, int]:
    text = host.run("dovecot", "--version").stdout
    found = re.match(r"(\d+)\.(\d+)", text)
    if not found:
        raise ValueError(f"dovecot --version says {text!r}")
    return int(found[1]), int(found[2])


def write_dovecot(lab: Lab, *, before: bool = False, after: bool = True, report: bool = True, lmtp: bool = False) -> None:
    """Dovecot's configuration; the three checks are those of its auth_policy_* settings. `lmtp`: it takes mail, too."""
    mail = lab["mail"]
    template = "dovecot-2.3.conf" if dovecot_version(mail) < (2, 4) else "dovecot-2.4.conf"
    spoken = {True: "yes", False: "no"}
    mail.write("/etc/dovecot/dovecot.conf",
               fill(template, policy=f"{EDGE_CORE4}:{POLICY_PORT}", key=API_KEY, nonce=secrets.token_hex(8),
                    protocols="imap pop3 lmtp" if lmtp else "imap pop3", lmtp_port=str(LMTP_PORT), before=spoken[before], after=spoken[after], report=spoken[report]), 0o600)
    users = [f"{line.user}:{{PLAIN}}{line.password}" for line in SUBSCRIBERS.values()]
    mail.write("/etc/dovecot/users", "\n".join(users) + "\n", 0o640)
    mail.run("chgrp", "dovecot", "/etc/dovecot/users")


def stop_dovecot(lab: Lab) -> None:
    mail = lab["mail"]
    if mail.file("/run/dovecot/master.pid").exists():
        mail.run("doveadm", "stop")
        await_true(lambda: not mail.file("/run/dovecot/master.pid").exists(), "end of Dovecot")


def replace_dovecot(lab: Lab, release: str) -> None:
    """The mail host has that Debian's Dovecot from now on; it isn't started."""
    stop_dovecot(lab)
    run_from(lab["mail"], debian_tree(release, "dovecot-imapd", "dovecot-pop3d"), ("/usr/sbin/dovecot", "/usr/bin/doveadm"),
             ("/etc/dovecot", "/run/dovecot", "/var/lib/dovecot", "/var/lib/mail", "/var/log"))


def start_dovecot(lab: Lab, **settings: bool) -> None:
    """Starts it, or starts it anew with other settings, which are those of `write_dovecot`."""
    mail = lab["mail"]
    stop_dovecot(lab)
    write_dovecot(lab, **settings)
    mail.run("install", "-d", "-o", "mail", "-g", "mail", "/var/lib/mail")
    mail.run("install", "-d", "/var/lib/dovecot")
    mail.run("dovecot")
    for address in (MAIL4, MAIL6):
        for port in (110, 143, 993, 995):
            await_true(lambda address=address, port=port: accepts(mail, address, port), f"Dovecot on port {port}")


def manual_example(page: str, behind: str) -> str:
    """What the manual page shows literally, first behind the line that is `behind`: an example that is never but tried."""
    lines = iter((ROOT / "images/man" / page).read_text().splitlines())
    for begins in (behind, ".Bd -literal -offset indent"):
        if begins not in lines:  # and the iterator stands behind it
            raise LabError(f"{page} has no {begins!r}")
    return "".join(f"{line}\n" for line in takewhile(lambda line: line != ".Ed", lines))


def start_freeradius(lab: Lab, secret: str) -> Process:
    """On the mail host: Debian's configuration, with what sekisho.toml(5) has an operator write."""
    mail = lab["mail"]
    for path in ("mods-enabled/sekisho", "sites-enabled/sekisho"):
        text = manual_example("sekisho.toml.5", f".Pa {FREERADIUS}/{path}").replace("SECRET", secret)
        mail.write(f"{FREERADIUS}/{path}", text, 0o640)
        mail.run("chgrp", "freerad", f"{FREERADIUS}/{path}")
    site = f"{FREERADIUS}/sites-available/default"
    begin = "accounting {\n"
    ours = manual_example("sekisho.toml.5", f".Pa {FREERADIUS}/sites-enabled/default")
    text = mail.file(site).read_text()
    if text.count(f"\n{begin}") != 1:
        raise LabError(f"{site} has no accounting section")
    if ours not in text:
        mail.write(site, text.replace(f"\n{begin}", f"\n{begin}{ours}"), 0o640)
    mail.run("install", "-d", "-o", "freerad", "-g", "freerad", "/var/log/freeradius", "/run/freeradius")
    log = mail.log("freeradius.log")
    begins = log.stat().st_size if log.exists() else 0
    with open(log, "ab") as out:
        process = mail.spawn("setpriv", "--reuid", "freerad", "--regid", "freerad", "--init-groups",  # as its unit does
                             "freeradius", "-f", "-l", "stdout", stdout=out, stderr=out)

    def ready() -> bool:
        said = log.read_bytes()[begins:].decode(errors="replace")
        if process.poll() is not None:
            raise LabError(f"freeradius ended with {process.poll()}:\n{said}")
        return "Ready to process requests" in said

    await_true(ready, "FreeRADIUS", 30)
    return process


def give_edge_its_key(lab: Lab) -> None:
    lab["edge"].write("/etc/sekisho/policy.key", API_KEY + "\n", 0o600)


__all__ = ["OTHER_PORT", "ROOT", "TEMPLATES", "fill", "accepts", "make_certificate", "start_dns", "start_isp_postfix",
           "start_internet_postfix", "start_dovecot", "write_dovecot", "dovecot_version", "manual_example", "start_freeradius",
           "give_edge_its_key"]
