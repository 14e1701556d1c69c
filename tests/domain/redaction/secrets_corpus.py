"""Made up secrets in the words of real libraries.

Nothing here is a key of anybody: values come from a seeded generator, and the prefixes
that vendors reserve are put together from parts, so that no scanner takes offence.
"""

import base64
import json
import string
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple
from urllib.parse import quote
from uuid import UUID

BASE62 = string.ascii_letters + string.digits
BASE64URL = BASE62 + "-_"
_WORDS = "autumn basil copper dragon ember falcon garnet harbor island jaguar kernel lemon"
WORDS = _WORDS.split()


class SecretCase(NamedTuple):
    """A text and the secret in it, of which nothing may be left."""

    kind: str
    secret: str
    text: str


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311


def chars(rnd: Random, alphabet: str, length: int) -> str:
    return "".join(rnd.choices(alphabet, k=length))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwt(rnd: Random) -> str:
    header = _base64url(json.dumps({"alg": "RS256", "kid": chars(rnd, BASE62, 8)}).encode())
    claims = _base64url(json.dumps({"sub": guid(rnd), "exp": rnd.randrange(10**9)}).encode())
    return f"{header}.{claims}.{_base64url(rnd.randbytes(64))}"


def guid(rnd: Random) -> str:
    return str(UUID(bytes=rnd.randbytes(16), version=4))


def password(rnd: Random) -> str:
    """A password as people choose them: a word, digits, maybe a sign."""
    sign = rnd.choice(["", "", "!", "#", "$", "-", "_", "%", "+", "?", "~"])
    return (
        rnd.choice(WORDS).replace("a", rnd.choice("a4@")).capitalize()
        + sign
        + chars(rnd, string.digits, 3)
    )


def plain_password(rnd: Random) -> str:
    return rnd.choice(WORDS) + rnd.choice(WORDS)


def pem(rnd: Random) -> str:
    body = base64.encodebytes(rnd.randbytes(300)).decode()
    label = rnd.choice(["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "]) + "PRIVATE KEY"
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----"


VENDOR_KEYS: dict[str, Callable[[Random], str]] = {
    "aws-id": lambda r: "AK" + "IA" + chars(r, string.ascii_uppercase + string.digits, 16),
    "aws-secret": lambda r: base64.b64encode(r.randbytes(30)).decode(),
    "azure-storage": lambda r: base64.b64encode(r.randbytes(64)).decode(),
    "azure-client": lambda r: f"{chars(r, BASE62, 3)}8Q" + "~" + chars(r, BASE62 + "._~-", 34),
    "azure-hex": lambda r: r.randbytes(16).hex(),
    "gcp": lambda r: "AI" + "za" + chars(r, BASE64URL, 35),
    "gcp-oauth": lambda r: "ya" + "29.a0" + chars(r, BASE64URL, 60),
    "github": lambda r: r.choice(["gh", "gh"]) + r.choice("pousr") + "_" + chars(r, BASE62, 36),
    "github-pat": lambda r: "github" + "_pat_" + chars(r, BASE62, 22) + "_" + chars(r, BASE62, 59),
    "gitlab": lambda r: "gl" + "pat-" + chars(r, BASE64URL, 20),
    "slack": lambda r: (
        f"xo{'x'}b-{r.randrange(10**11)}-{r.randrange(10**12)}-{chars(r, BASE62, 24)}"
    ),
    "stripe": lambda r: r.choice("sr") + "k_" + "live_" + chars(r, BASE62, 24),
    "npm": lambda r: "np" + "m_" + chars(r, BASE62, 36),
    "openai": lambda r: "s" + "k-" + r.choice(["", "proj-"]) + chars(r, BASE62, 48),
    "jwt": jwt,
    "sendgrid": lambda r: "SG" + "." + chars(r, BASE64URL, 22) + "." + chars(r, BASE64URL, 43),
    "random-base62": lambda r: chars(r, BASE62, r.choice([22, 24, 32, 40, 64])),
    "random-base64url": lambda r: _base64url(r.randbytes(r.choice([24, 32, 48]))),
    "random-22": lambda r: _base64url(r.randbytes(16)),
    "random-escaped": lambda r: quote(base64.b64encode(r.randbytes(30)), safe=""),
    "random-lower": lambda r: chars(r, string.ascii_lowercase + string.digits, 32),
    "random-hex": lambda r: r.randbytes(r.choice([16, 20, 32])).hex(),
}

