"""Secrets in command lines, as text or as the list that `subprocess` prints, and in calls.

A row of `_OPTIONS` says which command takes a secret by which option; that of another
command may mean something else, such as a port.
"""

from domain.redaction.fields import IN_KEY, MARKERS, PROSE_WORD, QUOTE, QUOTED
from domain.redaction.patterns.pattern import SecretPattern

# Between two arguments, also in a list and with a quote that opens.
_NEXT = r"(?:[\"'],[ ]?[\"']|[ ]{1,4}+[\"']?)"
_OPTION = r"\b[^\n]{0,200}?[ \"']"
# What stands for a secret, or another option, is readable.
_VALUE = (
    rf"(?![{MARKERS}]|-[\w-]|\$[A-Z_({{]|<[\w. -]{{1,40}}>|{PROSE_WORD})"
    r"(?:(?<=[\"'])[^\"'\n]{1,256}+(?=[\"'])|[^\s\"']++)"
)
_USER = r"[^\s:,%\"']{1,64}"
_WINDOWS = "[-/]"

# Words to look for first, the command, and its option up to the secret.
_OPTIONS = (
    ("ldap", "ldap[a-z]{3,8}", rf"-[a-zA-Z]{{0,4}}w{_NEXT}?"),
    ("ldappasswd", "ldappasswd", rf"-[as]{_NEXT}"),
    ("keytool", "keytool", rf"-new{_NEXT}"),
    ("openssl", "openssl", rf"-[kK]{_NEXT}"),
    ("curl", "curl", rf"-(?:[a-zA-Z]{{0,4}}[uU]|-(?:proxy-)?user)(?:{_NEXT}|=)?{_USER}:"),
    ("-a", r"https?(?= -a)", rf"-a{_NEXT}{_USER}:"),
    ("sshpass 7z", "(?:sshpass|7z[ar]?)", rf"-p(?!assword){_NEXT}?"),
    ("login", r"(?:docker|podman|nerdctl|az|helm)\b[^\n]{1,20}?login", rf"-p{_NEXT}"),
    (
        "rabbitmqadmin mongo cqlsh rdesktop smbmap psexec",
        r"(?:rabbitmqadmin|mongo[a-z]{0,8}|cqlsh|rdesktop|smbmap|psexec(?:64)?(?:\.exe)?)",
        rf"-p{_NEXT}",
    ),
    (
        "schtasks winrs freerdp psexec wmic cmdkey",
        r"(?:schtasks|winrs|[xw]l?freerdp3?|psexec|wmic|cmdkey)(?:\.exe)?",
        rf"{_WINDOWS}(?:[pP]|[pP]ass(?:word)?)(?::[\"']?|{_NEXT})",
    ),
    (
        "mosquitto_ sqlcmd bcp zip ipmitool",
        r"(?:mosquitto_[a-z]{2,3}|sqlcmd|bcp|(?:un)?zip(?:cloak)?|ipmitool)",
        rf"-P{_NEXT}",
    ),
    ("snmp", "snmp[a-z]{3,9}", rf"-[AXc]{_NEXT}"),
    ("redis-cli valkey-cli", "(?:redis|valkey)-cli", rf"-a{_NEXT}"),
    (
        "mysql mariadb",
        "(?:mysql|mariadb)(?:-?(?:dump|admin|import|show|check))?",
        r"-p(?=\w)",
    ),
    (
        "smb rpcclient winexe wbinfo net",
        r"(?:smb[a-z]{3,8}|rpcclient|winexe|wbinfo|net[ ](?:rpc|ads))",
        rf"(?:-[Ua]{_NEXT}?|--user(?:{_NEXT}|=)){_USER}%",
    ),
    ("lftp", "lftp", rf"-u{_NEXT}{_USER},"),
)
_RABBIT = (
    rf"rabbitmqctl\b[^\n]{{0,200}}?[ \"'](?:change_password|add_user|authenticate_user){_NEXT}"
)
_HTPASSWD = rf"htpasswd{_NEXT}-(?:(?=[a-zA-Z]*n)|(?P<file>))[a-zA-Z]*b[a-zA-Z]*{_NEXT}"
_NET = rf"(?i:net1?(?:\.exe)?){_NEXT}"
_ORACLE = "sqlplus impdp expdp sqlldr rman"
_READERS = (
    r"(?:sudo[ ]-[a-zA-Z]*S|\S{2,20}[ ](?:registry[ ])?login\b[^\n]{0,200}?--password-stdin|kinit\b"
    r"|chpasswd|cryptsetup|gpg\b[^\n]{0,200}?--passphrase-fd|passwd\b[^\n]{0,64}?--stdin)"
)

