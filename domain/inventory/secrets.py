"""Find the secrets in a policy, so that no view of a policy shows them (R5).

A value is a secret if it has the name of a secret, if its object marks it as one (`isEncrypted`,
`secretReferenceValueId`, a type for secrets), or if the redaction of messages finds a secret in it.

>>> shown(hide({"ssid": "office", "preSharedKey": "hunter2"}))
{'ssid': 'office', 'preSharedKey': '[hidden]'}
"""

import base64
import binascii
import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from domain.redaction.sanitizer import sanitize

HIDDEN = "[hidden]"
_REDACTED = "[redacted:"
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CONTROL = ("@odata.type", "@odata.bind")
# Names that end with one of these as a whole word, such as `proxyPassword`.
_LAST_WORDS = re.compile(
    r"(?:^|[^A-Za-z]|(?<=[a-z0-9])(?=[A-Z]))(?i:passwords?|passwd|pwd|passphrases?|passcodes?"
    r"|passkey|secrets?|psk|pin|pincode|challenge|credentials?|tokens?|(?:pre)?shared[_-]?key"
    r"|(?:secret|private|api|access|account|storage|subscription|workspace|wep|network|license"
    r"|product|recovery|encryption|activation)[_-]?key|key[_-]?material)$"
)
# Some services join the words of a name: `com.apple.vpn.managed_ipsec_sharedsecret`.
_JOINED = re.compile(r"(?:password|passphrase|passcode|sharedsecret|sharedkey|clientsecret)$", re.I)
# Names of Graph that do not reveal their meaning.
_GRAPH = re.compile(
    "encryptedPfxBlob|enrollmentTokenValue|kioskModeExitCode|pfxBlobInBase64|qrCodeContent"
    "|qrCodeImage|secretReferenceValueId|tokenValue"
)
# Every list of policies shows these.
_SHOWN_ANYWAY = frozenset({"id", "name", "displayName"})
# The value is one of the setting's documented options.
_CHOICES = frozenset({"choiceSettingValue", "choiceSettingCollectionValue"})
# Members with the value of a setting that another member of the object names.
_VALUES = frozenset({"value", "values", "valueJson", "appConfigKeyValue"})
_NAMES = ("settingDefinitionId", "definitionId", "omaUri", "appConfigKey", "key", "name")
_SECRET_TYPE = re.compile(r"secretsettingvalue$", re.I)
# Secrets in XML, such as a WLAN profile, and in property lists, such as an Apple profile.
_ELEMENT = re.compile(
    r"<(?:\w{1,40}:)?(?:keyMaterial|password|sharedSecret|preSharedKey|passphrase|secret)\b[^<>]*>[^<]"
    r"|<key>[^<]{0,60}(?:password|passphrase|passcode|secret|psk|challenge|token)</key>\s{0,40}"
    r"<(?:string|data)>[^<]",
    re.I,
)
# Longer texts are hidden without a search, which takes up to 8 ms per 1,000 characters.
_MAX_TEXT = 32_000
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{16,}={0,2}\s*")


# Characters of texts that are worth remembering.
_REPEATED = 200


@dataclass(frozen=True, slots=True)
class Hidden:
    """A secret in a document; it can be compared, but not printed."""

    value: Any

    def __repr__(self) -> str:
        return HIDDEN


def hide(normalized: Mapping[str, Any]) -> dict[str, Any]:
    """Return a normalized document with a `Hidden` instead of each secret."""
    # The policy's own name labels none of its values.
    return {
        key: member if key in _SHOWN_ANYWAY else _value(member, key, key, "")
        for key, member in normalized.items()
    }


def shown(value: Any) -> Any:
    """Return a value from `hide` as JSON, with `[hidden]` instead of each secret."""
    if isinstance(value, dict):
        return {key: shown(member) for key, member in value.items()}
    if isinstance(value, list):
        return [shown(member) for member in value]
    return HIDDEN if isinstance(value, Hidden) else value


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
    if _names_secret(name) or (isinstance(value, str) and _text_holds_secret(key, value)):
        return Hidden(value)
    if isinstance(value, dict):
        return _members(value, "" if key in _CHOICES else label)
    if isinstance(value, list):
        return [_value(item, key, name, label) for item in value]
    return value


@lru_cache(maxsize=1000)
def _names_secret(name: str) -> bool:
    # The last part of a path or qualified name counts, as in an OMA-URI.
    last = re.split(r"[/.~]", name.rstrip("/"))[-1]
    return any((_GRAPH.fullmatch(last), _LAST_WORDS.search(last), _JOINED.search(last)))


def _text_holds_secret(key: str, text: str) -> bool:
    return (_seen_before if len(text) <= _REPEATED else _holds_secret)(key, text)


def _holds_secret(key: str, text: str) -> bool:
    readable = _decoded(text) or text
    if len(readable) > _MAX_TEXT or _ELEMENT.search(readable):
        return True
    # The name helps the redaction to distinguish a thumbprint from a key.
    labelled = readable if key in _VALUES else f"{key}={readable}"
    return sanitize(labelled).count(_REDACTED) > labelled.count(_REDACTED)


# Policies of a type repeat the names of their settings and values.
_seen_before = lru_cache(maxsize=5000)(_holds_secret)


def _decoded(text: str) -> str | None:
    """Return the text in base64, the form in which profiles and scripts are exported."""
    if not _BASE64.fullmatch(text):
        return None
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
        encoding = "utf-16" if content.startswith(_UTF_16_MARKS) else "utf-8-sig"
        decoded = content.decode(encoding)
    except (binascii.Error, UnicodeDecodeError):
        return None
    return decoded if "".join(decoded.split()).isprintable() else None