# Where nothing but the form of the key gives it away.
BARE_PLACES = [
    "ClientAuthenticationError: (invalid_client) {value} was rejected by the tenant",
    "botocore.exceptions.ClientError: An error occurred (InvalidClientTokenId): {value}",
    "httpx.HTTPStatusError: Client error '403 Forbidden' for url 'https://api.test/v1/{value}/items'",
    "ValueError: could not parse line 7: deploy {value} to production",
    "redis.exceptions.ResponseError: unknown command '{value}', with args beginning with: ",
    "KeyError: '{value}'",
    "  File \"/srv/app/jobs.py\", line 12, in run\n    client.connect('{value}')\nOSError: refused",
    "subprocess.CalledProcessError: Command '['deploy', '{value}']' returned exit status 1",
    "RuntimeError: unexpected reply b'{value}\\n' from the metadata service",
    "assert '{value}' == None",
    "retrying after 429 ({value})",
    "{value}",
]
# Where a name says what follows.
NAMED_PLACES = [
    "Authorization: Bearer {value}",
    "headers={{'authorization': 'Bearer {value}', 'accept': 'application/json'}}",
    'curl: (22) 401 -H "Authorization: Bearer {value}" https://graph.test/v1.0/me',
    "Headers([('host', 'graph.test'), ('authorization', 'Bearer {value}')])",
    "scope headers: [(b'authorization', b'Bearer {value}'), (b'accept', b'*/*')]",
    "X-Api-Key: {value}\r\nHost: api.test",
    "request failed: Ocp-Apim-Subscription-Key: {value}",
    "GET https://api.test/items?api_key={value}&page=2 returned 403",
    "GET /callback?access_token={value}#state=1 HTTP/1.1",
    'response body: {{"access_token":"{value}","token_type":"Bearer","expires_in":3599}}',
    'response body: {{"refresh_token": "{value}", "scope": "openid"}}',
    'log: "{{\\"client_secret\\": \\"{value}\\", \\"grant_type\\": \\"client_credentials\\"}}"',
    'nested: "{{\\\\\\"api_key\\\\\\": \\\\\\"{value}\\\\\\"}}"',
    "ValidationError: input_value={{'apiKey': '{value}', 'region': 'westeurope'}}, input_type=dict",
    "grant_type=client_credentials&client_id=app&client_secret={value}&scope=.default",
    "the api key is {value}, please rotate it",
    "client_secret: {value}",
    "TypeError: connect(token={value!r}, timeout=5) got an unexpected keyword argument 'timeout'",
    "environ({{'AZURE_CLIENT_SECRET': '{value}', 'HOME': '/root'}})",
    "AWS_SECRET_ACCESS_KEY={value}",
    "Cookie: session={value}; theme=dark",
    "Set-Cookie: sid={value}; Path=/; HttpOnly",
    "<soap:Body><wsse:Token>{value}</wsse:Token></soap:Body>",
    '[{{"name": "API_TOKEN", "value": "{value}"}}]',
    "opsrun worker --token {value} --verbose",
    "['opsrun', 'worker', '--client-secret', '{value}']",
    "azure.core.exceptions.HttpResponseError: SharedAccessKey={value} is not valid",
    "_authToken={value}",
    "DETAIL:  Key (token)=({value}) already exists.",
    "DETAIL:  Key (tenant_id, api_key, name)=(7, {value}, bob) already exists.",
    '{{"error": {{"body": "{{\\u0022clientSecret\\u0022:\\u0022{value}\\u0022}}"}}}}',
    "GET /me?header=Authorization%3ABearer%20{value} HTTP/1.1",
    "SECRET_KEY_BASE={value}",
    '{{"passwordCredentials":[{{"secretText":"{value}","keyId":"1"}}]}}',
    "auth=[{{'token': '{value}'}}]",
    '{{"secrets":[{{"name":"a","value":"x"}},{{"name":"b","value":"{value}"}}]}} was refused',
    '{{\\"credentials\\":[{{\\"kind\\":\\"a\\",\\"data\\":{{\\"of\\":\\"{value}',
    "secret={{value: {value}}}",
    "invalid_client: client secret '{value}' is wrong",
]
PASSWORD_PLACES = [
    "password is {value}",
    "password: {value}",
    "The password for user 'opsrun' is {value}.",
    "the admin's passwd was {value}, now changed",
    'FATAL: login failed {{"user": "sa", "password": "{value}"}}',
    'escaped: {{\\"password\\": \\"{value}\\", \\"retry\\": true}}',
    "asyncpg.connect(host='db', user='opsrun', password='{value}', timeout=5)",
    "connection failed: host=db port=5432 user=opsrun password={value} dbname=opsrun",
    "sqlalchemy.exc.ProgrammingError: [SQL: ALTER ROLE opsrun WITH PASSWORD '{value}']",
    "[SQL: INSERT INTO users VALUES ($1, $2)]\n[parameters: ('bob', '{value}')]",
    "DETAIL:  Failing row contains (1, bob, {value}).",
    "Server=tcp:db.test,1433;Database=ops;User Id=sa;Password={value};Encrypt=True",
    "Driver={{ODBC Driver 18}};SERVER=db;UID=sa;PWD={value}",
    "jdbc:sqlserver://db:1433;user=sa;password={value};encrypt=true",
    "POST /login body: user=bob&password={value}&remember=1",
    "form('username', 'bob'), ('password', '{value}')",
    "Config(user='bob', password='{value}', port=5432)",
    "    password: str = '{value}'",
    "mysqldump --password {value} --all-databases",
    "mysqldump --password={value} --all-databases",
    "DB_PASSWORD={value}",
    'db_password = "{value}"  # line 3 of settings.toml',
    "CONFIG SET requirepass {value!r} was refused",
    "<Password>{value}</Password>",
    '<add name="db" connectionString="Server=db;Pwd={value};"/>',
    "login with password {value!r} failed",
    "wrong passphrase: {value}",
    "pwd={value}",
    "DETAIL:  Key (password)=({value}) already exists.",
    "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings\n"
    "database_password\n  Value error, too short [type=value_error, input_value='{value}', "
    "input_type=str]",
    "jsonschema.exceptions.ValidationError: '{value}' is too short\n\n"
    "Failed validating 'minLength' in schema['properties']['password']:\n"
    "    {{'minLength': 12, 'type': 'string'}}\n\nOn instance['password']:\n    '{value}'",
    "mysql: invalid DSN root:{value}@tcp(db:3306)/ops",
    "http_proxy=bob:{value}@proxy:3128 is not reachable",
    "requests.get(url, auth=HTTPBasicAuth('bob', '{value}'))",
    "Command 'curl -u admin:{value} https://api.test' returned 22",
    "Command '['curl', '--user', 'admin:{value}', 'https://api.test']' returned 22",
    "sshpass -p {value} ssh db: exit status 5",
    "Command '['mysqldump', '-u', 'root', '-p{value}', 'ops']' returned 2",
    "LDAP modify: userPassword:: {value}",
    "KeyError: environ({{'DBPASS': '{value}', 'HOME': '/root'}})",
    "SMTPPASS={value}",
    "pw={value}",
    "wifi profile: psk: {value}",
    "Value for 'adminPassword' is '{value}', which is too weak",
    "[SQL: INSERT INTO users (name, password) VALUES ('bob', '{value}')]",
    "SET PASSWORD FOR bob = '{value}'",
    "CREATE USER bob IDENTIFIED BY {value}",
    "credentials=(bob, {value}) were refused",
    "auth: {{user: bob, pass: {value}}}",
    "password: !vault {value}",
    "password: |\n  {value}\nuser: bob",
]
URL_PLACES = [
    "asyncpg.exceptions.InvalidPasswordError: cannot reach postgresql://opsrun:{value}@db:5432/opsrun",
    "could not translate host name in postgres://opsrun:{value}@db/opsrun?sslmode=require",
    "sqlalchemy.exc.ArgumentError: Could not parse mysql+pymysql://root:{value}@127.0.0.1/ops",
    "pymongo.errors.ConfigurationError: mongodb+srv://app:{value}@cluster0.test/?retryWrites=true",
    "redis.exceptions.ConnectionError: Error 111 connecting to redis://:{value}@cache:6379/0.",
    "valkey: rediss://default:{value}@cache:6380 refused",
    "amqp.exceptions.AccessRefused: amqp://guest:{value}@mq:5672//",
    "fatal: unable to access 'https://bob:{value}@git.test/ops/run.git/': 403",
    "OPSRUN_DATABASE_URL=postgresql+asyncpg://opsrun:{value}@db/opsrun",
    "proxy http://proxyuser:{value}@proxy:3128 said 407",
]
SIGNED_PLACES = [
    "404 for 'https://ops.blob.test/backups/a.json?sv=2024-05-04&se=2026-01-01&sr=b&sp=r&sig={value}'",
    "SharedAccessSignature sr=sb%3A%2F%2Fops&sig={value}&se=1750000000&skn=Root",
    "Endpoint=sb://ops.servicebus.test/;SharedAccessKeyName=Root;SharedAccessKey={value}",
    "DefaultEndpointsProtocol=https;AccountName=ops;AccountKey={value};EndpointSuffix=core.test",
    "HostName=ops.azure-devices.test;SharedAccessKeyName=owner;SharedAccessKey={value}",
]


