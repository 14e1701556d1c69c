"""Texts without a secret that look as if they had one."""

from collections.abc import Iterator

from tests.domain.redaction.secrets_corpus import guid, seeded

SENTENCES = """
password authentication failed for user "opsrun"
The password is required.
Password must be at least 14 characters long
the token is expired
Token expired at 2026-01-31T08:15:30Z
invalid token: signature verification failed
token is missing from the request
could not refresh token: Connection refused
POST https://login.test/3c9b8a6e-0f1d-4f7a-9a55-3a0f7e1f5b2c/oauth2/v2.0/token: 401 Unauthorized
POST /oauth2/v2.0/token HTTP/1.1
Unexpected token: <EOF>
Syntax Error: Expected Name, found <EOF>.
Unexpected token '}' in JSON at position 12
KeyError: 'password'
TypeError: connect() got an unexpected keyword argument 'password'
TypeError: sign_in() missing 1 required keyword-only argument: 'token'
AttributeError: 'NoneType' object has no attribute 'token'
ValueError: secret must not be empty
secret not found in vault
A secret is needed to sign the webhook
The client secret is expired; create a new one in the portal.
Invalid client secret provided. Ensure the secret being sent is the value, not the client secret ID.
bearer token is missing
Bearer authentication is required
WWW-Authenticate: Bearer realm="opsrun", error="invalid_token"
Authorization: required
authorization header is malformed
Basic authentication is disabled
Basic Configuration - v3.1
NOAUTH Authentication required.
WRONGPASS invalid username-password pair or user is disabled.
cookie: not set
Cookies are not used by this API
api key is missing
api_key: field required
{"password": null, "token": ""}
{"passwordRequired": true, "passwordMinimumLength": 14, "passwordExpirationDays": 365}
{"token_type": "Bearer", "expires_in": 3599}
{'token': None, 'retry': 3}
{"password": ["This field is required."]}
input_value={'password': SecretStr('**********')}
redis://cache:6379/0 refused the connection
postgresql://db.internal:5432/opsrun is not reachable
GET https://graph.test/v1.0/deviceManagement/configurationPolicies?$top=50 returned 503
https://host.test:8443/path/@scope/package was not found
HTTP Request: GET http://127.0.0.1:8000/graphql "HTTP/1.1 200 OK"
settings@odata.navigationLink is an annotation
roleScopeTagIds@odata.type
microsoft.graph.windows10CompliancePolicy
#microsoft.graph.deviceManagementConfigurationSettingInstance
deviceManagementConfigurationChoiceSettingInstance
DeviceManagementConfigurationPolicyAssignmentCollectionResponse
windows10EndpointProtectionConfigurationBaseline24H2
asyncpg.exceptions.UniqueViolationError: duplicate key value violates unique constraint "runs_pkey"
DETAIL:  Key (tenant_id, idempotency_key)=(7, inventory.sync) already exists.
sqlalchemy.exc.InterfaceError: (sqlalchemy.dialects.postgresql.asyncpg.InterfaceError) closed
asyncio.exceptions.TimeoutError
ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 5432)
ModuleNotFoundError: No module named 'opsrun.telemetry'
RuntimeWarning: coroutine 'Relay.run' was never awaited
During handling of the above exception, another exception occurred:
Traceback (most recent call last):
    token = await self._tokens.acquire(scope)
    password=settings.database.password,
    return await self._pool.acquire(timeout=timeout)
    claims = jwt.decode(token, key, algorithms=["RS256"])
    await connection.execute(statement, parameters)
    raise ProducerError(FailureReason.SCOPE_NOT_FOUND, "no such folder") from error
def connect(*, user: str, password: str | None = None) -> Connection:
<asyncio.locks.Semaphore object at 0x7f3b2c1d4e50 [locked]>
<Task pending name='Task-12' coro=<Worker.listen() running at /srv/app/workers/relay.py:88>>
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
commit 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12
error_id=4bf92f3577b34da6a3ce929d0e0e4736
Unexpected error 4bf92f3577b34da6a3ce929d0e0e4736
Microsoft.OutlookForWindows_8wekyb3d8bbwe
traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
fingerprint 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12 was seen before
etag: 33a64df551425fcc55e4d42a148795d9f25f89d4
FAILED_PRECONDITION_WITH_A_LONG_CONSTANT_NAME
AADSTS50126: Error validating credentials due to invalid username or password.
Mutation($token: String!) got an unused variable
Variable "$password" of type "String!" was not provided.
No user has the role OWNER in this tenant
The policy has 3 settings, 2 of them changed
processed 118 of 120, 1 failed, 1 skipped
0 rows in 12.4 ms
PATCH /v1/runs/7 422 in 35 ms
2026-02-03 04:05:06,789 INFO opsrun.api started
signal 15 received, shutting down within 30 s
queue length 0, lag 0.003 s, 4 workers
disk usage 81 % on /var/lib/postgresql/18/main
C:\\Windows\\System32\\drivers\\etc\\hosts
Zurücksetzen des Kennworts ist fehlgeschlagen
密码错误
the run was aborted by the operator
Retry in 5 s; attempt 2 of 3
lease of run 7 was lost to another worker
secrets are rotated every 90 days
passwords: 3 changed, 0 failed
tokens: 1024 in, 312 out
max_tokens=4096
Password - D - Complexity - v2.0
Unexpected token: '<'
Unexpected token: '‹'
pid=123;user=postgres;db=opsrun;
encryption key: AES-256
signing key algorithm is RS256
Basic Win32App failed
Basic Mobility4Business is assigned to 3 groups
GET https://login.test/callback?code=ResourceNotFound&state=7
GET https://api.test/v1/settings?key=deviceLockPasswordHistory&page=2
    if not secret: raise ValueError("secret is missing")
https://host.test:8443/pictures/path@2x.png
{"secrets": [], "tokens": {}, "credentials": []}
Key (tenant_id, slug)=(3f2504e0-4f89-41d3-9a0c-0305e82c3301, aurora) already exists.
could not log in (bad token): AADSTS50126 happened
The setting 'secret' is 'required'
[SQL: INSERT INTO users (name, password) VALUES ($1, $2)]
[SQL: INSERT INTO tokens (id, token) VALUES (%(id)s, %(token)s)]
docker run -u 1000:1000 -p 8080:80 failed with 125
curl: (7) Failed to connect to host.test port 443
redis-cli -p 6379 is not found
mysql -h db -u root -p refused
ghcr.io/opsrun/api:v1.2@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
bypass=true, compass=north
a policy identified by 'Win - A' is missing
Field required [type=missing, input_value={'token_type': 'Bearer'}, input_type=dict]
opsrun-worker-7d9f8b6c5d-x2x4z was evicted
Win11-Multi-User-Kiosk-v2
CIS_Windows_11_24H2_L1_v3
""".strip().splitlines()
_AREAS = """antivirus bitlocker browser compliance credentialproviders defender devicelock
    firewall kerberos laps onedrive passwordpolicy privacy smartscreen tokenprotection update"""
