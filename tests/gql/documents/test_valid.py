"""What is kept of the documents that were asked for."""

from graphql import parse

from gql.documents.valid import ValidDocuments

A, B, C = "{ a }", "{ b }", "{ c }"


def test_those_that_nobody_asks_for_are_forgotten_first() -> None:
    documents = ValidDocuments(capacity=len(A + B))
    kept = {text: parse(text) for text in (A, B, C)}
    documents.keep(A, kept[A])
    documents.keep(B, kept[B])
    assert documents.get(A) is kept[A]
    documents.keep(C, kept[C])
    assert (documents.get(A), documents.get(B), documents.get(C)) == (kept[A], None, kept[C])


def test_keeping_one_again_takes_no_more_room() -> None:
    documents = ValidDocuments(capacity=len(A + B))
    for _ in range(10):
        documents.keep(A, parse(A))
    documents.keep(B, parse(B))
    assert documents.get(A) is not None


def test_one_that_is_larger_than_all_room_is_not_kept() -> None:
    documents = ValidDocuments(capacity=3)
    documents.keep(A, parse(A))
    assert documents.get(A) is None
