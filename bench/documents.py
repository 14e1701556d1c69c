"""The GraphQL documents that are measured."""

_RUN = """
        id runType status statusBucket createdAt startedAt finishedAt
        counts { total processed succeeded failed skipped }
        initiator { kind name }
"""


def _page(variables: str, arguments: str) -> str:
    return f"""
query Page($tenant: ID!, {variables}) {{
  tenant(id: $tenant) {{
    operationRuns({arguments}) {{
      nodes {{{_RUN}}}
      pageInfo {{ hasNextPage endCursor }}
    }}
  }}
}}
"""


LIST = _page("$first: Int!", "first: $first")
PAGE = _page(
    "$first: Int!, $after: String, $filter: OperationRunFilter",
    "first: $first, after: $after, filter: $filter",
)
FACETS = """
query Facets($tenant: ID!, $filter: OperationRunFilter) {
  tenant(id: $tenant) {
    operationRunFacets(filter: $filter) {
      byStatusBucket { statusBucket count }
      byRunType { runType count }
      byInitiator { initiator { actorId name } count }
      truncated
    }
  }
}
"""
DETAIL = """
query Detail($run: ID!) {
  node(id: $run) {
    id
    ... on OperationRun {
      runType subject context status statusBucket createdAt startedAt finishedAt url
      counts { total processed succeeded failed skipped }
      initiator { name }
      tenant { id }
      failureCount
      failureGroups { reasonCode count retryable exampleMessage }
      failures(first: 20) { nodes { itemKey message attempt } pageInfo { hasNextPage endCursor } }
      events(first: 50) {
        nodes { kind version statusBucket attempt occurredAt counts { total processed failed } }
        pageInfo { hasNextPage endCursor }
      }
      related { __typename ... on InventorySnapshot { scopeKey policyCount isWhole } }
    }
  }
}
"""
LIVE = f"""
subscription Live($tenant: ID!) {{
  operationRuns(tenantId: $tenant) {{
    __typename
    ... on OperationRunChanged {{ cursor change occurredAt run {{ version {_RUN} }} }}
  }}
}}
"""
# PostGraphile's schema comes from the tables.
POSTGRAPHILE_LIST = """
query List($tenant: UUID!, $first: Int!) {
  allOperationRuns(
    first: $first, orderBy: [CREATED_AT_DESC, ROW_ID_DESC], condition: {tenantId: $tenant}
  ) {
    nodes {
      id runType status statusBucket createdAt startedAt finishedAt
      total succeeded failed skipped initiatorId initiatorName
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""
