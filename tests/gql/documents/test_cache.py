"""The cache of valid documents."""

import weakref

from graphql import parse

from gql.documents.cache import DocumentCache

A, B, C = "{ a }", "{ b }", "{ c }"


def test_the_least_recently_used_documents_are_evicted_first() -> None:
    documents = DocumentCache(capacity=len(A + B))
    kept = {text: parse(text) for text in (A, B, C)}
    documents.keep(A, kept[A])
    documents.keep(B, kept[B])
    assert documents.get(A) is kept[A]
    documents.keep(C, kept[C])
    assert (documents.get(A), documents.get(B), documents.get(C)) == (kept[A], None, kept[C])


def test_keeping_a_document_again_takes_no_more_room() -> None:
    documents = DocumentCache(capacity=len(A + B))
    for _ in range(10):
        documents.keep(A, parse(A))
    documents.keep(B, parse(B))
    assert documents.get(A) is not None


def test_an_evicted_document_leaves_nothing_in_memory() -> None:
    documents = DocumentCache(capacity=len(A))
    documents.keep(A, parse(A))
    evicted = documents.get(A)
    assert evicted is not None
    alive = weakref.ref(evicted)
    del evicted
    documents.keep(B, parse(B))
    assert alive() is None


def test_a_document_larger_than_the_cache_is_not_kept() -> None:
    documents = DocumentCache(capacity=3)
    documents.keep(A, parse(A))
    assert documents.get(A) is None
