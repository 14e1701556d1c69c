"""The execution of operations by the API."""

from gql.compiled.plans import KEPT_AS
from tests.gql.api import RunningApi
from tests.gql.furnished import Furnished

RUNS = """query ($id: ID!, $first: Int! = 5) { tenant(id: $id) { operationRuns(first: $first) {
  edges { cursor node { __typename id status counts { total failed } failureCount
    initiator { actorId name } } } } } }"""


async def test_a_repeated_operation_is_compiled_and_has_the_same_answer(
    api: RunningApi, ours: Furnished
) -> None:
    client = api.member(ours.world)
    answers = [await client.data(RUNS, id=ours.world.global_id) for _ in range(4)]
    assert answers[0]["tenant"]["operationRuns"]["edges"]
    assert answers == [answers[0]] * 4
    document = api.view.operations.admission.reader.known.get(RUNS)
    assert document is not None
    assert document.definitions[0].__dict__[KEPT_AS] is not None
