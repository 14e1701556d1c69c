"""The forms in which secrets appear in texts, as a table: the data behind `sanitize`.

Every regex runs in linear time: repetitions are bounded, possessive, or end at a
character that cannot repeat. The group `keep` stays readable before the marker. Keys with a
form of their own come first; the fields that follow swallow what is left of their values.
"""

import re
from typing import NamedTuple

from domain.secret_fields import (
    ANY_WORD,
    BARE,
    BLANKS,
    CODE_NAME,
    IN_KEY,
    LISTED,
    MARKERS,
    NO_VALUE,
    PASSWORD_KEY,
    PASSWORD_WORD,
    PROSE_WORD,
    QUOTE,
    QUOTED,
    SECRET_KEY,
    SENTENCE,
    TITLE,
    TOKEN_KEY,
    assigned,
)


class SecretPattern(NamedTuple):
    """One form of secret: how to find it, what to put in its place, and why it is listed.

    Every match contains one of the `needles` when lower-cased: looking for them first
    saves most regexes on most texts.
    """

    name: str
    needles: tuple[str, ...]
    regex: re.Pattern[str]
    replacement: str
    reason: str


_KEPT = r"\g<keep>"
_OPTION = r"\b[^\n]{0,200}?[ \"']-"
# What is between two arguments of a command, also in a list.
_NEXT = r"(?:[\"'],[ ]?[\"']|[ ]{1,4}+[\"']?)"

