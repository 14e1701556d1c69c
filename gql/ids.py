"""Opaque global ids (Relay). Each names its type and tenant, so that access is checked first."""

import base64
import binascii
from dataclasses import dataclass
from uuid import UUID

import strawberry
from strawberry import field

from domain.errors import BadInputError
from domain.texts import is_storable

_URL_SAFE = bytes.maketrans(b"+/", b"-_")


@strawberry.interface(description="An object with a globally unique id. Refetch it with `node`.")
class Node:
    """Relay's Node; the implementing types carry their encoded id."""

    id: strawberry.ID = field(description="The opaque, globally unique id.")


@dataclass(frozen=True, slots=True)
class GlobalId:
    """A decoded id; `key` is unique within type and tenant."""

    type_name: str
    tenant_id: UUID
    key: str = ""

    def encode(self) -> strawberry.ID:
        """Return the id as clients see it."""
        return encode_id(self.type_name, self.tenant_id, self.key)

    @classmethod
    def decode(cls, text: str) -> "GlobalId":
        """Decode an id.

        Raises:
            BadInputError: the text is not an id of this API.
        """
        try:
            decoded = decode_base64(text)
            type_name, tenant, key = decoded.split(":", 2)
            return cls(type_name, UUID(hex=tenant), key)
        except ValueError:
            raise BadInputError(
                f"{quoted(text)} is not an id of this API. Ids are opaque: send them back as"
                " received."
            ) from None

    def uuid_key(self) -> UUID:
        """Return the key of a type whose keys are UUIDs; BadInputError otherwise."""
        try:
            return UUID(hex=self.key)
        except ValueError:
            raise BadInputError(f"{quoted(self.encode())} is not an id of this API.") from None


def encode_id(type_name: str, tenant_id: UUID, key: str) -> strawberry.ID:
    """Return the id of an object as clients see it."""
    return strawberry.ID(encode_base64(f"{type_name}:{tenant_id.hex}:{key}"))


def encode_base64(text: str) -> str:
    """Return unpadded, URL-safe base64."""
    return binascii.b2a_base64(text.encode(), newline=False).translate(_URL_SAFE, b"=").decode()


def decode_base64(text: str) -> str:
    """Decode `encode_base64`; ValueError for any other text."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        decoded = raw.decode()
    except (binascii.Error, UnicodeError) as error:
        raise ValueError(str(error)) from None
    return storable(decoded)


def storable(text: str) -> str:
    """Return the text; ValueError if Postgres cannot store it: a NUL or a lone surrogate."""
    if not is_storable(text):
        raise ValueError("It has a NUL or a lone surrogate.")
    return text


def quoted(text: str) -> str:
    """Return a client's text, quoted and shortened for a message."""
    return repr(text if len(text) <= 60 else text[:60] + "…")
