"""Values that follow the name of a secret, and short codes after theirs."""

from domain.redaction.fields import (
    ANY_NEEDLES,
    ANY_WORD,
    BARE,
    BLANKS,
    CODE_NAME,
    ESCAPE,
    NAME_NEEDLES,
    NO_VALUE,
    PASSWORD_KEY,
    PASSWORD_WORD,
    QUOTE,
    QUOTED,
    SECRET_KEY,
    SENTENCE,
    TITLE,
    TOKEN_KEY,
    assigned,
)
from domain.redaction.patterns.pattern import SecretPattern

# Where a name starts, also after an escaped question mark, ampersand or equals sign.
_START = "(?:(?<![A-Za-z])|(?<=[23][DF]))"
# What is between the name of a code and its digits.
_CODE_IS = (
    rf"(?:{QUOTE}?{BLANKS}(?:=|:|{ESCAPE}3[DdAa]){BLANKS}{QUOTE}?"
    rf"|[ ](?i:is|ist|lautet|est|es)(?:[ ]?:)?[ ]{QUOTE}?)"
)

PATTERNS = (
    SecretPattern(
        "connection-string",
        ";",
        r"(?P<keep>;[ ]?(?:[pP](?i:assword|wd)|[uU](?i:id|ser(?: id)?)"
        r"(?=[ ]?=[^\n]{1,256}?;[ ]?[pP](?i:assword|wd)[ ]?=))[ ]?=[ ]?)(?![\"'{])"
        r"[^;\n\"'=]{1,128}+(?=;)",
        "between semicolons a password may hold blanks; a user before it goes with it",
    ),
    SecretPattern(
        "password",
        f"{NAME_NEEDLES} pw psk mdp",
        assigned(PASSWORD_KEY, TITLE),
        "prose, JSON (escaped too), headers, query strings, DSNs, keyword arguments",
    ),
    SecretPattern(
        "secret",
        "secret sess credential connection",
        rf"(?<![\d*]:){assigned(SECRET_KEY, TITLE)}",
        "the same places",
    ),
    SecretPattern(
        "token",
        "token auth key jwt",
        rf"(?<!nexpected to){assigned(TOKEN_KEY, SENTENCE, CODE_NAME)}",
        "the same places, for values that machines make",
    ),
    SecretPattern(
        "password",
        f"{NAME_NEEDLES} identified secret",
        rf"(?P<keep>(?:{PASSWORD_WORD}|[cC](?i:lient[ _]?secret)"
        r"|(?P<by>IDENTIFIED (?:WITH \S{1,40} )?BY))"
        rf"[ \t]{{1,4}}+(?P<q>{QUOTE})?)"
        rf"(?(q){QUOTED}|(?(by)(?!PASSWORD|{NO_VALUE})|(?=[«„“])){BARE})",
        "SQL: ALTER ROLE … PASSWORD 'x', IDENTIFIED BY x; and in prose",
    ),
    SecretPattern(
        "secret",
        ANY_NEEDLES,
        rf"(?P<keep>{ANY_WORD}[ \t]{{1,4}}+[\"'(\[<]?)"
        r"(?=[^\s\d]*+\d)(?=[^\sa-zA-Z]*+[A-Za-z])(?![\da-fA-F]{8}-[\da-fA-F]{4}-|\w{1,20}://"
        rf"|[vV]\d|[\w:.-]{{1,40}}+=[\"']|(?i:scram|sha|md5|rfc|http|pbkdf|o?auth|base)){BARE}(?<=\S{{6}})",
        "`with password s3cret99`: hardly a word of prose mixes letters and digits",
    ),
    SecretPattern(
        "secret",
        "pin puk",
        rf"(?P<keep>(?:{_START}[pP](?i:in|uk)|(?<=[a-z])P(?:in|IN))"
        rf"(?:(?P<code>[ _-]?[cC](?i:ode)))?{_CODE_IS})"
        r"(?:\d{4,12}+|(?(code)(?=[A-Za-z]{0,12}+\d)[\w!@#$+-]{4,20}+|(?!)))(?!\w|\.\d)",
        "the codes of cards and devices: short, so digits only unless the name is clear",
    ),
    SecretPattern(
        "secret",
        "sid",
        rf"(?P<keep>{_START}[sS](?i:id){_CODE_IS})"
        r"(?![sS]-1-|[A-Z]{2}[0-9a-f]{32}|[\da-fA-F]{8}-[\da-fA-F]{4}-)"
        r"(?=[^\s\d]{0,64}+\d)(?=[^\sA-Za-z]{0,64}+[A-Za-z])[\w.~+/%-]{13,}+",
        "sessions; security identifiers and the short names of Oracle's databases stay",
    ),
)
