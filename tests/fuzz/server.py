"""The API in a separate process, and a client that checks every response."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from opsrun.dev.embedded.child import end_with_owner
from opsrun.settings import PREFIX
from tests.fuzz.oracle import DEADLINE, Log, check_answer

START_SECONDS = 60.0
STOP_SECONDS = 30.0
# The connections that a user of the strict server may have open.
SEATS = 3


@dataclass(slots=True)
class Server:
    """A running API, its log, and the number of responses of each kind."""

    http: httpx.Client
    log: Log
    process: subprocess.Popen[bytes]
    tally: Counter[str]

    @property
    def websocket_url(self) -> str:
        """The URL for WebSockets."""
        return f"ws://{self.http.base_url.netloc.decode()}/graphql"

    def ask(self, token: str, query: str, variables: Any = None, **headers: str) -> set[str]:
        """Send an operation as JSON; return the codes of its errors."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        more = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}
        return self.request("POST", "/graphql", headers=more, content=body)

    def request(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> set[str]:
        """Send a request; return the codes of its errors. Event streams are closed at once."""
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        with self.http.stream(method, url, headers=sent, content=content) as answer:
            if answer.headers.get("content-type", "").partition(";")[0] != "text/event-stream":
                answer.read()
        return self.judge(answer)

    def judge(self, answer: httpx.Response) -> set[str]:
        """Return the codes of the errors in a response; check that it is allowed."""
        # Check the log first, so that a fault is reported with the case that caused it.
        self.check()
        codes = check_answer(answer)
        self.count(*codes or {"good"})
        return codes

    def count(self, *outcomes: str) -> None:
        """Count a case with these outcomes, and check the log."""
        self.check()
        self.tally["cases"] += 1
        self.tally.update(outcomes)

    def check(self) -> None:
        """Check that the server runs and that its log shows no fault."""
        self.log.check()
        assert self.process.poll() is None, "The server has ended"


@contextmanager
def serving(environment: Mapping[str, str], folder: Path, tally: Counter[str]) -> Iterator[Server]:
    """Run the API until the context closes; then its whole log is checked."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    path = folder / "log"
    with socket.create_server(("127.0.0.1", 0)) as bound, path.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "opsrun", "api", "--fd", str(bound.fileno())],
            cwd=folder,
            env={**kept, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[bound.fileno()],
            preexec_fn=end_with_owner(signal.SIGKILL),
        )
        base = f"http://127.0.0.1:{bound.getsockname()[1]}"
    with process:
        try:
            with httpx.Client(base_url=base, timeout=DEADLINE, trust_env=False) as http:
                server = Server(http, Log(path), process, tally)
                # The port is open already, so an early request waits.
                assert http.get("/healthz", timeout=START_SECONDS).status_code == 200
                yield server
                server.check()
            process.terminate()
            assert process.wait(STOP_SECONDS) == 0
            server.log.check()
        finally:
            process.kill()