OTHER_PLACES = [
    "https://hooks.slack.com/" + "services/T0/B0/{value}",
    "GET https://login.test/callback?code={value}&state=7",
    "jdbc:oracle:thin:ops/{value}@db:1521/orcl",
    'Authorization: Digest username="ops", uri="/", response="{value}"',
    "headers = {{'cookie': 'session={value}; theme=dark'}}",
    '{{"tokens": ["{value}"], "count": 1}}',
    "unknown command: AUTH default {value}",
    "ResponseError('WRONGPASS'), command ('AUTH', 'default', '{value}')",
    "stored $2b$12$" + "{value}{value}",
    "SCRAM-SHA-256" + "$4096:{value}==$x:y",
    "GET https://maps.test/v1/items?key={value}&alt=json",
    "invalid token '{value}'",
    "Incorrect API key provided: {value}.",
]


def secret_cases(seed: int = 20) -> Iterator[SecretCase]:
    """Yield every kind of secret in every place where it is met."""
    rnd = seeded(seed)
    for kind, make in VENDOR_KEYS.items():
        for place in BARE_PLACES:
            yield _case(kind, make(rnd), place)
        for place in rnd.sample(NAMED_PLACES, 10):
            yield _case(f"{kind} with a name", make(rnd), place)
    for place in NAMED_PLACES:
        yield _case("short key with a name", chars(rnd, BASE62, 10) + "7", place)
    for place in PASSWORD_PLACES:
        for make in (password, password, plain_password):
            yield _case("password", make(rnd), place)
    for place in URL_PLACES:
        for value in (password(rnd), password(rnd), plain_password(rnd), "p@ss/w" + password(rnd)):
            yield _case("url", value.replace("#", "x").replace("?", "y"), place)
    for place in SIGNED_PLACES:
        value = base64.b64encode(rnd.randbytes(32)).decode()
        yield _case("signature", value, place)
        yield _case("signature", quote(value, safe=""), place)
    for place in OTHER_PLACES:
        yield _case("other", chars(rnd, BASE62, 11) + "7", place)
    yield from _special_cases(rnd)