AREAS = _AREAS.split()
_RULES = """allowautomaticenrollment attacksurfacereductionrules blockexecutionofobfuscatedscripts
    configurelockscreentimeout disableguestaccount enablecloudprotection minimumpasswordlength
    preventcredentialtheft requiresecretrotation restrictanonymousaccess"""
RULES = _RULES.split()


def harmless_texts(seed: int = 21) -> Iterator[str]:
    """Yield texts that must come back unchanged."""
    rnd = seeded(seed)
    yield from SENTENCES
    for area in AREAS:
        rule = rnd.choice(RULES)
        title = (
            f"Win - {area.title()} - {rnd.choice('DU')} - {rule.title()} - v{rnd.randrange(9)}.4"
        )
        setting = f"device_vendor_msft_policy_config_{area}_{rule}"
        path = f"/srv/exports/{area}/{title}.json"
        yield title
        yield f"{setting}_{rnd.randrange(4)} changed from 0 to 1"
        yield f"INVALID_POLICY: {path}: line 3, column {rnd.randrange(80)}: Expecting value"
        yield f'{{"settingDefinitionId": "{setting}~policy~{rule}", "value": {rnd.randrange(90)}}}'
        yield f"configurationPolicies('{guid(rnd)}')/settings('{rnd.randrange(40)}')"
        yield (
            f"GET https://graph.test/beta/deviceManagement/{rule}?$filter=path%20eq%20"
            f"'%2Fexports%2F{area}%2F{title.split()[4]}'&$skiptoken={rnd.randrange(90)}"
        )
        yield f"run {guid(rnd)} of tenant {guid(rnd)} failed: TIMEOUT"
        yield f"run {rnd.randbytes(16).hex()} is pending"
        yield (
            f'  File "/usr/lib/python3.11/site-packages/{area}/{rule}.py", line '
            f"{rnd.randrange(999)}, in {rule}\n    return self.{rule}({area})"
        )
        yield f"{area}.{rule}.{area.title()}{rule.title()}Error: status {rnd.randrange(400, 599)}"
