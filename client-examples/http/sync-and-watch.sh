#!/usr/bin/env bash
# Start an inventory sync and watch it over server-sent events: curl, and python3 for JSON.
set -euo pipefail

url=${OPSRUN_URL:-http://127.0.0.1:8000}/graphql
scope=${1:-workstations}
: "${OPSRUN_TOKEN:?Set OPSRUN_TOKEN, for example: OPSRUN_TOKEN=\$(.venv/bin/opsrun token oscar)}"

body() { # body QUERY [NAME VALUE]...: a GraphQL request with string variables
  python3 -c 'import json, sys
query, *rest = sys.argv[1:]
print(json.dumps({"query": query, "variables": dict(zip(rest[::2], rest[1::2]))}))' "$@"
}

post() { # post ACCEPT BODY
  curl -sN "$url" -H "Authorization: Bearer $OPSRUN_TOKEN" \
    -H 'Content-Type: application/json' -H "Accept: $1" -d "$2"
}

ask() { # ask PATH QUERY [NAME VALUE]...: the answer's value at PATH, or its errors
  local path=$1
  shift
  post application/json "$(body "$@")" | python3 -c 'import json, sys
answer = json.load(sys.stdin)
if "errors" in answer:
    sys.exit(answer["errors"][0]["message"])
value = answer["data"]
for key in sys.argv[1].split("."):
    value = value[int(key) if key.isdigit() else key]
print(value)' "$path"
}

tenant=$(ask viewer.memberships.0.tenant.id '{ viewer { memberships { tenant { id } } } }')
run=$(ask startInventorySync.run.id 'mutation($tenant: ID!, $scope: String!) {
  startInventorySync(input: { tenantId: $tenant, scopeKey: $scope }) {
    outcome run { id } userErrors { message } } }' tenant "$tenant" scope "$scope")
post text/event-stream "$(body 'subscription($run: ID!) { operationRun(id: $run) {
  run { runType statusBucket counts { processed total failed } } } }' run "$run")" |
  sed -n 's/^data: \(..*\)/\1/p'