def _special_cases(rnd: Random) -> Iterator[SecretCase]:
    for _ in range(10):
        name = rnd.choice(WORDS)
        for address in (
            f"{name}.{rnd.choice(WORDS)}@contoso.test",
            f"{name}+ops@mail.{name}.example",
            f"{name}_{rnd.choice(WORDS)}@contoso.onmicrosoft.test",
        ):
            yield _case("email", address, "User '{value}' does not exist in the tenant.")
            yield _case("email", address, "DETAIL:  Key (email)=({value}) already exists.")
        basic = base64.b64encode(f"{name}:{password(rnd)}".encode()).decode()
        yield _case("basic", basic, "Authorization: Basic {value}")
        yield _case("basic", basic, "headers: {{'Authorization': 'Basic {value}'}}")
        key = pem(rnd)
        body = key.split("\n")[1]
        yield SecretCase("pem", body, f"cannot load key:\n{key}\nexpected PKCS#8")
        yield SecretCase("pem", body, f"cannot load {key!r}: expected PKCS#8")
        yield SecretCase("pem", body, json.dumps({"type": "service", "private_key": key}))
        yield SecretCase("pem", body, key[: len(key) // 2])
        token = VENDOR_KEYS["github"](rnd)
        half = rnd.randrange(8, 32)
        wrapped = f"ValueError: bad token ('{token[:half]}'\n            '{token[half:]}')"
        yield SecretCase("wrapped", token, wrapped)
        token = jwt(rnd)
        half = rnd.randrange(8, len(token) - 8)
        yield SecretCase("wrapped", token, f"got (b'{token[:half]}'\n b'{token[half:]}')")
        word = password(rnd)
        yield SecretCase("wrapped", word, f"{{'detail': 'password: '\n           '{word}'}}")


def _case(kind: str, value: str, place: str) -> SecretCase:
    return SecretCase(kind, value, place.format(value=value))


def left_over(case: SecretCase, shown: str) -> str | None:
    """Return a piece of the secret that can still be read: all of a short one, 8 of a long one.

    Line breaks within literals count as nothing, as they do for a reader.
    """
    size = min(len(case.secret), 8)
    flat = shown.replace("\\n", "").replace("'\n            '", "").replace("'\n b'", "")
    pieces = (case.secret[at : at + size] for at in range(len(case.secret) - size + 1))
    return next((piece for piece in pieces if piece in flat), None)
