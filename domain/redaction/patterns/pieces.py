"""Pieces of regexes that several patterns share, by the name that a table inserts: `{QUOTE}`.

What stays readable is decided right after the name of a secret, by short looks ahead: prose
("the token is expired"), code in a traceback ("password=settings.password"), and words that
stand for an empty value. Everything else is a secret.
"""

import re
from collections.abc import Mapping
from itertools import groupby

# These characters stand for markers while patterns are applied (`domain.redaction.hiding`).
MARKERS = "\ufdd0-\ufdef"


def expand(source: str, pieces: Mapping[str, str]) -> str:
    """Replace each `{NAME}` by the piece of that name, and those within the piece."""
    return re.sub(r"\{([A-Z_]+)\}", lambda match: expand(pieces[match[1]], pieces), source)


def _any_case(*words: str) -> str:
    # Python searches a pattern that opens with a plain character class some five times faster
    # than one that ignores case from its first letter on.
    heads = {
        head: "|".join(word[1:] for word in group)
        for head, group in groupby(sorted(words, key=lambda word: word[0]), lambda word: word[0])
    }
    tails = "|".join(f"(?<=[{head}{head.upper()}])(?i:{tails})" for head, tails in heads.items())
    return f"[{''.join(heads)}{''.join(heads).upper()}](?:{tails})"


# Names of passwords, also in German, French, Spanish (escaped, or read in a wrong encoding, too),
# Dutch and Portuguese.
_PASSWORDS = (
    r"password(?:[_-]?(?:hash|value|text|confirm(?:ation)?)|\d{1,4})?",
    *("passwd", "passphrase", "passcode", "pwd", "requirepass", "masterauth"),
    *("passwort", "kennwort", "mot[ _-]?de[ _-]?passe", "wachtwoord"),
    *(r"contrase(?:\w{1,2}|n\u0303|\\{1,7}u00f1|%C3%B1|&ntilde;)a", "s(?<![A-Za-z].)enha"),
)
# Too short to be found within longer names, except where they end one of these.
_OWNERS = "admin db ftp ldap mail my pg redis root smtp sql user"
_SHORT_PASSWORDS = (
    *("p(?<![A-Za-z].)(?:ass|w|sk)", "m(?<![A-Za-z].)dp"),
    *(f"{owner}pass" for owner in _OWNERS.split()),
)
_SECRETS = (
    r"secret(?:[_-]?(?:access[_-]?)?key)?(?:[_-]?(?:text|value|string|base)|_id)?",
    *(r"sess(?:ion)?[_-]?id", "credentials?", r"connection[_-]?string"),
)
_KEYS = """api access account private signing master subscription functions? storage encryption
    shared"""
_TOKENS = (
    "t(?<!skip.)(?<!delta.)oken",  # except those that lead to the next page
    *("j(?<![A-Za-z].)wt", "authorization", "a(?<![A-Za-z].)uth"),
    *(f"{use}[_. -]?key" for use in _KEYS.split()),
)
# The same names for a pattern that looks back at the end of a longer name.
_LAST_WORDS = """password passwd passphrase pwd secret token authorization cookie secretkey
    secret_key apikey api_key api-key accesskey access_key access-key account_key private_key"""

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