_TABLE: tuple[tuple[str, str, str, str, str], ...] = (
    (
        "private-key",
        "-----begin",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[^-]*+(?:-(?!----)[^-]*+)*+-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"|(?:(?:\s|\\+[nr]|['\"])*+[A-Za-z0-9+/=]{8,}+)*+)",
        "[redacted:private-key]",
        "PEM blocks, over lines or with escaped line ends, and cut off ones",
    ),
    (
        "password-hash",
        "$2 $argon2 $1$ $5$ $6$ $y$ scram-",
        r"\$(?:2[abxy]\$\d\d\$[./A-Za-z0-9]{20,60}|argon2(?:id|i|d)\$[^\s\"']+"
        r"|[156y]\$[^\s\"']{20,})|SCRAM-SHA-256\$[^\s\"']+",
        "[redacted:password-hash]",
        "a hash can be tried against word lists, and its dots hide it from the entropy rule",
    ),
    (
        "jwt",
        "eyj",
        r"eyJ[\w-]{8,}+(?:\.[\w-]*+){0,4}",
        "[redacted:jwt]",
        "base64url of an opening brace and quote: signed, encrypted and cut off tokens",
    ),
    (
        "aws-key",
        "akia asia agpa aida aroa anpa anva abia acca",
        r"A(?:KIA|SIA|GPA|IDA|ROA|NPA|NVA|BIA|CCA)[A-Z0-9]{16}",
        "[redacted:aws-key]",
        "access key ids; the secret half is found by its name or its entropy",
    ),
    (
        "gcp-key",
        "aiza ya29. gocspx- 1//0",
        r"AIza[\w-]{30,}|ya29\.[\w.-]{10,}|GOCSPX-[\w-]{20,}|1//0[\w-]{20,}",
        "[redacted:gcp-key]",
        "Google API keys, access tokens, OAuth client secrets and refresh tokens",
    ),
    (
        "azure-secret",
        "q~",
        r"Q~(?<=[\w~.-]{3}\dQ~)[\w~.-]{30,40}",
        "[redacted:azure-secret]",
        "Entra client secrets, but for the first letters, which its portal shows as a hint",
    ),
    (
        "github-token",
        "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
        r"gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{20,}",
        "[redacted:github-token]",
        "personal, OAuth, user, server and refresh tokens",
    ),
    (
        "gitlab-token",
        "gl",
        r"gl(?:pat|ptt|dt|rt|cbt|ft|imt|agent|oas|soat|ffct)-[\w.-]{16,}",
        "[redacted:gitlab-token]",
        "all token kinds share a prefix of this form",
    ),
    (
        "slack-token",
        "xox xapp-",
        r"xox[a-z](?:\.xox[a-z])?-[\w-]{10,}|xapp-[\w-]{10,}",
        "[redacted:slack-token]",
        "bot, user, app and refresh tokens",
    ),
    (
        "stripe-key",
        "k_live k_test k_org whsec_",
        r"[rs]k_(?:live|test|org)_\w{10,}|whsec_[\w+/=-]{16,}",
        "[redacted:stripe-key]",
        "secret and restricted keys, webhook secrets",
    ),
    (
        "package-token",
        "npm_ pypi- rubygems_ dckr_",
        r"npm_[A-Za-z0-9]{20,}|pypi-[\w-]{32,}|rubygems_[0-9a-f]{32,}|dckr_[a-z]+_[\w-]{16,}",
        "[redacted:package-token]",
        "they publish code in the owner's name",
    ),
    (
        "ai-key",
        "sk- hf_ gsk_",
        r"sk-(?<![A-Za-z0-9].{3})[\w-]{20,}|hf_[A-Za-z0-9]{20,}|gsk_[A-Za-z0-9]{20,}",
        "[redacted:ai-key]",
        "keys of OpenAI, its likes, and model hubs",
    ),
    (
        "service-token",
        "sg. hvb. hvs. hvr. doo_v1 dop_v1 dor_v1 dapi shp age-secret-key",
        r"SG\.[\w-]{10,}\.[\w-]{10,}|hv[bsr]\.[\w-]{20,}|do[opr]_v1_[0-9a-f]{32,}"
        r"|dapi[0-9a-f]{32}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{20,}|AGE-SECRET-KEY-1[0-9A-Z]{40,}",
        "[redacted:service-token]",
        "documented prefixes of other services whose keys the entropy rule may miss",
    ),
    (
        "webhook",
        "hooks.slack webhook.office webhooks/",
        r"(?P<keep>hooks\.slack\.com/(?:services|workflows|triggers)/|webhook\.office\.com/"
        r"|discord(?:app)?\.com/api/webhooks/)[\w@/-]{10,}",
        rf"{_KEPT}[redacted:webhook]",
        "whoever knows the address may post",
    ),
    (
        "url-credentials",
        "://",
        r"(?P<keep>://)(?:[^\s/?#@:\[\"'<>]{0,64}+:(?!\d{1,5}+(?:[/?#,;\"']|\s|$))"
        r"(?:(?!://)[^\s\"'<>]){1,128}@|[^\s/?#;\"'<>]*@)",
        rf"{_KEPT}[redacted:url-credentials]@",
        "user:password@ of every scheme, also with unescaped signs in the password",
    ),
    (
        "url-credentials",
        "jdbc:oracle",
        r"(?P<keep>jdbc:oracle:\w{1,8}:)[^\s@\"']{1,128}@",
        rf"{_KEPT}[redacted:url-credentials]@",
        "Oracle's form, user/password@",
    ),
    (
        "url-credentials",
        "@",
        rf"(?<![\w.+-])[\w.+-]{{1,64}}+:[^\s/\"'<>{MARKERS}]{{1,128}}"
        r"@(?=(?:tcp|udp|unix)\(|[\w.-]{1,64}+:\d{2,5}+\b)",
        "[redacted:url-credentials]@",
        "user:password@host:port without a scheme, and the DSNs of Go",
    ),
    (
        "authorization",
        "digest hawk oauth aws4",
        r"(?P<keep>(?:Digest|Hawk|OAuth|AWS4-HMAC-SHA256)[ \t]{1,4})(?=\w{1,40}=)[^\n]++",
        rf"{_KEPT}[redacted:authorization]",
        "schemes with many fields: the signature may be any of them",
    ),
    (
        "bearer-token",
        "bearer",
        rf"(?P<keep>[bB](?i:earer(?: token)?):?(?:[ \t]|%20){{1,4}}+[\"']?)"
        rf"(?!{SENTENCE}|{PROSE_WORD}|realm=|error=|(?![{MARKERS}])(?:{NO_VALUE})){BARE}",
        rf"{_KEPT}[redacted:bearer-token]",
        "opaque tokens too, whatever their length",
    ),
    (
        "basic-credentials",
        "basic",
        r"(?P<keep>[bB](?i:asic)(?:[ \t]|%20){1,4}+)(?:[\w+/-]{6,}+={1,2}(?!\w)"
        r"|(?=[\w+/-]*?(?:\d|[a-z][A-Z]))"
        r"(?:[A-Za-f][A-HQ-Xg-nw-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][\w+/-]){2}[\w+/-]*+={0,2})",
        rf"{_KEPT}[redacted:basic-credentials]",
        "base64 of user:password, seldom long enough for the entropy rule; of ASCII, if unpadded",
    ),
    (
        "authorization",
        "authorization",
        rf"(?P<keep>[aA](?i:uthorization)[ \t]{{0,4}}:[ \t]{{0,4}}"
        r"(?:(?i:basic|negotiate|ntlm|token|apikey|sharedkey)[ \t]{1,4}+"
        rf"|(?!{PROSE_WORD})[A-Za-z][\w-]{{1,40}}[ \t]{{1,4}}+(?=[^\s\"']*[^\s\"'a-z.,;:])))"
        rf"(?!{PROSE_WORD}|[{MARKERS}])[^\s\"']++",
        rf"{_KEPT}[redacted:authorization]",
        "a header whose scheme is worth reading and whose rest is not",
    ),
    (
        "cookie",
        "cookie",
        r"(?P<keep>[cC](?i:ookie)[ \t]{0,4}:[ \t]{0,4})(?=[^\s=\"']{1,64}=)"
        r"(?:[^\n\"']++|(?<==)\"[^\n\"]*+\"?)++",
        rf"{_KEPT}[redacted:cookie]",
        "a raw Cookie or Set-Cookie header: any pair may be the session",
    ),
    (
        "cookie",
        "cookie",
        rf"(?P<keep>[cC](?i:ookies?){QUOTE}{BLANKS}:{BLANKS}b?(?P<q>{QUOTE})){QUOTED}",
        rf"{_KEPT}[redacted:cookie]",
        "the same header in a mapping or a pair",
    ),
    (
        "signature",
        "sig",
        r"(?P<keep>[sS]ig(?<![A-Za-z].{3})(?:nature)?(?:=|%3[Dd]))[^\s&\"'<>,;]{8,}+",
        rf"{_KEPT}[redacted:signature]",
        "SAS and signed addresses: the signature is what grants access",
    ),
    (
        "code",
        "code= key=",
        r"(?P<keep>[?&](?:code=|key=(?=[^\s&a-z]*+[a-z])(?=[^\s&A-Z]*+[A-Z])"
        r"(?=[\w-]{0,64}?[A-Za-z\d]{12})))(?=[^\s&\"'<>\d]*+\d)[^\s&\"'<>]{12,}+",
        rf"{_KEPT}[redacted:code]",
        "an authorization code, or a function's key",
    ),
    (
        "connection-string",
        ";",
        r"(?P<keep>;[ ]?(?:[pP](?i:assword|wd)|[uU](?i:id|ser(?: id)?)"
        r"(?=[ ]?=[^\n]{1,256}?;[ ]?[pP](?i:assword|wd)[ ]?=))[ ]?=[ ]?)(?![\"'{])"
        r"[^;\n\"'=]{1,128}+(?=;)",
        rf"{_KEPT}[redacted:connection-string]",
        "between semicolons a password may hold blanks; a user before it goes with it",
    ),
    (
        "password",
        "pass pwd pw psk masterauth",
        assigned(PASSWORD_KEY, TITLE),
        rf"{_KEPT}[redacted:password]",
        "prose, JSON (escaped too), headers, query strings, DSNs, keyword arguments",
    ),
    (
        "secret",
        "secret sess credential connection",
        rf"(?<![\d*]:){assigned(SECRET_KEY, TITLE)}",
        rf"{_KEPT}[redacted:secret]",
        "the same places",
    ),
    (
        "token",
        "token auth key jwt",
        rf"(?<!nexpected to){assigned(TOKEN_KEY, SENTENCE, CODE_NAME)}",
        rf"{_KEPT}[redacted:token]",
        "the same places, for values that machines make",
    ),
    (
        "password",
        "pass pwd masterauth identified secret",
        rf"(?P<keep>(?:{PASSWORD_WORD}|[cC](?i:lient[ _]?secret)"
        r"|(?P<by>IDENTIFIED (?:WITH \S{1,40} )?BY))"
        rf"[ \t]{{1,4}}+(?P<q>{QUOTE})?)(?(q){QUOTED}|(?(by)(?!PASSWORD|{NO_VALUE}){BARE}|(?!)))",
        rf"{_KEPT}[redacted:password]",
        "SQL: ALTER ROLE … PASSWORD 'x', IDENTIFIED BY x; and in prose",
    ),
    (
        "secret",
        "pass pwd masterauth secret sess credential connection token key auth jwt",
        rf"(?P<keep>{ANY_WORD}[ \t]{{1,4}}+[\"'(\[<]?)"
        r"(?=[^\s\d]*+\d)(?=[^\sa-zA-Z]*+[A-Za-z])(?![\da-fA-F]{8}-[\da-fA-F]{4}-|\w{1,20}://"
        rf"|[vV]\d|(?i:scram|sha|md5|rfc|http|pbkdf|o?auth|base)){BARE}(?<=\S{{6}})",
        rf"{_KEPT}[redacted:secret]",
        "`with password s3cret99`: hardly a word of prose mixes letters and digits",
    ),
    (
        "secret",
        "--",
        rf"(?P<keep>--(?<!---)(?=[A-Za-z])[\w-]{{1,60}}+(?:{IN_KEY}|(?<=[a-z]-key)|(?<=-pass))"
        rf"(?:[\"'],[ ]?[\"']|[ \t]{{1,4}}+[\"']?))(?![-|<]|{PROSE_WORD})[^\s\"',]++",
        rf"{_KEPT}[redacted:secret]",
        "command lines, plain or as a list",
    ),
    (
        "password",
        "curl sshpass docker redis-cli mysql mariadb",
        rf"(?P<keep>[cdmrs](?:(?<=c)url{_OPTION}(?:[uU]|-(?:proxy-)?user)(?:{_NEXT}|=)?"
        rf"[^\s:\"']{{1,64}}:|(?:(?<=s)shpass|(?<=d)ocker\W{{1,4}}login){_OPTION}p{_NEXT}"
        rf"|(?<=r)edis-cli{_OPTION}a{_NEXT}"
        rf"|(?<=m)(?:ysql|ariadb)(?:-?(?:dump|admin|import|show|check))?{_OPTION}p(?=\w)))"
        rf"(?![{MARKERS}])[^\s\"']++",
        rf"{_KEPT}[redacted:password]",
        "options of one letter, of commands that take passwords by them",
    ),
    (
        "password",
        "auth(",
        rf"(?P<keep>Auth\([^,()\n]{{1,80}},[ ]{{0,4}}b?(?P<q>{QUOTE})){QUOTED}",
        rf"{_KEPT}[redacted:password]",
        "HTTPBasicAuth('user', 'x') and its likes",
    ),
    (
        "secret",
        "values",
        rf"(?P<keep>\([^()\n]{{0,256}}?{ANY_WORD}[\"`\]]?(?:,[^()\n]{{0,256}})?\)"
        r"\s{1,8}(?i:values)\s{0,8}\()(?=[^)'\n]{0,256}')[^\n]++",
        rf"{_KEPT}[redacted:secret]",
        "SQL's INSERT: which value belongs to which column is not for a regex",
    ),
    (
        "secret",
        "input_value=",
        rf"(?P<keep>{ANY_WORD}\n[ ]{{2}}[^\n]{{1,256}}?input_value=b?(?P<q>[\"'])){QUOTED}",
        rf"{_KEPT}[redacted:secret]",
        "pydantic: the field is on a line of its own",
    ),
    (
        "secret",
        "validating",
        rf"(?P<keep>(?:^|(?<=Error: ))b?(?P<q>[\"'])){QUOTED}"
        rf"(?=(?P=q)[^\n]{{1,128}}\n\nFailed validating [^\n]{{1,256}}?{ANY_WORD}'\])",
        rf"{_KEPT}[redacted:secret]",
        "jsonschema: the field is named two lines below",
    ),
    (
        "secret",
        "\", ',",
        rf"(?P<keep>[(\[]b?[\"'][\w.-]{{1,60}}+{IN_KEY}[\"'],[ ]?b?(?P<q>[\"'])){QUOTED}"
        r"(?=(?P=q)[)\]])",
        rf"{_KEPT}[redacted:secret]",
        "headers and form fields as a list of pairs",
    ),
    (
        "secret",
        "</",
        rf"(?P<keep><(?:\w{{1,40}}+:)?\w{{1,60}}+{IN_KEY}>)[^<\n]++(?=</)",
        rf"{_KEPT}[redacted:secret]",
        "XML and SOAP bodies",
    ),
    (
        "secret",
        "value",
        rf"(?P<keep>[nNkK](?i:ame|ey){QUOTE}?[ ]?[:=][ ]?{QUOTE}[\w.:-]{{1,60}}+{IN_KEY}{QUOTE}"
        rf",?[ ]?{QUOTE}?(?i:value){QUOTE}?[ ]?[:=][ ]?(?P<q>{QUOTE})){QUOTED}",
        rf"{_KEPT}[redacted:secret]",
        "lists of settings: name and value are two fields",
    ),
    (
        "secret",
        "passwords secrets tokens cookies",
        rf"(?P<keep>[pstcPSTC](?i:asswords|ecrets|okens|ookies){QUOTE}?[ ]?[:=][ ]?)"
        rf"(?=[\[{{(]{{1,3}}[ ]?{QUOTE}){LISTED}",
        rf"{_KEPT}[redacted:secret]",
        "lists and mappings of them",
    ),
    (
        "password",
        "auth",
        r"(?P<keep>AUTH(?:[ ]|[\"'],[ ][\"'])(?:\w{1,40}(?:[ ]|[\"'],[ ][\"']))?)"
        r"(?=[^\s\"'\d]*+\d)[^\s\"']{4,}",
        rf"{_KEPT}[redacted:password]",
        "the Redis command, as text or as its arguments",
    ),
    (
        "row",
        "failing [parameters:",
        r"(?P<keep>Failing row contains |\[parameters: )[^\n]++",
        rf"{_KEPT}[redacted:row]",
        "the database's and SQLAlchemy's copy of what was to be stored: a raw payload",
    ),
    (
        "email",
        "@ %40",
        r"(?<![\w.+-])(?!git@)[\w.+-]++(?:@|%40)(?!odata\.|\dx\.)(?:[\w-]++\.)+(?:xn--[\w-]+|[^\W\d_]{2,}+)",
        "[redacted:email]",
        "personal data; OData annotations and pictures of double size only look like it",
    ),
)

SECRET_PATTERNS = tuple(
    SecretPattern(name, tuple(needles.split()), re.compile(regex), replacement, reason)
    for name, needles, regex, replacement, reason in _TABLE
)
