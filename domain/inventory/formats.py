"""Recognise the format of an exported document, and find the policy in it (P8)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from domain.inventory.content import document_hash
from domain.inventory.models import PolicyFormat
from domain.inventory.policies import (
    identify,
    parse_json,
    parse_policy,
    policy_name,
    storable,
)
from domain.inventory.policy_types import type_of, type_of_template
from domain.inventory.provider import PolicyDocument
from domain.inventory.yaml_documents import parse_yaml
from domain.runs.failures import ProducerError

# What keeps policies of one type and name apart, and is not changed later: the parts of IntuneCD's
# file names, and the platform.
_APART = ("platform", "platforms", "platformType", "technologies", "templateId", "vppTokenAppleId")
# 128 bits of the hash.
_DERIVED_DIGITS = 32
_CIPP_SUFFIX = ".IntuneTemplate.json"
# IntuneCD's documents of what a tenant is connected with, and of Entra.
_NO_POLICIES = (
    "Apple Push Notification",
    "Apple VPP Tokens",
    "Entra",
    "Managed Google Play",
    "Partner Connections",
)
# By their members: files of the tools beside an export.
_TOOL_FILES = (
    ({"params"}, "IntuneCD's login"),
    ({"BulkExport"}, "IntuneManagement's settings"),
    ({"BulkImport"}, "IntuneManagement's settings"),
    ({"TenantId", "Organization", "Objects"}, "IntuneManagement's table of groups"),
)


class ReadPolicy(NamedTuple):
    """The policy in a document: `body` is what is stored and compared."""

    body: dict[str, Any]
    policy_id: str
    name: str
    policy_type: str
    format: PolicyFormat


def read_policy(document: PolicyDocument) -> ReadPolicy | str:
    """Return the policy in a document, or why a document without a policy is ignored.

    Raises:
        ProducerError: see `parse_policy`, `parse_yaml` and `identify`.
    """
    if document.is_yaml:
        body = storable(parse_yaml(document.content))
    else:
        body = parse_policy(document.content)
        if "id" in body and "@odata.type" in body:
            minimal = "@odata.context" in body and "@odata.id" not in body
            return ReadPolicy(
                body, *identify(body), PolicyFormat.PORTAL if minimal else PolicyFormat.GRAPH_OBJECT
            )
    if template := _template(body):
        return template
    return _without_type_or_id(document, body)


def _without_type_or_id(document: PolicyDocument, body: dict[str, Any]) -> ReadPolicy | str:
    folders = [document.scope_key, *document.key.split("/")[:-1]]
    if "id" not in body and (what := _no_policy(body, folders)):
        return f"Ignored by default: {what} holds no policy."
    if document.is_yaml:
        format_ = PolicyFormat.INTUNE_CD_YAML
    elif "@odata.context" in body:
        format_ = PolicyFormat.PORTAL
    else:
        format_ = PolicyFormat.GRAPH_OBJECT if "id" in body else PolicyFormat.INTUNE_CD_JSON
    typed = body if "@odata.type" in body else {**body, "@odata.type": type_of(body, folders)}
    if not policy_name(body) and folders[-1:] == ["Device Management Settings"]:
        typed = {**typed, "displayName": folders[-1]}
    return ReadPolicy(body, *_identified(typed), format_)


def _no_policy(body: Mapping[str, Any], folders: Sequence[str]) -> str | None:
    for members, what in _TOOL_FILES:
        if members == body.keys() or (len(members) > 1 and members <= body.keys()):
            return what
    folder = next((name for name in folders if name in _NO_POLICIES), None)
    is_typed = "@odata.type" in body or type_of(body) is not None
    return f"IntuneCD's folder {folder}" if folder and not is_typed else None


def _identified(body: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the policy's id, name and type; derive the id if the document has none."""
    if "id" in body:
        return identify(body)
    derived = {**body, "id": "derived"}
    _, name, policy_type = identify(derived)
    parts = [policy_type.casefold(), name, *(body.get(key) for key in _APART)]
    return f"derived-{document_hash(parts).hex()[:_DERIVED_DIGITS]}", name, policy_type


def _template(body: Mapping[str, Any]) -> ReadPolicy | str | None:
    """Return the policy in a CIPP template, which may be a row of CIPP's table."""
    if {"PartitionKey", "RowKey", "JSON"} <= body.keys():
        kind = body["PartitionKey"]
        if kind == "IntuneTemplate":
            return _intune_template({"GUID": body["RowKey"], **_object(body, "JSON")})
        if kind == "CATemplate":
            row = _object(body, "JSON")
            return _of_template(row, body["RowKey"], None, type_of(row))
        return (
            f"Ignored by default: a CIPP template of the kind {str(kind)[:100]!r} holds no policy."
        )
    return _intune_template(body)


def _intune_template(template: Mapping[str, Any]) -> ReadPolicy | None:
    # CIPP itself writes these names in several ways.
    names = {key.casefold(): key for key in template}
    if "rawjson" not in names:
        return None

    def member(name: str) -> Any:
        return template.get(names.get(name, ""))

    body = _object(template, names["rawjson"])
    if "added" in body:
        # The request that creates a group policy, which names no policy.
        added = body.pop("added")
        body |= {"description": member("description"), "definitionValues": added}
    return _of_template(
        body,
        member("guid"),
        member("displayname"),
        type_of(body) or type_of_template(member("type")),
    )


def _of_template(
    body: dict[str, Any], template_id: Any, name: Any, policy_type: str | None
) -> ReadPolicy:
    # The id is the one of the policy of which the template was made.
    body = {key: value for key, value in body.items() if key != "id"}
    described = {"@odata.type": policy_type, **body}
    if isinstance(template_id, str) and template_id:
        described["id"] = template_id.removesuffix(_CIPP_SUFFIX)
    if isinstance(name, str) and name:
        described["displayName"] = name
    return ReadPolicy(body, *_identified(described), PolicyFormat.CIPP)


def _object(template: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the object under a key: usually JSON in a text."""
    value = template[key]
    try:
        return storable(parse_json(value.encode()) if isinstance(value, str) else value)
    except ProducerError as error:
        raise ProducerError(error.reason, f"In `{key}`: {error.message}", error.names) from None