PIECES = {
    "MARKERS": MARKERS,
    "PASSWORD_WORD": _any_case(*_PASSWORDS),
    "PASSWORD_KEY": _any_case(*_PASSWORDS, *_SHORT_PASSWORDS),
    "SECRET_KEY": _any_case(*_SECRETS),
    "TOKEN_KEY": _any_case(*_TOKENS),
    "ANY_WORD": _any_case(*_PASSWORDS, *_SECRETS, *_TOKENS),
    "IN_KEY": "(?:{})".format("|".join(f"(?<=(?i:{word}))" for word in _LAST_WORDS.split())),
    # The sign of an escaped character in an address, also in an address within addresses.
    "ESCAPE": "%(?:25){0,4}",
    "QUOTE": r"""(?:\\{0,7}["'`]|\\{1,7}u002[27]|{ESCAPE}22|&quot;)""",
    # French has a blank that does not break before a colon.
    "BLANKS": "[ \t\u00a0\u202f]{0,8}+",
    # The end of a word, with the signs that may follow it.
    "END": r"""(?=[.,;:!?)\]}>"'`]{0,4}(?:[\s&\\"'{<]|$))""",
    "STATE": "(?i:required|missing|invalid|expired|empty|revoked|incorrect|wrong|unset)",
    "PROSE": _any_case(*_PROSE.split()),
    "PROSE_WORD": r"(?:{PROSE}|(?i:[a-z]{2,20}(?:ed|able|ible))|\d{1,3}){END}",
    "ALGORITHM": r"(?i:aes|rsa|sha|hmac|[ehpr]s)-?\d{3,4}(?:-[A-Z]{3})?{END}",
    "TITLE": r"[A-Z][a-z]{1,20}[ ][a-z]{2,20}\b|[A-Z][A-Za-z]{2,40}(?:Error|Exception|Timeout)\b",
    # A token is never two plain words; a password may be.
    "SENTENCE": r"[a-z]{1,20}[ ][a-z]{2,20}\b|HTTP\b|[A-Z][a-z]+[A-Z][A-Za-z]*\)"
    "|{ALGORITHM}|{TITLE}",
    "HIDDEN": "(?i:redacted|filtered|hidden|masked|secure|removed|omitted)",
    # Null, placeholders of templates and of other tools, and markers.
    "NO_VALUE": r"(?i:none|null|nil|true|false|undefined|{HIDDEN}|\.{3}|…|\*{3,}|%[srd]|\$\d){END}"
    r"""|[\[<({]{HIDDEN}\b|SecretStr\(['"](?:\*+)?['"]"""
    r"|\$\{\w|\$[A-Z_]{3}|%\(\w|<[A-Za-z_. -]{1,60}>|<[\w.]{1,80}[ ]|\[Errno|[(\[{\\]{1,3}(?:\s|$)"
    r"|(?:\[\]|\(\)|\{\}){END}|[|>][+-]?\n[ ]{1,8}[{MARKERS}]"
    r"""|[{MARKERS}]++(?:[\s"'`,;&)\]}>\\.]|$)|[A-Za-z][\w-]{1,40}[ ]{1,4}[{MARKERS}]""",
    "OBJECTS": "self|cls|settings|config|options|args|env|os|request|credentials?|ctx",
    # Source code, as tracebacks show it.
    "CODE": r"(?:raise|return)[ ]"
    r"|(?:await|not|lambda|yield|str|bytes|int|bool|Any|Optional|SecretStr|String|ID)(?![\w+/=-])"
    r"""|(?:{OBJECTS})(?:\.[A-Za-z_]{1,40})+(?:\((?!["'])|[,)\s\[]|$)"""
    r"|(?:[A-Za-z_]{1,40}\.){0,6}_?(?:get|pop|getenv|environ|read|load)[A-Za-z_]{0,40}[(\[]"
    r"""|[a-z]{1,40}(?:[_.][a-z]{1,40}){1,6}\((?!["'])|(?:list|dict|tuple|set|type)\["""
    r"|[A-Za-z_.]{1,60} \| None|[a-z_]{3,40}\((?=[A-Za-z_.]{1,60}[,)\[(])|(?P=key)[,)]"
    r"|\{(?:[A-Za-z_]{1,40}\.)?[A-Za-z_]{0,40}(?i:password|pwd|secret|token|key)\}",
    # The complaint of a validator in the place of a value.
    "COMPLAINT": "(?i:this field|field required|must|should|cannot|may not|is not|ensure this"
    "|(?:string|input) should|value error)[ ,]",
    # A list or mapping up to where it is closed, if it is.
    "FLAT": r"[^\[\](){}\n]",
    "INNER": r"[\[({](?:{FLAT}|[\[({]{FLAT}{0,256}+[\])}]?){0,512}+[\])}]?",
    "LISTED": r"[\[({](?:{FLAT}|{INNER}){1,512}+",
    # A value without quotes ends where a field or the text around it goes on.
    "STOP": r"""[,;&](?:\s|$|\\?["']|[\w.% -]{1,40}=)"""
    r"""|[)\]}>"'`]{1,8}(?:[\s,;:.&\\]|$)|\\{1,7}["']""",
    "WORDS": r"""(?:[^\s,;&()\[\]{}<>"'`\\]++|(?!{STOP})\S)""",
    "BARE": r"""(?!{QUOTE}|\[["']{COMPLAINT})"""
    "(?:{LISTED}{WORDS}*+|[«»„“][^«»„“”\n]{1,128}+[«»“”]?|{WORDS}++)",
    # A value up to the quote that closes it; group `q` holds the one that opened it.
    "QUOTED": r"""(?:[^\\"'`%&\n]++|(?P=q){2}|(?!(?<!\\)(?P=q))[^\n])++""",
}
