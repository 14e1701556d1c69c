"""How texts give a value to a name such as `password`, as regex parts.

What stays readable is decided right behind the name, by short looks ahead: prose ("the
token is expired"), code in a traceback ("password=settings.password"), and words that
stand for nothing. All else is a value, and a secret.
"""

from itertools import groupby

# These characters stand for markers while patterns are applied (`domain.redaction.sanitizer`).
MARKERS = "\ufdd0-\ufdef"


def _any_case(*words: str) -> str:
    # A pattern that opens with a plain character class is searched some five times faster
    # than one that is case-insensitive from its first letter on.
    heads = {
        head: "|".join(word[1:] for word in group)
        for head, group in groupby(sorted(words, key=lambda word: word[0]), lambda word: word[0])
    }
    tails = "|".join(f"(?<=[{head}{head.upper()}])(?i:{tails})" for head, tails in heads.items())
    return f"[{''.join(heads)}{''.join(heads).upper()}](?:{tails})"


_PASSWORDS = (
    r"password(?:[_-]?(?:hash|value|text|confirm(?:ation)?)|\d{1,4})?",
    *("passwd", "passphrase", "passcode", "pwd", "requirepass", "masterauth"),
    # German, French, Spanish (also escaped, or read in a wrong encoding), Dutch, Portuguese.
    *("passwort", "kennwort", "mot[ _-]?de[ _-]?passe", "wachtwoord"),
    *(r"contrase(?:\w{1,2}|n\u0303|\\{1,7}u00f1|%C3%B1|&ntilde;)a", "s(?<![A-Za-z].)enha"),
)
# One of these is in every name above.
NAME_NEEDLES = "pass pwd masterauth kennwort contrase wachtwoord senha"
# Too short to be sought within longer names, but for the names that they often end.
_OWNERS = "admin db ftp ldap mail my pg redis root smtp sql user"
_SHORT_PASSWORDS = "p(?:(?<![A-Za-z].)(?:ass|w|sk)|(?:{})ass)".format(
    "|".join(f"(?<={owner}.)" for owner in _OWNERS.split())
)
_SECRETS = (
    r"secret(?:[_-]?(?:access[_-]?)?key)?(?:[_-]?(?:text|value|string|base)|_id)?",
    *(r"sess(?:ion)?[_-]?id", "credentials?", r"connection[_-]?string"),
)
# Sought from a rare letter on, since the first ones are too common to be quick.
_KEYS = """api access account private signing master subscription function functions storage
    encryption shared shared.access sharedaccess"""
_TOKENS = (
    # Tokens that lead to the next page are none.
    *(
        "k(?<=to.)(?<!skipto.)(?<!deltato.)en",
        "j(?<![A-Za-z].)wt",
        "u(?<=a.)thorization",
        "u(?<![A-Za-z]..)(?<=a.)th",
    ),
    "k(?:{})ey".format("|".join(f"(?<={use}.)|(?<={use}[_. -].)" for use in _KEYS.split())),
)
PASSWORD_KEY = _any_case(*_PASSWORDS, _SHORT_PASSWORDS, "m(?<![A-Za-z].)dp")
SECRET_KEY = _any_case(*_SECRETS)
TOKEN_KEY = _any_case(*_TOKENS)
PASSWORD_WORD = _any_case(*_PASSWORDS)
ANY_WORD = _any_case(*_PASSWORDS, *_SECRETS, *_TOKENS)
ANY_NEEDLES = f"{NAME_NEEDLES} secret sess credential connection token key auth jwt"
# The same names where a pattern meets them from behind, at the end of a longer name.
_LAST_WORDS = """password passwd passphrase pwd secret token authorization cookie secretkey
    secret_key apikey api_key api-key accesskey access_key access-key account_key private_key"""
IN_KEY = "(?:{})".format("|".join(f"(?<=(?i:{word}))" for word in _LAST_WORDS.split()))

