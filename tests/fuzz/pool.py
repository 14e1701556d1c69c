"""Strategies for values: real ones, distorted ones, and arbitrary ones."""

import base64
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from domain.tenancy.roles import TenantRole
from gql.ids import decode_base64, encode_base64
from tests.gql.furnished import Furnished

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)
# JSON can encode lone surrogates; base64 and headers cannot.
SURROGATES = st.text(st.characters(categories=["Cs", "Ll"]), min_size=1, max_size=4)
# fmt: off
TRICKY = st.sampled_from([
    "", " ", "\x00", "a\x00b", "..", "../servers", "/etc/passwd", "a/../../b", "%2e%2e", "~", "*",
    "%", "\u202e", "💥", "e\u0301", "ﬁ", "İ", "\u2028", "\ufeff", "'", '"', "\\", "$1",
    "a" * 10_000, "0", "-1", "null", "servers\n", "SERVERS", "{}", "inventory.sync",
    "drift.generate", "group.sync",
])
NUMBERS = st.sampled_from([0, 1, -1, 25, 100, 101, 2**31 - 1, 2**31, -(2**31) - 1, 2**63, 10**40])
MOMENTS = st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat())
MOMENTS |= st.sampled_from([
    "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-14:00", "2026-02-30T00:00:00Z", "2026-01-01", "2026-W01-1T00:00:00Z",
    "2026-01-01T00:00:00+23:59:59.999999", "2026-01-01T24:00:00Z", "20260101T000000Z",
])
# fmt: on


@dataclass(frozen=True)
class Pool:
    """The values of two tenants, and strategies that use them. The tests act in `ours`."""

    ours: Furnished
    theirs: Furnished

    def token(self, role: TenantRole = TenantRole.OWNER) -> str:
        """Return a new token of a member of our tenant."""
        return self.ours.world.token(role)

    @cached_property
    def real_ids(self) -> list[str]:
        """Existing ids, ours first."""
        return [
            id_
            for tenant in (self.ours, self.theirs)
            for id_ in (*tenant.ids.values(), tenant.broken_run, tenant.backup_run)
        ]

    @cached_property
    def real_cursors(self) -> list[str]:
        """Cursors of every list, ours first."""
        return [*self.ours.cursors.values(), *self.theirs.cursors.values()]

    @cached_property
    def texts(self) -> st.SearchStrategy[str]:
        """Our names, tricky texts and arbitrary ones."""
        return st.one_of(st.sampled_from(self.ours.names), TRICKY, st.text(max_size=60), SURROGATES)

    @cached_property
    def ids(self) -> st.SearchStrategy[str]:
        """Real, composed and distorted ids."""
        parts = [decode_base64(id_).split(":", 2) for id_ in self.real_ids]
        types, tenants, keys = (
            st.sampled_from([*dict.fromkeys(each)]) for each in zip(*parts, strict=True)
        )
        fresh = st.just(UUID(int=7).hex)
        text = st.text(st.characters(codec="utf-8"), max_size=30)
        composed = st.tuples(types | text, tenants | fresh | text, keys | fresh | TRICKY | text)
        return st.one_of(
            st.sampled_from(self.real_ids),
            composed.map(lambda each: encode_base64(":".join(each))),
            self._distorted(self.real_ids),
        )

    @cached_property
    def cursors(self) -> st.SearchStrategy[str]:
        """Real, composed and distorted cursors."""
        parts = [json.loads(decode_base64(cursor)) for cursor in self.real_cursors]
        kinds, tenants, *_ = (
            st.sampled_from([*dict.fromkeys(each)]) for each in zip(*parts, strict=False)
        )
        values = st.sampled_from([*dict.fromkeys(value for part in parts for value in part[2:])])
        value = values | NUMBERS | MOMENTS | TRICKY | SURROGATES | JSON
        composed = st.tuples(kinds, tenants, st.lists(value, max_size=4)).map(
            lambda c: [*c[:2], *c[2]]
        )
        changed = st.sampled_from(parts).flatmap(
            lambda part: st.tuples(*(st.just(one) | value for one in part))
        )
        return st.one_of(
            st.sampled_from(self.real_cursors),
            (composed | changed | JSON).map(lambda each: encode_base64(json.dumps(each))),
            self._distorted(self.real_cursors),
        )

    def _distorted(self, real: list[str]) -> st.SearchStrategy[str]:
        """Real values with a changed character, random bytes in base64, and texts."""

        def distort(text: str, index: int, replacement: str) -> str:
            index %= len(text)
            return text[:index] + replacement + text[index + 1 :]

        return st.one_of(
            st.builds(distort, st.sampled_from(real), st.integers(0), st.text(max_size=2)),
            st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()),
            self.texts,
        )


def filters(pool: Pool) -> st.SearchStrategy[Any]:
    """Filters of the run list, most of them valid."""
    types = st.sampled_from(["inventory.sync", "drift.generate"]) | TRICKY | st.text(max_size=20)
    buckets = st.sampled_from(["QUEUED", "RUNNING", "SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED"])
    moments = st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat())
    initiators = st.just(pool.ours.ids["Initiator"])
    valid = _filters(types, buckets, moments, initiators)
    arbitrary = _filters(pool.texts | JSON, buckets | TRICKY, MOMENTS, pool.ids)
    return st.one_of(valid, valid, valid, arbitrary, st.dictionaries(TRICKY, JSON, max_size=2))


def _filters(
    types: st.SearchStrategy[Any],
    buckets: st.SearchStrategy[str],
    moments: st.SearchStrategy[str],
    initiators: st.SearchStrategy[str],
) -> st.SearchStrategy[Any]:
    def optional(each: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.one_of(st.none(), each, st.lists(each, max_size=5), st.lists(each, max_size=52))

    return st.fixed_dictionaries(
        {},
        optional={
            "runTypes": optional(types),
            "statusBuckets": optional(buckets),
            "createdFrom": st.none() | moments,
            "createdUntil": st.none() | moments,
            "initiatorIds": optional(initiators),
        },
    )