PATTERNS = (
    *(
        SecretPattern(
            "password",
            words,
            rf"(?P<keep>(?<![\w.-]){command}{_OPTION}{option}){_VALUE}",
            "the option of a command that takes a secret",
        )
        for words, command, option in _OPTIONS
    ),
    SecretPattern(
        "secret",
        "--",
        rf"(?P<keep>--(?<!---)(?=[A-Za-z])[\w-]{{1,60}}+(?:{IN_KEY}|(?<=[a-z]-key)|(?<=-pass))"
        rf"(?:[\"'],[ ]?[\"']|[ \t]{{1,4}}+[\"']?))(?![-|<]|{PROSE_WORD})[^\s\"',]++",
        "command lines, plain or as a list",
    ),
    SecretPattern(
        "password",
        "pass",
        r"(?P<keep>(?<![\w-])-(?:(?:src|dest)?(?:store|key)|[a-z]{1,20}[_-])?"
        rf"pass(?:w(?:or)?d)?{_NEXT}|[ \"']-?-?(?:ks-|key-)?pass(?:in|out)?{_NEXT}pass:){_VALUE}",
        "options of one dash and of several letters, and those of Java and OpenSSL",
    ),
    SecretPattern(
        "password",
        "rabbitmqctl htpasswd",
        rf"(?P<keep>(?:{_RABBIT}|{_HTPASSWD}(?(file)[^\s\"']{{1,128}}{_NEXT}))"
        rf"[^\s\"']{{1,64}}{_NEXT}){_VALUE}",
        "a password that is an argument of its own, after the user",
    ),
    SecretPattern(
        "password",
        "net",
        rf"(?P<keep>(?<![\w.-]){_NET}(?i:user){_NEXT}(?:/[a-zA-Z]{{2,10}}{_NEXT})?[^\s\"'/]{{1,64}}{_NEXT})(?![/*]){_VALUE}"
        r"(?=[\"']?(?:[ ]{0,4}(?:$|[/&|;)\n]|returned|failed|exit)|,))",
        "Windows accounts: a word after the user, then an option or the end",
    ),
    SecretPattern(
        "password",
        "net",
        rf"(?P<keep>(?<![\w.-]){_NET}(?i:use){_NEXT}(?:[^\n]{{0,200}}?(?i:/user:)[^\s\"']{{1,64}}{_NEXT}"
        rf"|(?:[A-Za-z*]:?{_NEXT})?\\\\[^\s\"']{{1,128}}{_NEXT}"
        rf"(?=[^\s\"']{{1,128}}[\"']?{_NEXT}(?i:/user:))))(?![/*]){_VALUE}",
        "Windows shares: the password after the user, or before",
    ),
    SecretPattern(
        "password",
        "echo",
        rf"(?P<keep>\becho[ ]{{1,4}}[\"']?(?:\w{{1,64}}:)?)(?![{MARKERS}]|\$)[^\s|\"']{{1,256}}+"
        rf"(?=[\"']?[ ]{{0,4}}\|[ ]{{0,4}}{_READERS})",
        "the input of a command that reads a password",
    ),
    SecretPattern(
        "password",
        "<<<",
        rf"(?P<keep>(?:passwd|login|kinit|sudo)\b[^\n]{{0,64}}?<<<[ ]{{0,4}}[\"']?){_VALUE}",
        "the same, as a string of the shell",
    ),
    SecretPattern(
        "password",
        _ORACLE,
        rf"(?P<keep>(?:{_ORACLE.replace(' ', '|')})\b[^\n]{{0,200}}?[ \"'][\w$#.]{{1,64}}/)"
        rf"(?![{MARKERS}])(?:[^\s\"'/]{{1,128}}(?=@)|[^\s\"'/@]{{1,128}}+(?=[\s\"']|$))",
        "Oracle's user/password@database",
    ),
    SecretPattern(
        "secret",
        "securestring",
        r"(?P<keep>ConvertTo-SecureString(?:[ ]{1,4}-(?:AsPlainText|Force|String)){0,3}"
        rf"[ ]{{1,4}}[\"']?)(?!-|\$)(?:(?<=[\"'])[^\"'\n{MARKERS}]{{1,256}}+|[^\s\"'){MARKERS}]++)",
        "PowerShell",
    ),
    SecretPattern(
        "password",
        "auth( credentials( credential( authprovider( passwordtoken(",
        r"(?P<keep>[acpACP](?i:uth|redentials?|asswordtoken|uthprovider)\([ ]{0,4}[^,()\n]{1,80},"
        rf"[ ]{{0,4}}b?(?P<q>{QUOTE})){QUOTED}",
        "HTTPBasicAuth('user', 'x'), PlainCredentials('user', 'x') and their likes",
    ),
    SecretPattern(
        "password",
        "machine login default",
        r"(?P<keep>\b(?:machine{0}[\w-]*[.:\d][\w.:-]{{0,253}}|default|(?:login|account){0}"
        r"(?!(?:with|without|using|and|or|by|via|the|your|a|my|no|for|page|form|screen|prompt|name)\b)[^\s\"',()]{{1,128}})"
        r"{0}passw(?:or)?d(?:\s{{1,8}}+|[\"'],[ ])[\"']?)(?![{1}]|{2})"
        r"(?:(?<=[\"'])[^\"'\n]{{1,256}}+|[^\s\"'()]++)".format(
            r"(?:\s{1,8}+|[\"'],[ ][\"'])", MARKERS, PROSE_WORD
        ),
        ".netrc, on one line or several",
    ),
)