# The sign of an escaped character in an address, also in an address within addresses.
ESCAPE = "%(?:25){0,4}"
QUOTE = rf"(?:\\{{0,7}}[\"'`]|\\{{1,7}}u002[27]|{ESCAPE}22|&quot;)"
# French has a blank that does not break before a colon.
BLANKS = "[ \t\u00a0\u202f]{0,8}+"
_IS = (
    r"(?::|[ \t]{1,4}+(?i:is|was|are|equals|ist|lautet|est|es|(?:(?:is|was) )?(?:re)?set to"
    r"|(?:is |was )?changed to)(?:[ ]?:)?)"
)
_OWNED_BY = "(?i:for|of|für|von|de|du|pour|para|van|voor)"
# YAML's tags and blocks, and how jsonschema shows what it refused.
_INDENTED = r"(?:!{1,2}[\w:/.-]{1,40}+[ ]|[|>][+-]?\n[ ]{1,8}+|(?<=\]:)\n[ ]{1,8}+(?=[\"']))"
_ASSIGNED = (
    rf"(?:{QUOTE}?(?:\]|[\w, ]{{0,64}}+\)(?==\()|[ ]\([a-z ]{{1,20}}+\)(?=:))?{BLANKS}"
    rf"(?:(?P<eq>:=|={{1,2}}+>?|{ESCAPE}3[Dd]|:[ ]?(?:str|bytes|SecretStr)(?: \| None)?[ ]?=)"
    rf"|-{{1,2}}>|:(?::(?=[ ])|(?![:=]))|{ESCAPE}3[Aa]){BLANKS}{_INDENTED}?"
    rf"|{QUOTE}{_IS}[ \t]{{1,4}}+(?={QUOTE})"
    rf"|(?:[ \t]{_OWNED_BY}(?:[ \t][^\s:=]{{1,64}}){{1,4}}?(?:{_IS}|[ \t\u00a0\u202f][=:])"
    rf"|(?:[ \t](?:provided|supplied|given|value|temporaire|temporal))?{_IS})[ \t]{{1,4}}+)"
)

# What follows `password:` or `token is` in an error message far more often than a secret does.
_PROSE = """a about access already always an and are as at auth authentication authorization bad be
    been being blank but by can cannot case challenge connection could credentials? denied did
    does either empty ensure error extra fail(?:ed|ure)? field file flow for format found from
    given had has header hidden http https in incorrect input into invalid is it kept length
    lifetime longer made malformed managed may meant minimum missing must never no nor not now
    null of off ok old on only open optional or our out per permission please policy previous
    read realm request required? response returned same scheme scope sent server set shorter
    should still string stored such than that the their this timed timeout to token tokens too
    type unable unauthorized unavailable undefined unexpected unknown unset unsupported until
    used using valid value was weak when which while will with without wrong your
    abgelaufen erforderlich falsch fehlerhaft fehlt gesperrt kann leer muss nicht unbekannt
    ungültig vergessen vorhanden wurde zu zurückgesetzt absent doit erroné expiré inconnu
    invalide manquant obligatoire oublié requis trop vide ausente caducada debe demasiado errónea
    expirada ha incorrecta inválida obligatoria olvidada requerida vacía fout leeg moet niet
    ongeldig onjuist te vereist vergeten verkeerd verlopen verplicht incorreta obrigatória
    correct débil faible geldig gültig juist non obligatorio requerido richtig schwach sicher
    stark sterk strong válida válido valide zwak"""
_END = r"(?=[.,;:!?)\]}>\"'`]{0,4}(?:[\s&\\\"'{<]|$))"
STATE = r"(?i:required|missing|invalid|expired|empty|revoked|incorrect|wrong|unset)"
PROSE_WORD = rf"(?:{_any_case(*_PROSE.split())}|(?i:[a-z]{{2,20}}(?:ed|able|ible))|\d{{1,3}}){_END}"
_ALGORITHM = rf"(?i:aes|rsa|sha|hmac|[ehpr]s)-?\d{{3,4}}(?:-[A-Z]{{3}})?{_END}"
TITLE = r"[A-Z][a-z]{1,20}[ ][a-z]{2,20}\b|[A-Z][A-Za-z]{2,40}(?:Error|Exception|Timeout)\b"
# Nobody's token is two plain words; a password may be.
SENTENCE = (
    rf"[a-z]{{1,20}}[ ][a-z]{{2,20}}\b|HTTP\b|[A-Z][a-z]+[A-Z][A-Za-z]*\)|{_ALGORITHM}|{TITLE}"
)

