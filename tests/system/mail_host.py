# SPDX-License-Identifier: Apache-2.0
"""A mail host that answers as a test likes, and remembers what it was told."""

import socket
import threading
import time

from lab.hosts import Host


class MailHost:
    """Listens on one address of a host. `answers`: replies to whole commands, or to all that begin with a word;
    others are agreed to. None is silence, "STARTTLS" among them offers it. Use it in a `with`."""

    def __init__(self, host: Host, address: str, port: int, answers: dict[str, str]):
        self.answers = answers
        self.commands: list[str] = []  # of all connections
        self.greeted: list[float] = []  # when, by time.time()
        self.messages: list[bytes] = []
        with host.network():
            self._listener = socket.create_server((address, port))
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> "MailHost":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as lines:
            client.settimeout(30)
            self.greeted.append(time.time())
            try:
                client.sendall(self._answer("", "220 mx.example.com ESMTP"))
                for line in lines:
                    command = line.decode(errors="replace").rstrip("\r\n")
                    self.commands.append(command)
                    client.sendall(self._answer(command, self._agree(command)))
                    if command == "DATA" and "DATA" not in self.answers:
                        self.messages.append(self._body(lines))
                        client.sendall(self._answer(".", "250 2.0.0 Ok"))
                    elif command == "QUIT":
                        return
            except OSError:  # the other side is gone
                pass

    def _agree(self, command: str) -> str:
        if command.startswith("EHLO"):
            offered = "250-STARTTLS\r\n" if "STARTTLS" in self.answers else ""
            return f"250-mx.example.com\r\n{offered}250 8BITMIME"
        return {"DATA": "354 Go on", "QUIT": "221 2.0.0 Bye"}.get(command, "250 2.0.0 Ok")

    def _answer(self, command: str, otherwise: str) -> bytes:
        """What the test wants, or else this. "" and "." stand for the greeting and a message's end."""
        answer = self.answers.get(command, self.answers.get(command.split(" ")[0].upper(), otherwise))
        return b"" if answer is None else f"{answer}\r\n".encode()

    def _body(self, lines) -> bytes:
        body = b""
        for line in lines:
            if line == b".\r\n":
                break
            body += line
        return body
