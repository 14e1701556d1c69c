"""Which values of a policy are secrets, so that no view of a policy shows them (R5).

Three things tell: the property's name (Graph's own, and those that name a secret anywhere), what
the object says about itself (`isEncrypted`, `secretReferenceValueId`, a secret's type), and
the redaction that every message passes.

>>> shown(hide({"ssid": "office", "preSharedKey": "hunter2"}))
{'ssid': 'office', 'preSharedKey': '[hidden]'}
"""

import base64
import binascii
import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.redaction.sanitizer import sanitize

HIDDEN = "[hidden]"
_REDACTED = "[redacted:"
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CONTROL = ("@odata.type", "@odata.bind")
# As words, since one of them at the end of a longer name tells as well: `proxyPassword`.
_LAST_WORDS = re.compile(
    r"(?:^|[^A-Za-z]|(?<=[a-z0-9])(?=[A-Z]))(?i:passwords?|passwd|pwd|passphrases?|passcodes?"
    r"|passkey|secrets?|psk|pin|pincode|challenge|credentials?|tokens?|(?:pre)?shared[_-]?key"
    r"|(?:secret|private|api|access|account|storage|subscription|workspace|wep|network|license"
    r"|product|recovery|encryption|activation)[_-]?key|key[_-]?material)$"
)
# Names in lower case, as some services join them: `com.apple.vpn.managed_ipsec_sharedsecret`.
_JOINED = re.compile(r"(?:password|passphrase|passcode|sharedsecret|sharedkey|clientsecret)$", re.I)
# Graph's, whose names do not tell.
_GRAPH = frozenset(
    {
        "encryptedPfxBlob",
        "enrollmentTokenValue",
        "kioskModeExitCode",
        "pfxBlobInBase64",
        "qrCodeContent",
        "qrCodeImage",
        "secretReferenceValueId",
        "tokenValue",
    }
)
# What identifies a policy stands in every list of policies.
_SHOWN_ANYWAY = frozenset({"id", "name", "displayName"})
# One of the options that a setting offers, which its documentation lists.
_CHOICES = frozenset({"choiceSettingValue", "choiceSettingCollectionValue"})
# Members that hold the value of what another member of their object names.
_VALUES = frozenset({"value", "values", "valueJson", "appConfigKeyValue"})
_NAMES = ("settingDefinitionId", "definitionId", "omaUri", "appConfigKey", "key", "name")
_SECRET_TYPE = re.compile(r"secretsettingvalue$", re.I)
# In XML, as of a WLAN profile, and in property lists, as of Apple's profiles.
_ELEMENT = re.compile(
    r"<(?:\w{1,40}:)?(?:keyMaterial|password|sharedSecret|preSharedKey|passphrase|secret)\b[^<>]*>[^<]"
    r"|<key>[^<]{0,60}(?:password|passphrase|passcode|secret|psk|challenge|token)</key>\s{0,40}"
    r"<(?:string|data)>[^<]",
    re.I,
)
# A longer text is hidden unread: the search for secrets takes up to 8 ms per 1,000 characters.
_MAX_TEXT = 32_000
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{16,}={0,2}\s*")


@dataclass(frozen=True, slots=True)
class Hidden:
    """A secret in a document: it can be compared, and nothing prints it."""

    value: Any

    def __repr__(self) -> str:
        return HIDDEN


def hide(normalized: Mapping[str, Any]) -> dict[str, Any]:
    """Return a normalized document with `Hidden` in the place of each secret."""
    # The policy's own name labels none of its values.
    return {
        key: member if key in _SHOWN_ANYWAY else _value(member, key, key, "")
        for key, member in normalized.items()
    }


def shown(value: Any) -> Any:
    """Return a value of a document that `hide` returned as JSON, with a mark for each secret."""
    match value:
        case Hidden():
            return HIDDEN
        case dict():
            return {key: shown(member) for key, member in value.items()}
        case list():
            return [shown(member) for member in value]
        case _:
            return value


def _members(value: Mapping[str, Any], label: str) -> dict[str, Any]:
    label = next((name for key in _NAMES if isinstance(name := value.get(key), str)), label)
    secret = _is_encrypted(value)
    return {
        key: Hidden(member)
        if secret and key in _VALUES
        else _value(member, key, label if key in _VALUES else key, label)
        for key, member in value.items()
    }


def _is_encrypted(value: Mapping[str, Any]) -> bool:
    return (
        value.get("isEncrypted") is True
        or bool(value.get("secretReferenceValueId"))
        or "valueState" in value
        or _SECRET_TYPE.search(str(value.get("@odata.type", ""))) is not None
    )


def _value(value: Any, key: str, name: str, label: str) -> Any:
    if value is None or isinstance(value, bool) or key.endswith(_CONTROL):
        return value
    if _names_secret(name):
        return Hidden(value)
    match value:
        case dict():
            return _members(value, "" if key in _CHOICES else label)
        case list():
            return [_value(item, key, name, label) for item in value]
        case str() if _holds_secret(key, value):
            return Hidden(value)
        case _:
            return value


def _names_secret(name: str) -> bool:
    # Of a path or a qualified name, as an OMA-URI or a setting's definition, the end is the name.
    last = re.split(r"[/.~]", name.rstrip("/"))[-1]
    return last in _GRAPH or bool(_LAST_WORDS.search(last) or _JOINED.search(last))


def _holds_secret(key: str, text: str) -> bool:
    readable = _decoded(text) or text
    if len(readable) > _MAX_TEXT:
        return True
    # The name lets the redaction tell a thumbprint from a key.
    labelled = readable if key in _VALUES else f"{key}={readable}"
    redacted = sanitize(labelled).count(_REDACTED) > labelled.count(_REDACTED)
    return redacted or _ELEMENT.search(readable) is not None


def _decoded(text: str) -> str | None:
    """Return the text that base64 carries, as profiles and scripts are exported."""
    if not _BASE64.fullmatch(text):
        return None
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
        encoding = "utf-16" if content.startswith(_UTF_16_MARKS) else "utf-8-sig"
        decoded = content.decode(encoding)
    except (binascii.Error, UnicodeDecodeError):
        return None
    return decoded if "".join(decoded.split()).isprintable() else None
