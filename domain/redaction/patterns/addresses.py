"""Secrets in addresses and headers, and e-mail addresses."""

from domain.redaction.fields import (
    BARE,
    BLANKS,
    ESCAPE,
    MARKERS,
    NO_VALUE,
    PROSE_WORD,
    QUOTE,
    QUOTED,
    SENTENCE,
)
from domain.redaction.patterns.pattern import SecretPattern

PATTERNS = (
    SecretPattern(
        "webhook",
        "hooks.slack webhook.office webhooks/",
        r"(?P<keep>hooks\.slack\.com/(?:services|workflows|triggers)/|webhook\.office\.com/"
        r"|discord(?:app)?\.com/api/webhooks/)[\w@/-]{10,}",
        "whoever knows the address may post",
    ),
    SecretPattern(
        "url-credentials",
        "://",
        r"(?P<keep>://)(?:[^\s/?#@:\[\"'<>]{0,64}+:(?!\d{1,5}+(?:[/?#,;\"']|\s|$))"
        r"(?:(?!://)[^\s\"'<>]){1,128}|[^\s/?#;\"'<>]*)(?=@)",
        "user:password@ of every scheme, also with unescaped signs in the password",
    ),
    SecretPattern(
        "url-credentials",
        "3a%2",
        rf"(?P<keep>{ESCAPE}3[Aa](?:{ESCAPE}2[Ff]){{2}}[^\s\"'<>&%]{{0,64}}+{ESCAPE}3[Aa])"
        rf"(?!\d{{1,5}}+(?:[&%]|\s|$)|[{MARKERS}])(?:(?!{ESCAPE}2[Ff])[^\s\"'<>&/]){{1,128}}"
        rf"(?={ESCAPE}40)",
        "the same in an address that is a parameter of another",
    ),
    SecretPattern(
        "url-credentials",
        "jdbc:oracle",
        r"(?P<keep>jdbc:oracle:\w{1,8}:)[^\s@\"']{1,128}(?=@)",
        "Oracle's form, user/password@",
    ),
    SecretPattern(
        "url-credentials",
        "@",
        rf"(?<![\w.+-])(?!jdbc:)(?<!jdbc:)[\w.+-]{{1,64}}+:[^\s/\"'<>{MARKERS}]{{1,128}}"
        r"(?=@(?:(?:tcp|udp|unix)\(|[\w.-]{1,64}+:\d{2,5}+\b))",
        "user:password@host:port without a scheme, and the DSNs of Go",
    ),
    SecretPattern(
        "authorization",
        "digest hawk oauth aws4",
        r"(?P<keep>(?:Digest|Hawk|OAuth|AWS4-HMAC-SHA256)[ \t]{1,4})(?=\w{1,40}=)[^\n]++",
        "schemes with many fields: the signature may be any of them",
    ),
    SecretPattern(
        "bearer-token",
        "bearer",
        rf"(?P<keep>[bB](?i:earer(?: token)?):?(?:[ \t]|{ESCAPE}20){{1,4}}+[\"']?)"
        rf"(?!{SENTENCE}|{PROSE_WORD}|realm=|error=|(?![{MARKERS}])(?:{NO_VALUE})){BARE}",
        "opaque tokens too, whatever their length",
    ),
    SecretPattern(
        "basic-credentials",
        "basic",
        r"(?P<keep>[bB](?i:asic)(?:[ \t]|%20){1,4}+)(?:[\w+/-]{6,}+={1,2}(?!\w)"
        r"|(?=[\w+/-]*?(?:\d|[a-z][A-Z]))"
        r"(?:[A-Za-f][A-HQ-Xg-nw-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][\w+/-]){2}[\w+/-]*+={0,2})",
        "base64 of user:password, seldom long enough for the entropy rule; of ASCII, if unpadded",
    ),
    SecretPattern(
        "authorization",
        "authorization",
        rf"(?P<keep>[aA](?i:uthorization)[ \t]{{0,4}}:[ \t]{{0,4}}"
        r"(?:(?i:basic|negotiate|ntlm|token|apikey|sharedkey)[ \t]{1,4}+"
        rf"|(?!{PROSE_WORD})[A-Za-z][\w-]{{1,40}}[ \t]{{1,4}}+(?=[^\s\"']*[^\s\"'a-z.,;:])))"
        rf"(?!{PROSE_WORD}|[{MARKERS}])[^\s\"']++",
        "a header whose scheme is worth reading and whose rest is not",
    ),
    SecretPattern(
        "cookie",
        "cookie",
        r"(?P<keep>[cC](?i:ookie)[ \t]{0,4}:[ \t]{0,4})(?=[^\s=\"']{1,64}=)"
        r"(?:[^\n\"']++|(?<==)\"[^\n\"]*+\"?)++",
        "a raw Cookie or Set-Cookie header: any pair may be the session",
    ),
    SecretPattern(
        "cookie",
        "cookie",
        rf"(?P<keep>[cC](?i:ookies?){QUOTE}{BLANKS}:{BLANKS}b?(?P<q>{QUOTE})){QUOTED}",
        "the same header in a mapping or a pair",
    ),
    SecretPattern(
        "signature",
        "sig",
        r"(?P<keep>[sS]ig(?<![A-Za-z].{3})(?:nature)?(?:=|%3[Dd]))[^\s&\"'<>,;]{8,}+",
        "SAS and signed addresses: the signature is what grants access",
    ),
    SecretPattern(
        "code",
        "code= key=",
        r"(?P<keep>[?&](?:code=|key=(?=[^\s&a-z]*+[a-z])(?=[^\s&A-Z]*+[A-Z])"
        r"(?=[\w-]{0,64}?[A-Za-z\d]{12})))(?=[^\s&\"'<>\d]*+\d)[^\s&\"'<>]{12,}+",
        "an authorization code, or a function's key",
    ),
)

EMAILS = (
    SecretPattern(
        "email",
        "@ %40",
        r"(?<![\w.+-])(?!git@)[\w.+-]++(?:@|%40)(?!odata\.|\dx\.)"
        r"(?:[\w-]++\.)+(?:xn--[\w-]+|[^\W\d_]{2,}+)",
        "personal data; OData annotations and pictures of double size only look like it",
    ),
)
