"""Secrets in addresses and headers, and e-mail addresses."""

from domain.redaction.patterns.table import read_table

_TABLE = r"""
webhook | hooks.slack webhook.office webhooks/ | Anyone who knows the address can post
  after   hooks\.slack\.com/(?:services|workflows|triggers)/|webhook\.office\.com/
          |discord(?:app)?\.com/api/webhooks/
  hide    [\w@/-]{10,}
  example https://hooks.slack.com/services/⟦T0/B0/xxxxxx⟧
url-credentials | @ | Any scheme; the password may contain unescaped signs
  after   ://
  hide    (?:[^\s/?#@:\["'<>]{0,64}+:(?!\d{1,5}+(?:[/?#,;"']|\s|$))(?:(?!://)[^\s"'<>]){1,128}
          |[^\s/?#;"'<>]*)(?=@)
  example postgresql://⟦opsrun:p@ss/word⟧@db:5432/opsrun
url-credentials | 3a%2 | The same in an address that is a parameter of another
  after   {ESCAPE}3[Aa](?:{ESCAPE}2[Ff]){2}[^\s"'<>&%]{0,64}+{ESCAPE}3[Aa]
  hide    (?!\d{1,5}+(?:[&%]|\s|$)|[{MARKERS}])(?:(?!{ESCAPE}2[Ff])[^\s"'<>&/]){1,128}(?={ESCAPE}40)
  example u=https%3A%2F%2Fbob%3A⟦hunter2⟧%40db
url-credentials | jdbc:oracle | user/password@
  after   jdbc:oracle:\w{1,8}:
  hide    [^\s@"']{1,128}(?=@)
  example jdbc:oracle:thin:⟦ops/hunter2⟧@db:1521/orcl
url-credentials | @ | user:password@host:port without a scheme, and the DSNs of Go
  hide    (?<![\w.+-])(?!jdbc:)(?<!jdbc:)[\w.+-]{1,64}+:[^\s/"'<>{MARKERS}]{1,128}
          (?=@(?:(?:tcp|udp|unix)\(|[\w.-]{1,64}+:\d{2,5}+\b))
  example ⟦root:hunter2⟧@tcp(db:3306)/x
authorization | digest hawk oauth aws4 | Schemes with many fields: the signature can be any of them
  after   (?:Digest|Hawk|OAuth|AWS4-HMAC-SHA256)[ \t]{1,4}
  hide    (?=\w{1,40}=)[^\n]++
  example Digest ⟦user="ops", response="abc"⟧
bearer-token | bearer | Opaque tokens too, of any length
  after   [bB](?i:earer(?: token)?):?(?:[ \t]|{ESCAPE}20){1,4}+["']?
  hide    (?!{SENTENCE}|{PROSE_WORD}|realm=|error=|(?![{MARKERS}])(?:{NO_VALUE})){BARE}
  example 403 to Bearer ⟦abc⟧
basic-credentials | basic | base64 of user:password; of ASCII, if it has no padding
  after   [bB](?i:asic)(?:[ \t]|%20){1,4}+
  hide    (?:[\w+/-]{6,}+={1,2}(?!\w)|(?=[\w+/-]*?(?:\d|[a-z][A-Z]))
          (?:[A-Za-f][A-HQ-Xg-nw-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][\w+/-]){2}
          [\w+/-]*+={0,2})
  example Basic ⟦Ym9iOmh1bnRlcjI=⟧
  example Basic ⟦Ym9iOmh1bnRl⟧
authorization | authorization | The scheme stays readable
  after   [aA](?i:uthorization)[ \t]{0,4}:[ \t]{0,4}
          (?:(?i:basic|negotiate|ntlm|token|apikey|sharedkey)[ \t]{1,4}+
          |(?!{PROSE_WORD})[A-Za-z][\w-]{1,40}[ \t]{1,4}+(?=[^\s"']*[^\s"'a-z.,;:]))
  hide    (?!{PROSE_WORD}|[{MARKERS}])[^\s"']++
  example Authorization: ApiKey ⟦abc⟧
cookie | cookie | A raw Cookie or Set-Cookie header: any pair may be the session
  after   [cC](?i:ookie)[ \t]{0,4}:[ \t]{0,4}
  hide    (?=[^\s="']{1,64}=)(?:[^\n"']++|(?<==)"[^\n"]*+"?)++
  example Cookie: ⟦a=b; c=d⟧⏎Host: api
cookie | cookie | The same header in a mapping or a pair
  after   [cC](?i:ookies?){QUOTE}{BLANKS}:{BLANKS}b?(?P<q>{QUOTE})
  hide    {QUOTED}
  example {'cookie': '⟦theme=dark⟧'}
signature | sig= sig%3d signature= signature%3d | It grants access to a signed address
  after   [sS]ig(?<![A-Za-z].{3})(?:nature)?(?:=|%3[Dd])
  hide    [^\s&"'<>,;]{8,}+
  example ?sig=⟦abcdef%3D⟧&se=2026
code | code= key= | An authorization code, or the key of a function
  after   [?&](?:code=|key=(?=[^\s&a-z]*+[a-z])(?=[^\s&A-Z]*+[A-Z])(?=[\w-]{0,64}?[A-Za-z\d]{12}))
  hide    (?=[^\s&"'<>\d]*+\d)[^\s&"'<>]{12,}+
  example /callback?code=⟦abcdefghijk7⟧&state=7
"""

_EMAILS = r"""
email | @ %40 | Personal data; OData annotations and pictures of double size only look like it
  hide    (?<![\w.+-])(?!git@)[\w.+-]++(?:@|%40)(?!odata\.|\dx\.)
          (?:[\w-]++\.)+(?:xn--[\w-]+|[^\W\d_]{2,}+)
  example for ⟦bob@contoso.test⟧.
"""

PATTERNS, EMAILS = read_table(_TABLE), read_table(_EMAILS)
