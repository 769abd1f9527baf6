# SPDX-License-Identifier: Apache-2.0
"""An authorization server on the mail host, and what the box must know to ask it."""

import json
import subprocess

from lab.isp import Isp
from lab.topology import MAIL4, MAIL_NAME

PORT = 8443
AUTHORITIES = "/etc/sekisho/login.pem"
SECTION = f"""
[auth.oauth]
introspection = "https://{MAIL4}:{PORT}/introspect"
client = "sekisho"
secret_file = "/etc/sekisho/oauth.secret"
scope = "smtp"
authorities = "{AUTHORITIES}"
configuration = "https://login.example.net/.well-known/openid-configuration"
timeout = "2s"
"""
SECRET = "between-us"
# The server's side of RFC 7662, 2.
PROGRAM = f"""
import base64, http.server, json, ssl, sys, time, urllib.parse
tokens = json.loads(sys.argv[1])

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode(), strict_parsing=True)
        token = form["token"][0]
        if self.headers["Authorization"] != "Basic " + base64.b64encode(b"sekisho:{SECRET}").decode():
            self.send_error(401)
            return
        if token == "slow":
            time.sleep(5)
        if token == "elsewhere":
            self.send_response(302)
            self.send_header("Location", "https://{MAIL4}:{PORT}/introspect")
            self.end_headers()
            return
        answer = json.dumps(tokens.get(token, {{"active": False}})).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

server = http.server.ThreadingHTTPServer(("{MAIL4}", {PORT}), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/run/login.pem", "/run/login.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
print("ready", flush=True)
server.serve_forever()
"""


class TokenServer:
    """Knows these tokens, and what is to be said of each."""

    def __init__(self, isp: Isp, tokens: dict[str, dict]):
        self._tokens = tokens
        self._host = isp.lab["mail"]
        self._edge = isp.lab["edge"]
        self._host.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                       "-subj", f"/CN={MAIL_NAME}", "-addext", f"subjectAltName=IP:{MAIL4}",
                       "-keyout", "/run/login.key", "-out", "/run/login.pem")
        self._edge.write(AUTHORITIES, self.certificate)
        self.give_secret(SECRET)
        self.start()

    @property
    def certificate(self) -> str:
        return self._host.file("/run/login.pem").read_text()

    def give_secret(self, secret: str) -> None:
        """What the box will say to be itself."""
        self._edge.write("/etc/sekisho/oauth.secret", secret + "\n", 0o600)
        self._edge.run("chown", "sekisho-auth", "/etc/sekisho/oauth.secret")

    def start(self) -> None:
        self._process = self._host.spawn("/usr/bin/python3", "-c", PROGRAM, json.dumps(self._tokens), stdout=subprocess.PIPE, text=True)
        self._process.stdout.readline()

    def kill(self) -> None:
        self._process.kill()
