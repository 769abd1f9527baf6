# SPDX-License-Identifier: Apache-2.0
"""The submission server on the edge: sekisho-auth, sekisho-relay and sekisho-smtpd, each as a user of its own."""

import json

from .agent import Agent
from .daemon import Daemon
from .hosts import Host, Lab, LabError
from .topology import EDGE_CORE4, EDGE_CORE6, SMTP_NAME, SUBSCRIBERS

USERS = {"sekisho-auth": "/var/lib/sekisho/auth", "sekisho-relay": "/var/lib/sekisho/spool", "sekisho-smtpd": None}


def make_users(host: Host) -> None:
    """As the package would; each directory belongs to the one user who may look into it."""
    for name, directory in USERS.items():
        if name not in host.file("/etc/passwd").read_text():
            host.run("groupadd", "--system", name)
            host.run("useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell",
                     "/usr/sbin/nologin", "--gid", name, name)
        if directory:
            host.run("install", "-d", "-o", name, "-g", name, "-m", "0700", directory)


def make_certificate(lab: Lab) -> None:
    """Self-signed; clients find it in the lab's state as smtp.pem."""
    edge = lab["edge"]
    edge.file("/etc/sekisho/tls").mkdir(parents=True, exist_ok=True)
    names = f"subjectAltName=DNS:{SMTP_NAME},IP:{EDGE_CORE4},IP:{EDGE_CORE6}"
    edge.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
             "-subj", f"/CN={SMTP_NAME}", "-addext", names, "-keyout", "/etc/sekisho/tls/privkey.pem",
             "-out", "/etc/sekisho/tls/fullchain.pem")
    edge.file("/etc/sekisho/tls/privkey.pem").chmod(0o600)
    (lab.state / "smtp.pem").write_bytes(edge.file("/etc/sekisho/tls/fullchain.pem").read_bytes())


class Submission:
    """The three daemons. Needs the agent's configuration, which is theirs, too."""

    def __init__(self, lab: Lab, agent: Agent):
        self._agent = agent
        self.edge = lab["edge"]
        make_users(self.edge)
        make_certificate(lab)
        self.auth = Daemon(self.edge, "sekisho-auth")
        self.relay = Daemon(self.edge, "sekisho-relay")
        self.smtpd = Daemon(self.edge, "sekisho-smtpd")
        self.daemons = (self.auth, self.relay, self.smtpd)

    def start(self) -> None:
        for daemon in self.daemons:
            daemon.start()

    def restart(self) -> None:
        """With a configuration that has changed."""
        for daemon in self.daemons:
            if daemon.running():
                daemon.stop()
            daemon.start()

    def add_users(self) -> None:
        """The subscribers get their mailboxes' names and passwords."""
        for line in SUBSCRIBERS.values():
            self._agent.ask("user", "add", line.user, text=f"{line.password}\n")

    def queue(self) -> list[dict]:
        """What waits in the spool."""
        return self._agent.ask("queue", "list")["messages"]

    def empty_queue(self) -> None:
        """No mail is to wait any more. One that is sent, or given up, meanwhile is as good as deleted."""
        for message in self.queue():
            done = self._agent.command("queue", "delete", message["id"], "--json")
            if done.returncode != 0 and json.loads(done.stdout)["error"]["kind"] != "not_found":
                raise LabError(f"queue delete {message['id']}: {done.stderr}")

    def close(self) -> None:
        for daemon in self.daemons:
            if daemon.process:
                daemon.process.wait()
            daemon.close()
