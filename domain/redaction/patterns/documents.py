"""Secrets in the output of databases, validators and XML, where the name stands elsewhere."""

from domain.redaction.fields import ANY_WORD, IN_KEY, LISTED, MARKERS, QUOTE, QUOTED, STATE
from domain.redaction.patterns.pattern import SecretPattern

# A tag's ends, also escaped within another document.
_LT, _GT = "(?:<|&lt;)", "(?:(?<!/)>|(?<!/)&gt;)"
_ATTRIBUTES = r"(?:\s(?:[^<>&]|&(?!gt;)){0,512}+)?"
_OPENED = r"(?:(?P<cdata><!\[CDATA\[)|\s{0,64}+)"
# Up to the end of the element, which a text that was cut off does not have. What is inside
# an inner element has a name of its own.
_CONTENT = (
    rf"(?![{MARKERS}]|{STATE}{_LT}/)(?(cdata)(?:[^\]]|\](?!\]>))++"
    rf"|(?:(?!\s)(?:[^<&]|&(?!lt;))++(?={_LT}/)|[^<&\s]{{4,}}+(?=\Z)))"
)
_SECRET_NAME = (
    rf"(?:{IN_KEY}|(?<=(?i:passcode))|(?<=(?i:productkey))|(?<=(?i:keymaterial))"
    r"|(?<=(?i:sharedkey))|(?<=(?i:challenge))|(?<=[<:;\"./]PIN)|(?<=Pin))"
)
_SETTINGS = "property|string|setting|param|parameter|entry|field|value|var|data|item"

ELEMENTS = (
    SecretPattern(
        "secret",
        "< &lt;",
        rf"(?P<keep>{_LT}(?:[\w-]{{1,40}}+:)?[\w.-]{{1,60}}+{_SECRET_NAME}{_ATTRIBUTES}{_GT}"
        rf"(?:\s{{0,64}}+{_LT}(?i:value|key){_GT})?{_OPENED}){_CONTENT}",
        "XML and SOAP: elements with prefixes, attributes, CDATA and an inner value",
    ),
    SecretPattern(
        "secret",
        "</",
        rf"(?P<keep><(?:{_SETTINGS})[ ](?:[^<>]{{0,256}}?[ ])?(?:name|key)=[\"'][\w.:-]{{1,60}}+"
        rf"{_SECRET_NAME}[\"']{_ATTRIBUTES}{_GT}{_OPENED}){_CONTENT}",
        "settings whose name is an attribute",
    ),
    SecretPattern(
        "secret",
        "<key>",
        rf"(?P<keep><key>[\w.-]{{1,60}}+{_SECRET_NAME}</key>\s{{0,64}}+<(?:string|data)>{_OPENED}){_CONTENT}",
        "property lists: the name is an element of its own",
    ),
)

PATTERNS = (
    SecretPattern(
        "secret",
        "values",
        rf"(?P<keep>\([^()\n]{{0,256}}?{ANY_WORD}[\"`\]]?(?:,[^()\n]{{0,256}})?\)"
        r"\s{1,8}(?i:values)\s{0,8}\()(?=[^)'\n]{0,256}')[^\n]++",
        "SQL's INSERT: which value belongs to which column is not for a regex",
    ),
    SecretPattern(
        "secret",
        "input_value=",
        rf"(?P<keep>{ANY_WORD}\n[ ]{{2}}[^\n]{{1,256}}?input_value=b?(?P<q>[\"'])){QUOTED}",
        "pydantic: the field is on a line of its own",
    ),
    SecretPattern(
        "secret",
        "validating",
        rf"(?P<keep>(?:^|(?<=Error: ))b?(?P<q>[\"'])){QUOTED}"
        rf"(?=(?P=q)[^\n]{{1,128}}\n\nFailed validating [^\n]{{1,256}}?{ANY_WORD}'\])",
        "jsonschema: the field is named two lines below",
    ),
    SecretPattern(
        "secret",
        "\", ',",
        rf"(?P<keep>[(\[]b?[\"'][\w.-]{{1,60}}+{IN_KEY}[\"'],[ ]?b?(?P<q>[\"'])){QUOTED}"
        r"(?=(?P=q)[)\]])",
        "headers and form fields as a list of pairs",
    ),
    SecretPattern(
        "secret",
        "value",
        rf"(?P<keep>[nNkK](?i:ame|ey){QUOTE}?[ ]?[:=][ ]?{QUOTE}[\w.:-]{{1,60}}+{IN_KEY}{QUOTE}"
        rf",?[ ]?{QUOTE}?(?i:value){QUOTE}?[ ]?[:=][ ]?(?P<q>{QUOTE})){QUOTED}",
        "lists of settings: name and value are two fields",
    ),
    SecretPattern(
        "secret",
        "passwords secrets tokens cookies",
        rf"(?P<keep>[pstcPSTC](?i:asswords|ecrets|okens|ookies){QUOTE}?[ ]?[:=][ ]?)"
        rf"(?=[\[{{(]{{1,3}}[ ]?{QUOTE}){LISTED}",
        "lists and mappings of them",
    ),
    SecretPattern(
        "password",
        "auth",
        r"(?P<keep>AUTH(?:[ ]|[\"'],[ ][\"'])(?:\w{1,40}(?:[ ]|[\"'],[ ][\"']))?)"
        r"(?=[^\s\"'\d]*+\d)[^\s\"']{4,}",
        "the Redis command, as text or as its arguments",
    ),
    SecretPattern(
        "row",
        "failing parameters: [generated [cached [no [raw [dialect args=",
        r"(?P<keep>Failing row contains |\[parameters: |[pP]arameters: (?=\$\d)"
        r"|; args=(?=\(['\"\d])|\[(?:generated in|cached since|no key|raw sql|dialect)"
        r"[^\]\n]{0,128}\][ ](?=[\[({][^\])}]))[^\n]++",
        "the copy of what was to be stored that databases and ORMs print: a raw payload",
    ),
)
