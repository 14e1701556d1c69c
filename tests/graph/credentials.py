"""The credentials of the app: a secret, certificates, and trust in other issuers of tokens."""

import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from uuid import uuid4

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tests.graph.errors import EntraError

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EXCHANGE = "api://AzureADTokenExchange"


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True, slots=True)
class Federation:
    """An issuer of tokens, such as a Kubernetes cluster, that the app trusts for one subject."""

    issuer: str = "https://cluster.example.com"
    subject: str = "system:serviceaccount:opsrun:worker"
    key: rsa.RSAPrivateKey = field(default_factory=_new_key)

    def token(self, seconds: float = 3600, **claims: Any) -> str:
        """Return a token that is valid for this time; `claims` replace the right ones."""
        now = time.time()
        right = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": EXCHANGE,
            "iat": now,
            "exp": now + seconds,
            "jti": str(uuid4()),
        }
        return jwt.encode(right | claims, self.key, "RS256")


@dataclass(slots=True)
class Credentials:
    """How the app can prove who it is."""

    secret: str = field(default_factory=lambda: token_urlsafe(30))
    secret_expired: bool = False
    federations: list[Federation] = field(default_factory=list)
    certificates: dict[str, x509.Certificate] = field(default_factory=dict)
    """The certificates of the app by thumbprint (`x5t#S256`)."""

    def new_certificate(self, folder: Path) -> Path:
        """Give the app a new certificate; return a file with it and its key in PEM."""
        key, now = _new_key(), datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "opsrun")])
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        self.certificates[thumbprint(certificate)] = certificate
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        file = folder / f"app-{certificate.serial_number}.pem"
        file.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
        return file

    def federate(self) -> Federation:
        """Trust a new issuer, and return it."""
        self.federations.append(Federation())
        return self.federations[-1]

    def require(self, form: Mapping[str, str], client_id: str, endpoint: str) -> None:
        """Check the credential in a request for a token.

        Raises:
            EntraError: it is missing, wrong or too old.
        """
        if form.get("client_assertion_type") == ASSERTION_TYPE and "client_assertion" in form:
            self._require_assertion(form["client_assertion"], client_id, endpoint)
        elif "client_secret" in form:
            self._require_secret(form["client_secret"], client_id)
        else:
            raise _refused(
                7000218,
                "The request body must contain the following parameter: 'client_assertion' or"
                " 'client_secret'.",
            )

    def _require_secret(self, secret: str, client_id: str) -> None:
        if secret != self.secret:
            raise _refused(
                7000215,
                "Invalid client secret provided. Ensure the secret being sent in the request is"
                " the client secret value, not the client secret ID, for a secret added to app"
                f" '{client_id}'.",
            )
        if self.secret_expired:
            raise _refused(
                7000222, f"The provided client secret keys for app '{client_id}' are expired."
            )

    def _require_assertion(self, assertion: str, client_id: str, endpoint: str) -> None:
        try:
            header = jwt.get_unverified_header(assertion)
            claims = jwt.decode(assertion, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            raise EntraError(
                400, "invalid_request", 50027, "JWT token is invalid or malformed."
            ) from None
        try:
            if claims.get("iss") == client_id:
                self._require_certificate(assertion, header, client_id, endpoint)
            else:
                self._require_federation(assertion, claims)
        except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
            raise _refused(700024, "Client assertion is not within its valid time range.") from None
        except jwt.InvalidAudienceError:
            raise _refused(
                700023, "Client assertion audience claim does not match Realm issuer."
            ) from None
        except jwt.InvalidTokenError as error:
            raise _refused(
                700027, f"Client assertion failed signature validation. [Reason - {error}]"
            ) from None

    def _require_certificate(
        self, assertion: str, header: Mapping[str, Any], client_id: str, endpoint: str
    ) -> None:
        # Some libraries pad the thumbprint.
        thumb = str(header.get("x5t#S256", "")).rstrip("=")
        certificate = self.certificates.get(thumb)
        if certificate is None:
            raise _refused(
                700027,
                "The certificate with identifier used to sign the client assertion is not"
                " registered on application. [Reason - The key was not found., Thumbprint of key"
                f" used by client: '{thumb}']",
            )
        key = certificate.public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        # Entra still takes RS256 too; the double holds clients to the recommended algorithm.
        claims = jwt.decode(
            assertion,
            key,
            algorithms=["PS256"],
            audience=endpoint,
            options={"require": ["exp", "iss", "sub", "jti"]},
        )
        if claims["sub"] != client_id:
            raise jwt.InvalidTokenError("The subject is not the app.")

    def _require_federation(self, assertion: str, claims: Mapping[str, Any]) -> None:
        issuer, subject = claims.get("iss"), claims.get("sub")
        same_issuer = [one for one in self.federations if one.issuer == issuer]
        if not same_issuer:
            raise _no_federation(700211, f"issuer '{issuer}'")
        federation = next((one for one in same_issuer if one.subject == subject), None)
        if federation is None:
            raise _no_federation(700213, f"subject '{subject}'")
        if claims.get("aud") != EXCHANGE:
            raise _no_federation(700212, f"audience '{claims.get('aud')}'")
        jwt.decode(assertion, federation.key.public_key(), algorithms=["RS256"], audience=EXCHANGE)


def thumbprint(certificate: x509.Certificate) -> str:
    """Return the certificate's `x5t#S256`."""
    return urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).decode().rstrip("=")


def _refused(code: int, message: str) -> EntraError:
    return EntraError(401, "invalid_client", code, message)


def _no_federation(code: int, what: str) -> EntraError:
    return _refused(
        code,
        f"No matching federated identity record found for presented assertion {what}. Check your"
        " federated identity credential Subject, Audience and Issuer against the presented"
        " assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation",
    )
