"""Values that follow the name of a secret, and short codes after theirs."""

from domain.redaction.patterns.table import read_table

_PIECES = {
    "IS": r"(?::|[ \t]{1,4}+(?i:is|was|are|equals|ist|lautet|est|es|(?:(?:is|was) )?(?:re)?set to"
    r"|(?:is |was )?changed to)(?:[ ]?:)?)",
    "OWNED_BY": "(?i:for|of|für|von|de|du|pour|para|van|voor)",
    # The tags and blocks of YAML, and how jsonschema shows a value that it refuses.
    "INDENTED": r"(?:!{1,2}[\w:/.-]{1,40}+[ ]|[|>][+-]?\n[ ]{1,8}+"
    r"""|(?<=\]:)\n[ ]{1,8}+(?=["']))""",
    # All that can stand between a name and its value; group `eq` says that it is an equals sign.
    "ASSIGNED": r"(?:{QUOTE}?(?:\]|[\w, ]{0,64}+\)(?==\()|[ ]\([a-z ]{1,20}+\)(?=:))?{BLANKS}"
    r"(?:(?P<eq>:=|={1,2}+>?|{ESCAPE}3[Dd]|:[ ]?(?:str|bytes|SecretStr)(?: \| None)?[ ]?=)"
    r"|-{1,2}>|:(?::(?=[ ])|(?![:=]))|{ESCAPE}3[Aa]){BLANKS}{INDENTED}?"
    r"|{QUOTE}{IS}[ \t]{1,4}+(?={QUOTE})"
    r"|(?:[ \t]{OWNED_BY}(?:[ \t][^\s:=]{1,64}){1,4}?(?:{IS}|[ \t\u00a0\u202f][=:])"
    r"|(?:[ \t](?:provided|supplied|given|value|temporaire|temporal))?{IS})[ \t]{1,4}+)",
    "OPENED": "{ASSIGNED}(?:[bBrRuUfF@]{0,2}(?P<q>{QUOTE}))?",
    "QUOTED_PROSE": "{STATE}[.!]?(?P=q)|{COMPLAINT}|{NO_VALUE}",
    # The name of a variable or a call, in the place of a token.
    "CODE_NAME": r"(?:[A-Za-z_]{0,40}_(?i:token|key|auth|credentials?)"
    r"|[A-Z][A-Za-z]{1,40}(?:Token|Key|Auth))(?![\w+/=.-])"
    r"""|[A-Za-z_]{1,40}(?:\.[A-Za-z_]{1,40}){0,6}(?:\((?!["'])|\[)""",
    # Where a name starts, also after an escaped question mark, ampersand or equals sign.
    "START": "(?:(?<![A-Za-z])|(?<=[23][DF]))",
    # What is between the name of a code and its digits.
    "CODE_IS": "(?:{QUOTE}?{BLANKS}(?:=|:|{ESCAPE}3[DdAa]){BLANKS}{QUOTE}?"
    "|[ ](?i:is|ist|lautet|est|es)(?:[ ]?:)?[ ]{QUOTE}?)",
}

_TABLE = r"""
connection-string | ; | Here a password may hold blanks; the user before it is hidden too
  after   ;[ ]?(?:[pP](?i:assword|wd)
          |[uU](?i:id|ser(?: id)?)(?=[ ]?=[^\n]{1,256}?;[ ]?[pP](?i:assword|wd)[ ]?=))[ ]?=[ ]?
  hide    (?!["'{])[^;\n"'=]{1,128}+(?=;)
  example Server=db;User Id=⟦sa⟧;Password=⟦a b⟧;Encrypt=True
password | pass pwd masterauth kennwort contrase wachtwoord senha pw psk mdp | Prose, JSON, DSNs, …
  after   (?P<key>{PASSWORD_KEY}){OPENED}
  hide    (?(q)(?!{QUOTED_PROSE}){QUOTED}|(?!{NO_VALUE}|{CODE})
          (?(eq)(?!{STATE}{END})|(?!{PROSE_WORD}|{TITLE})){BARE})
  example {"password": "⟦x⟧", "port": 5432}
  example password is ⟦hunter2⟧, bob
secret | secret sess credential connection | As above, in the same places
  after   (?<![\d*]:)(?P<key>{SECRET_KEY}){OPENED}
  hide    (?(q)(?!{QUOTED_PROSE}){QUOTED}|(?!{NO_VALUE}|{CODE})
          (?(eq)(?!{STATE}{END})|(?!{PROSE_WORD}|{TITLE})){BARE})
  example a=b&client_secret=⟦c⟧&d=e
token | token auth key jwt | As above, for values that programs generate
  after   (?<!nexpected )(?P<key>{TOKEN_KEY}){OPENED}
  hide    (?(q)(?!{QUOTED_PROSE}){QUOTED}|(?!{NO_VALUE}|{CODE}|{CODE_NAME})
          (?(eq)(?!{STATE}{END})|(?!{PROSE_WORD}|{SENTENCE})){BARE})
  example access_token=⟦abc1⟧, retry=3
password | passw passphrase passcode requirepass passe pwd masterauth kennwort contrase
           wachtwoord senha identified secret | SQL, and French or German quotes in prose
  after   (?:{PASSWORD_WORD}|[cC](?i:lient[ _]?secret)|(?P<by>IDENTIFIED (?:WITH \S{1,40} )?BY))
          [ \t]{1,4}+(?P<q>{QUOTE})?
  hide    (?(q){QUOTED}|(?(by)(?!PASSWORD|{NO_VALUE})|(?=[«„“])){BARE})
  example ALTER ROLE bob PASSWORD '⟦x⟧'
  example CREATE USER bob IDENTIFIED BY ⟦x⟧
secret | passw passphrase passcode requirepass passe pwd masterauth kennwort contrase
         wachtwoord senha secret sess credential connection token key auth jwt | Prose seldom mixes
         letters and digits in a word
  after   {ANY_WORD}[ \t]{1,4}+["'(\[<]?
  hide    (?=[^\s\d]*+\d)(?=[^\sa-zA-Z]*+[A-Za-z])(?![\da-fA-F]{8}-[\da-fA-F]{4}-|\w{1,20}://
          |[vV]\d|[\w:.-]{1,40}+=["']|(?i:scram|sha|md5|rfc|http|pbkdf|o?auth|base)){BARE}(?<=\S{6})
  example log in with password ⟦s3cret99⟧
secret | pin puk | The codes of cards and devices: short, so digits only unless the name is clear
  after   (?:{START}[pP](?i:in|uk)|(?<=[a-z])P(?:in|IN))(?:(?P<code>[ _-]?[cC](?i:ode)))?{CODE_IS}
  hide    (?:\d{4,12}+|(?(code)(?=[A-Za-z]{0,12}+\d)[\w!@#$+-]{4,20}+|(?!)))(?!\w|\.\d)
  example SIM PIN: ⟦4711⟧
secret | sid | Sessions; security identifiers and the short names of Oracle's databases stay
  after   {START}[sS](?i:id){CODE_IS}
  hide    (?![sS]-1-|[A-Z]{2}[0-9a-f]{32}|[\da-fA-F]{8}-[\da-fA-F]{4}-)
          (?=[^\s\d]{0,64}+\d)(?=[^\sA-Za-z]{0,64}+[A-Za-z])[\w.~+/%-]{13,}+
  example connect.sid=⟦abcdefghijklm7⟧
"""

PATTERNS = read_table(_TABLE, _PIECES)
