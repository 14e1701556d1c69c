"""A test double of Microsoft Graph and of its token endpoint.

    async with graph_double(folder_of_exports, policies={"intents": [document]}) as double:
        trust = ssl.create_default_context(cafile=double.ca_file)
        async with httpx.AsyncClient(verify=trust) as http:
            form = {
                "grant_type": "client_credentials",
                "client_id": double.tokens.client_id,
                "client_secret": double.tokens.secret,
                "scope": f"{double.url}/.default",  # or https://graph.microsoft.com/.default
            }
            tenant = f"{double.authority}/{double.tokens.tenant_id}"
            token = await http.post(f"{tenant}/oauth2/v2.0/token", data=form)
            headers = {"Authorization": f"Bearer {token.json()['access_token']}"}
            page = await http.get(
                f"{double.url}/beta/deviceManagement/configurationPolicies", headers=headers
            )
        group_id = double.groups.put("Pilots", [Member("a-user")])
        double.faults.add("/groups/delta", throttled(2), times=3)
        assert len(double.requests) <= 1.2 * double.policies.least_requests()
        assert double.requests.over_budget() == {}

`double.clouds` has the other clouds, each with its own Graph, authority and tokens. `faults.py`
lists the faults, `policy_collections.py` what is served below `/deviceManagement`, and
`histories.py` changes groups by chance. `python -m tests.graph` runs the double as a process.
"""

from tests.graph.double import Double, graph_double

__all__ = ["Double", "graph_double"]
