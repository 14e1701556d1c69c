"""An OpenID Connect issuer for tests: its keys on a real HTTP server, and its tokens."""

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ISSUER = "https://id.example.com"
AUDIENCE = "opsrun-api"


def encoded(part: Mapping[str, Any] | bytes) -> str:
    """Return a base64 part of a token."""
    plain = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(plain).rstrip(b"=").decode()


def claims(issuer: str = ISSUER, audience: str = AUDIENCE, **changes: Any) -> dict[str, Any]:
    """Return the claims of a valid token with these changes; None removes a claim."""
    good = {
        "iss": issuer,
        "aud": audience,
        "sub": "ada",
        "exp": datetime.now(UTC) + timedelta(minutes=5),
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


class Issuer:
    """Sign tokens and publish the keys at `url`; `answer` replaces the published document."""

    def __init__(self) -> None:
        self.url = ""
        self.answer: tuple[int, bytes] | None = None
        self.redirect: str | None = None
        self.requests = 0
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        self.rotate("first")

    def rotate(self, key_id: str) -> None:
        """Replace the key; publish only the new one."""
        self.keys = {key_id: rsa.generate_private_key(public_exponent=65537, key_size=2048)}

    def token(self, algorithm: str = "RS256", key_id: str | None = None, **changes: Any) -> str:
        """Return a valid token with these changes."""
        [(newest, key)] = self.keys.items()
        headers = {"kid": key_id or newest}
        return jwt.encode(claims(**changes), key, algorithm=algorithm, headers=headers)

    def published(self) -> tuple[int, bytes]:
        """Return the status and body of the next response."""
        self.requests += 1
        if self.answer is not None:
            return self.answer
        keys = [
            {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig"}
            for key_id, key in self.keys.items()
        ]
        return 200, json.dumps({"keys": keys}).encode()


@contextmanager
def serving(issuer: Issuer) -> Iterator[None]:
    """Publish the issuer's keys, on the same port as before."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = issuer.published()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if issuer.redirect is not None:
                self.send_header("Location", issuer.redirect)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Do not log requests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer.url = f"http://127.0.0.1:{server.server_port}/keys"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
