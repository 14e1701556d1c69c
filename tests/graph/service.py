"""Answers requests to Graph: checks tokens, lets faults happen, counts, takes batches apart."""

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from tests.graph.calls import Call, Reply
from tests.graph.counting import Area, Counted, Requests
from tests.graph.deltas import Deltas
from tests.graph.errors import GraphError, bad_request, no_segment
from tests.graph.faults import Answered, Cut, Faults, ForeignLink, RepeatingLink, Slow
from tests.graph.groups import Groups
from tests.graph.options import read_options
from tests.graph.policies import ROOT, Policies
from tests.graph.policy_collections import COLLECTIONS
from tests.graph.tokens import Cloud, Tokens

BATCH = ("$batch",)
MOST_PARTS = 20
VERSIONS = frozenset({"v1.0", "beta"})
_DIRECTORY = frozenset({"Directory.Read.All", "Group.Read.All", "GroupMember.Read.All"})
# A segment with its key in brackets, such as `intents('ID')`, or a function, such as `delta()`.
_KEYED = re.compile(r"\('([^/()]*)'\)|\(\)")


class Service:
    """All of Graph that the double has, without HTTP."""

    def __init__(
        self, tokens: Tokens, policies: Policies, groups: Groups, deltas: Deltas, faults: Faults
    ) -> None:
        self.requests = Requests()
        self._tokens = tokens
        self._policies = policies
        self._groups = groups
        self._deltas = deltas
        self._faults = faults
        self._order = random.Random(0)  # noqa: S311 - no secret

    def answer(self, cloud: Cloud, call: Call) -> Reply:
        """Return the answer to a request, which may be a batch."""
        if call.path != BATCH:
            return self._one(cloud, call)
        self.requests.batches += 1
        return self._faulty(call, lambda: self._batch(cloud, call))

    def _one(self, cloud: Cloud, call: Call) -> Reply:
        at = time.monotonic()
        reply = self._faulty(call, lambda: self._checked(cloud, call))
        request_id = call.headers.get("client-request-id")
        area = _area(call.path)
        self.requests.log.append(
            Counted(call.method, call.version, call.plain_path, area, at, reply.status, request_id)
        )
        return reply

    def _faulty(self, call: Call, work: Callable[[], Reply]) -> Reply:
        """Answer with the faults of this path, and with ids."""
        cut = self._faults.take(call.plain_path, Cut)
        slow = self._faults.take(call.plain_path, Slow)
        request_id = str(uuid4())
        client_request_id = call.headers.get("client-request-id", request_id)
        try:
            reply = work()
        except GraphError as error:
            reply = error.reply(request_id, client_request_id)
        reply.headers |= {"request-id": request_id, "client-request-id": client_request_id}
        reply.cut = cut.when if cut else reply.cut
        reply.delay += slow.seconds if slow else 0.0
        return reply

    def _checked(self, cloud: Cloud, call: Call) -> Reply:
        path, original = call.plain_path, dict(call.options)
        self._admit(cloud, call, _roles(call.path))
        if call.method != "GET":
            raise GraphError(405, "MethodNotAllowed", f"{call.method} is not supported here.")
        reply = self._routed(call)
        if foreign := self._faults.take(path, ForeignLink):
            reply.body["@odata.nextLink"] = foreign.url
        if self._faults.take(path, RepeatingLink):
            query = "&".join(f"{key}={value}" for key, value in original.items())
            reply.body["@odata.nextLink"] = f"{call.url}?{query}" if query else call.url
        return reply

    def _admit(self, cloud: Cloud, call: Call, needed: frozenset[str] | None = None) -> None:
        """Check the token, then let an error happen."""
        roles = self._tokens.roles_of(cloud, call.headers.get("authorization", ""))
        if needed is not None and not needed & roles:
            raise GraphError(
                403,
                "Forbidden",
                "Application is not authorized to perform this operation. Application must have"
                f" one of the following scopes: {', '.join(sorted(needed))}",
            )
        if fault := self._faults.take(call.plain_path, Answered):
            raise fault.error()

    def _routed(self, call: Call) -> Reply:
        if call.path[0] == ROOT:
            return self._policies.answer(call)
        if call.path == ("groups", "delta"):
            return self._deltas.answer(call)
        if call.path[0] == "groups":
            return self._groups.answer(call)
        raise no_segment(call.path[0])

    def _batch(self, cloud: Cloud, call: Call) -> Reply:
        self._admit(cloud, call)
        if call.method != "POST" or not isinstance(call.body, dict):
            raise bad_request("Invalid batch payload format.")
        parts = call.body.get("requests")
        if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
            raise bad_request("Invalid batch payload format.")
        if len(parts) > MOST_PARTS:
            raise bad_request(
                f"Number of batch request steps exceeds the maximum value of {MOST_PARTS}."
            )
        ids = [part.get("id") for part in parts]
        if not all(isinstance(one, str) and one for one in ids) or len({*ids}) < len(ids):
            raise bad_request("Invalid batch payload format.")
        replies: dict[str, Reply] = {}
        for part in parts:
            replies[part["id"]] = self._part(cloud, call, part, replies)
        responses = [_response(key, reply) for key, reply in replies.items()]
        # Graph answers in the order in which the parts are ready.
        self._order.shuffle(responses)
        return Reply(
            200,
            {"responses": responses},
            delay=max((reply.delay for reply in replies.values()), default=0.0),
            cut=next((reply.cut for reply in replies.values() if reply.cut), None),
        )

    def _part(
        self, cloud: Cloud, call: Call, part: Mapping[str, Any], before: Mapping[str, Reply]
    ) -> Reply:
        needed: Sequence[str] = part.get("dependsOn") or ()
        if any(one not in before for one in needed):
            raise bad_request("Invalid batch payload format.")
        headers = {key.lower(): str(value) for key, value in (part.get("headers") or {}).items()}
        one = make_call(
            part.get("method", ""),
            call.base,
            f"/{call.version}/{str(part.get('url', '')).lstrip('/')}",
            {"authorization": call.headers.get("authorization", ""), **headers},
            part.get("body"),
        )
        if any(before[key].status >= 400 for key in needed):
            # It is not sent, so it does not count.
            return self._faulty(one, _fail_dependency)
        return self._one(cloud, one)


def _fail_dependency() -> Reply:
    raise GraphError(424, "FailedDependency", "A request that this one needs failed.")


def make_call(method: str, base: str, target: str, headers: Mapping[str, str], body: Any) -> Call:
    """Return the call of a path with its query, such as `/beta/groups?$top=5`."""
    parts = urlsplit(target)
    path = _KEYED.sub(r"/\1", unquote(parts.path)).strip("/")
    version, *segments = path.split("/")
    return Call(method, base, version, tuple(segments), read_options(parts.query), headers, body)


def _response(part_id: str, reply: Reply) -> dict[str, Any]:
    headers = {**reply.headers, "Content-Type": "application/json"}
    return {"id": part_id, "status": reply.status, "headers": headers, "body": reply.body}


def _area(path: Sequence[str]) -> Area:
    if path[:1] != (ROOT,):
        return Area.GROUPS
    collection = COLLECTIONS.get(path[1]) if len(path) > 1 else None
    return collection.area if collection else Area.OTHER


def _roles(path: Sequence[str]) -> frozenset[str]:
    collection = COLLECTIONS.get(path[1]) if path[:1] == (ROOT,) and len(path) > 1 else None
    return collection.roles if collection else _DIRECTORY