_HIDDEN = r"(?i:redacted|filtered|hidden|masked|secure|removed|omitted)"
NO_VALUE = (
    rf"(?i:none|null|nil|true|false|undefined|{_HIDDEN}|\.{{3}}|…|\*{{3,}}|%[srd]|\$\d){_END}"
    rf"|[\[<({{]{_HIDDEN}\b|SecretStr\(['\"](?:\*+)?['\"]"
    r"|\$\{\w|\$[A-Z_]{3}|%\(\w|<[A-Za-z_. -]{1,60}>|<[\w.]{1,80}[ ]|\[Errno|[(\[{\\]{1,3}(?:\s|$)"
    rf"|(?:\[\]|\(\)|\{{\}}){_END}|[|>][+-]?\n[ ]{{1,8}}[{MARKERS}]"
    rf"|[{MARKERS}]++(?:[\s\"'`,;&)\]}}>\\.]|$)|[A-Za-z][\w-]{{1,40}}[ ]{{1,4}}[{MARKERS}]"
)
_OBJECTS = "self|cls|settings|config|options|args|env|os|request|credentials?|ctx"
_CODE = (
    r"(?:raise|return)[ ]"
    r"|(?:await|not|lambda|yield|str|bytes|int|bool|Any|Optional|SecretStr|String|ID)(?![\w+/=-])"
    rf"|(?:{_OBJECTS})(?:\.[A-Za-z_]{{1,40}})+(?:\((?![\"'])|[,)\s\[]|$)"
    r"|(?:[A-Za-z_]{1,40}\.){0,6}_?(?:get|pop|getenv|environ|read|load)[A-Za-z_]{0,40}[(\[]"
    r"|[a-z]{1,40}(?:[_.][a-z]{1,40}){1,6}\((?![\"'])|(?:list|dict|tuple|set|type)\["
    r"|[A-Za-z_.]{1,60} \| None"
    r"|[a-z_]{3,40}\((?=[A-Za-z_.]{1,60}[,)\[(])|(?P=key)[,)]"
    r"|\{(?:[A-Za-z_]{1,40}\.)?[A-Za-z_]{0,40}(?i:password|pwd|secret|token|key)\}"
)
CODE_NAME = (
    r"(?:[A-Za-z_]{0,40}_(?i:token|key|auth|credentials?)|[A-Z][A-Za-z]{1,40}(?:Token|Key|Auth))"
    r"(?![\w+/=.-])|[A-Za-z_]{1,40}(?:\.[A-Za-z_]{1,40}){0,6}(?:\((?![\"'])|\[)"
)

_COMPLAINT = (
    r"(?i:this field|field required|must|should|cannot|may not|is not|ensure this"
    r"|(?:string|input) should|value error)[ ,]"
)
_STOP = r"[,;&](?:\s|$|\\?[\"']|[\w.% -]{1,40}=)|[)\]}>\"'`]{1,8}(?:[\s,;:.&\\]|$)|\\{1,7}[\"']"
_WORDS = rf"(?:[^\s,;&()\[\]{{}}<>\"'`\\]++|(?!{_STOP})\S)"
_FLAT = r"[^\[\](){}\n]"
_INNER = rf"[\[({{](?:{_FLAT}|[\[({{]{_FLAT}{{0,256}}+[\])}}]?){{0,512}}+[\])}}]?"
# Up to where it is closed, if it is: no value in it may be left without the key that tells of it.
LISTED = rf"[\[({{](?:{_FLAT}|{_INNER}){{1,512}}+"
BARE = (
    rf"(?!{QUOTE}|\[[\"']{_COMPLAINT})"
    rf"(?:{LISTED}{_WORDS}*+|[«»„“][^«»„“”\n]{{1,128}}+[«»“”]?|{_WORDS}++)"
)
QUOTED = r"(?:[^\\\"'`%&\n]++|(?P=q){2}|(?!(?<!\\)(?P=q))[^\n])++"
_QUOTED_PROSE = rf"{STATE}[.!]?(?P=q)|{_COMPLAINT}|{NO_VALUE}"


def assigned(key: str, prose: str, code: str = "(?!)") -> str:
    """Match a value and the `keep` before it: the key, what assigns, and an opening quote.

    `prose` stays readable in a sentence, `code` everywhere.
    """
    return (
        rf"(?P<keep>(?P<key>{key}){_ASSIGNED}(?:[bBrRuUfF@]{{0,2}}(?P<q>{QUOTE}))?)"
        rf"(?(q)(?!{_QUOTED_PROSE}){QUOTED}"
        rf"|(?!{NO_VALUE}|{_CODE}|{code})(?(eq)(?!{STATE}{_END})|(?!{PROSE_WORD}|{prose})){BARE})"
    )
