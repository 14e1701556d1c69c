"""Secrets in the output of databases, validators and clients, where the name stands elsewhere."""

from domain.redaction.patterns.table import read_table

_TABLE = r"""
secret | values | SQL's INSERT: a regex cannot see which value belongs to which column
  after   \([^()\n]{0,256}?{ANY_WORD}["`\]]?(?:,[^()\n]{0,256})?\)\s{1,8}(?i:values)\s{0,8}\(
  hide    (?=[^)'\n]{0,256}')[^\n]++
  example INSERT INTO t (name, password) VALUES (⟦'bob', 'x')⟧
secret | input_value= | pydantic names the field on a line before the value
  after   {ANY_WORD}\n[ ]{2}[^\n]{1,256}?input_value=b?(?P<q>["'])
  hide    {QUOTED}
  example database_password⏎  too short [input_value='⟦x⟧', input_type=str]
secret | validating | jsonschema names the field two lines after the value
  after   (?:^|(?<=Error: ))b?(?P<q>["'])
  hide    {QUOTED}(?=(?P=q)[^\n]{1,128}\n\nFailed validating [^\n]{1,256}?{ANY_WORD}'\])
  example '⟦x⟧' is too short⏎⏎Failed validating 'minLength' in schema['password']:
secret | ", ', | Headers and form fields as a list of pairs
  after   [(\[]b?["'][\w.-]{1,60}+{IN_KEY}["'],[ ]?b?(?P<q>["'])
  hide    {QUOTED}(?=(?P=q)[)\]])
  example form('username', 'bob'), ('password', '⟦x⟧')
secret | value | Lists of settings: name and value are two fields
  after   [nNkK](?i:ame|ey){QUOTE}?[ ]?[:=][ ]?{QUOTE}[\w.:-]{1,60}+{IN_KEY}{QUOTE}
          ,?[ ]?{QUOTE}?(?i:value){QUOTE}?[ ]?[:=][ ]?(?P<q>{QUOTE})
  hide    {QUOTED}
  example [{"name": "API_TOKEN", "value": "⟦x⟧"}]
secret | passwords secrets tokens cookies | Lists and mappings of secrets
  after   (?i:passwords|secrets|tokens|cookies){QUOTE}?[ ]?[:=][ ]?
  hide    (?=[\[{(]{1,3}[ ]?{QUOTE}){LISTED}
  example {"tokens": ⟦["x"⟧], "count": 1}
password | auth | The Redis command, as text or as its arguments
  after   AUTH(?:[ ]|["'],[ ]["'])(?:\w{1,40}(?:[ ]|["'],[ ]["']))?
  hide    (?=[^\s"'\d]*+\d)[^\s"']{4,}
  example AUTH default ⟦hunter2⟧
row | failing parameters: [generated [cached [no [raw [dialect args= | A row of a database
  after   Failing row contains |\[parameters: |[pP]arameters: (?=\$\d)|; args=(?=\(['"\d])
          |\[(?:generated in|cached since|no key|raw sql|dialect)[^\]\n]{0,128}\][ ]
          (?=[\[({][^\])}])
  hide    [^\n]++
  example DETAIL: Failing row contains ⟦(1, bob, x).⟧
  example [cached since 3s ago] ⟦('bob', 'x')⟧
"""

PATTERNS = read_table(_TABLE)
