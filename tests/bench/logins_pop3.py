# SPDX-License-Identifier: Apache-2.0
"""Mail programs that read mail by POP3 from a real Dovecot and connect to a mail server on the Internet the moment they
have read +OK: how many are refused. Each login counts: just before it the same address is refused, because nobody has
logged in there yet or because that grant has been revoked. About half of them log in over IPv4, the others over
IPv6; half in TLS, half by APOP; the clients are processes, so that none waits for another before it connects."""

import http.client
import json
import os
import socket
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

from lab.clients import Pop3, apop_login, connect_here, pop3_login
from lab.hosts import LabError, await_true
from lab.isp import Isp
from lab.services import accepts, dovecot_version
from lab.topology import INTERNET4, INTERNET6, MAIL4, MAIL6, SUBSCRIBERS, crowd_address4, crowd_address6

LOGINS = 10_000
CLIENTS = 50  # at the same time
CROWD = [(4, crowd_address4(number)) for number in range(222)]
CROWD += [(6, crowd_address6(number)) for number in range(256)]
A = SUBSCRIBERS["a"]

# No process of its own for each login: what is measured is who waits for whom, not how fast a machine forks.
ROOMY = """
service pop3-login {{
  {restart} = 0
  process_min_avail = 2
}}
service pop3 {{
  {restart} = 1000
  process_limit = 500
}}
"""


class Api(http.client.HTTPConnection):
    """The operator's socket. A command for each of ten thousand would be most of the work."""

    def __init__(self, path: Path):
        super().__init__("agent")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))

    def revoke(self, address: str) -> None:
        self.request("DELETE", f"/v1/grants/{address}?cool_down=false")
        answer = self.getresponse()
        body = answer.read()
        if answer.status not in (204, 404):  # where the login before was lost, there is none
            raise LabError(f"revoking {address}: {answer.status} {body!r}")


class Client:
    """One of the processes: its logins are at addresses that no other uses."""

    def __init__(self, isp: Isp, number: int, logins: int):
        self._isp = isp
        self._own = CROWD[number::CLIENTS]
        self._logins = range(number, logins, CLIENTS)
        self._api = Api(isp.agent.edge.file("/run/sekisho/agent.sock"))
        self.outcomes: Counter[str] = Counter()
        self.waited: list[float] = []

    def run(self) -> None:
        with self._isp.lab["a"].network():
            for turn, number in enumerate(self._logins):
                family, address = self._own[turn % len(self._own)]
                if turn >= len(self._own):
                    self._api.revoke(address)
                self._try(family, address, number)

    def _try(self, family: int, address: str, number: int) -> None:
        mail, internet = (MAIL4, INTERNET4) if family == 4 else (MAIL6, INTERNET6)
        before = connect_here(internet, 25, address)
        if before.outcome != "refused":
            self.outcomes[f"{before.outcome} before the login"] += 1
            return
        try:
            client = self._login(mail, address, number)
        except Exception as error:  # whatever it was, this login is missing then
            self.outcomes[f"no login: {error}"] += 1
            return
        attempt = connect_here(internet, 25, address)
        client.close()
        self.outcomes[attempt.outcome] += 1
        self.waited.append(attempt.seconds)

    def _login(self, server: str, address: str, number: int) -> Pop3:
        if number // CLIENTS % 2:
            return apop_login(server, A.user, A.password, address)
        return pop3_login(self._isp.trust, server, A.user, A.password, address)


def in_process(client: Client) -> int:
    """Runs it there; the descriptor that tells how it went."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            client.run()
            with os.fdopen(writing, "w") as out:
                json.dump([client.outcomes, client.waited], out)
        except BaseException as error:
            print(f"a client ended: {error!r}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    os.close(writing)
    return reading


def all_clients(isp: Isp, logins: int) -> tuple[Counter[str], list[float]]:
    pipes = [in_process(Client(isp, number, logins)) for number in range(CLIENTS)]
    outcomes, waited = Counter(), []
    for pipe in pipes:
        with os.fdopen(pipe) as told:
            text = told.read()
        if text:
            some, times = json.loads(text)
            outcomes.update(some)
            waited += times
        os.wait()
    return outcomes, waited


def make_room(isp: Isp) -> None:
    """A Dovecot that can take so many logins."""
    mail = isp.lab["mail"]
    restart = "service_count" if dovecot_version(mail) < (2, 4) else "restart_request_count"
    file = mail.file("/etc/dovecot/dovecot.conf")
    file.write_text(file.read_text() + ROOMY.format(restart=restart))
    mail.run("doveadm", "reload")
    await_true(lambda: accepts(mail, MAIL4, 110), "Dovecot on port 110")


def main() -> int:
    logins = int(sys.argv[2]) if len(sys.argv) > 2 else LOGINS
    isp = Isp("bench-pop3", Path(sys.argv[1]), mx=False, smtp=False)
    try:
        make_room(isp)
        isp.restart_agent(("[grants]\n", "[grants]\naddresses_per_user = 0\n"))
        begin = time.monotonic()
        outcomes, waited = all_clients(isp, logins)
        seconds = time.monotonic() - begin
    finally:
        isp.remove()
    opened = outcomes.pop("open", 0)
    refused = outcomes.pop("refused", 0)
    for other, count in outcomes.items():
        print(f"{count} times {other}", file=sys.stderr)
    print(json.dumps({"row": "logins-pop3", "value": refused, "unit": f"refused of {logins}", "target": 0,
                      "met": refused == 0 and opened == logins,
                      "peers": {"opened": opened, "others": logins - opened - refused,
                                "logins_per_second": round(logins / seconds, 1),
                                "median_ms": round(statistics.median(waited) * 1000, 2) if waited else None,
                                "slowest_ms": round(max(waited, default=0) * 1000, 2)}}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
