"""Secrets in elements of XML, also escaped within another document."""

from domain.redaction.patterns.table import read_table

_PIECES = {
    "LT": "(?:<|&lt;)",
    "GT": "(?:(?<!/)>|(?<!/)&gt;)",
    "ATTRIBUTES": r"(?:\s(?:[^<>&]|&(?!gt;)){0,512}+)?",
    "OPENED": r"(?:(?P<cdata><!\[CDATA\[)|\s{0,64}+)",
    # Up to the end of the element, which a text that was cut off does not have. The content of
    # an inner element has a different name.
    "CONTENT": r"(?![{MARKERS}]|{STATE}{LT}/)(?(cdata)(?:[^\]]|\](?!\]>))++"
    r"|(?:(?!\s)(?:[^<&]|&(?!lt;))++(?={LT}/)|[^<&\s]{4,}+(?=\Z)))",
    "SECRET_NAME": "(?:{IN_KEY}|(?<=(?i:passcode))|(?<=(?i:productkey))|(?<=(?i:keymaterial))"
    r"""|(?<=(?i:sharedkey))|(?<=(?i:challenge))|(?<=[<:;"./]PIN)|(?<=Pin))""",
    "SETTING": "(?:property|string|setting|param|parameter|entry|field|value|var|data|item)",
}

_TABLE = r"""
secret | < &lt; | Elements with prefixes, attributes, CDATA and an inner value
  after   {LT}(?:[\w-]{1,40}+:)?[\w.-]{1,60}+{SECRET_NAME}{ATTRIBUTES}{GT}
          (?:\s{0,64}+{LT}(?i:value|key){GT})?{OPENED}
  hide    {CONTENT}
  example <a:Password Type="x"><![CDATA[⟦h&<2⟧]]></a:Password>
  example &lt;Challenge&gt;⟦x⟧&lt;/Challenge&gt;
secret | name= key= | Settings whose name is an attribute
  after   <{SETTING}[ ](?:[^<>]{0,256}?[ ])?(?:name|key)=["'][\w.:-]{1,60}+{SECRET_NAME}["']
          {ATTRIBUTES}{GT}{OPENED}
  hide    {CONTENT}
  example <setting name="dbPassword">⟦x⟧</setting>
secret | <key> | Property lists: the name is an element before the value
  after   <key>[\w.-]{1,60}+{SECRET_NAME}</key>\s{0,64}+<(?:string|data)>{OPENED}
  hide    {CONTENT}
  example <key>Password</key><string>⟦x⟧</string>
"""

PATTERNS = read_table(_TABLE, _PIECES)
