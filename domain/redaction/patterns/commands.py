"""Secrets in command lines, as text or as the list that `subprocess` prints, and in calls."""

from domain.redaction.patterns.table import read_table

_PIECES = {
    # Between two arguments, also in a list and with a quote that opens.
    "NEXT": r"""(?:["'],[ ]?["']|[ ]{1,4}+["']?)""",
    # A placeholder, or another option, stays readable.
    "VALUE": r"(?![{MARKERS}]|-[\w-]|\$[A-Z_({]|<[\w. -]{1,40}>|{PROSE_WORD})"
    r"""(?:(?<=["'])[^"'\n]{1,256}+(?=["'])|[^\s"']++)""",
    "USER": r"""[^\s:,%"']{1,64}""",
    "WINDOWS_P": r"""[-/](?:[pP]|[pP]ass(?:word)?)(?::["']?|{NEXT})""",
    "SAMBA_USER": "(?:-[Ua]{NEXT}?|--user(?:{NEXT}|=)){USER}%",
    "NET": r"(?<![\w.-])(?i:net1?(?:\.exe)?){NEXT}",
    "RABBIT": r"""rabbitmqctl\b[^\n]{0,200}?[ "']"""
    "(?:change_password|add_user|authenticate_user){NEXT}",
    "HTPASSWD": "htpasswd{NEXT}-(?:(?=[a-zA-Z]*n)|(?P<file>))[a-zA-Z]*b[a-zA-Z]*{NEXT}",
    # Commands that read a password from their input.
    "READERS": r"(?:sudo[ ]-[a-zA-Z]*S|\S{2,20}[ ](?:registry[ ])?login\b[^\n]{0,200}?"
    r"--password-stdin|kinit\b|chpasswd|cryptsetup|gpg\b[^\n]{0,200}?--passphrase-fd"
    r"|passwd\b[^\n]{0,64}?--stdin)",
    "NETRC_NEXT": r"""(?:\s{1,8}+|["'],[ ]["'])""",
    "NO_LOGIN": "(?:with|without|using|and|or|by|via|the|your|a|my|no|for|page|form|screen|prompt"
    "|name)",
}

# needles | command | option | example. An option stands with the commands that take a secret by
# it: that of another command can mean something else, such as a port.
_OPTIONS = r"""
ldap | ldap[a-z]{3,8} | -[a-zA-Z]{0,4}w{NEXT}? | ldapsearch -x -w ⟦hunter2⟧ -b dc=test
ldappasswd | ldappasswd | -[as]{NEXT} | ldappasswd -s ⟦hunter2⟧ uid=bob
keytool | keytool | -new{NEXT} | keytool -keypasswd -new ⟦hunter2⟧
openssl | openssl | -[kK]{NEXT} | openssl enc -k ⟦hunter2⟧ -in a
curl | curl | -(?:[a-zA-Z]{0,4}[uU]|-(?:proxy-)?user)(?:{NEXT}|=)?{USER}: | curl -sSu bob:⟦hunter2⟧
-a | https?(?= -a) | -a{NEXT}{USER}: | http -a bob:⟦hunter2⟧ api.test
sshpass 7z | (?:sshpass|7z[ar]?) | -p(?!assword){NEXT}? | sshpass -p ⟦hunter2⟧ ssh db
login | (?:docker|podman|nerdctl|az|helm)\b[^\n]{1,20}?login | -p{NEXT} | az login -u b -p ⟦hunter2⟧
rabbitmqadmin | rabbitmqadmin | -p{NEXT} | rabbitmqadmin -u bob -p ⟦hunter2⟧
mongo cqlsh | (?:mongo[a-z]{0,8}|cqlsh) | -p{NEXT} | cqlsh db -u bob -p ⟦hunter2⟧
rdesktop smbmap | (?:rdesktop|smbmap) | -p{NEXT} | rdesktop -u bob -p ⟦hunter2⟧ srv
schtasks winrs | (?:schtasks|winrs)(?:\.exe)? | {WINDOWS_P} | winrs -r:srv -u:bob -p:⟦hunter2⟧ cmd
freerdp | [xw]l?freerdp3? | {WINDOWS_P} | xfreerdp /v:srv /u:bob /p:⟦hunter2⟧
psexec | psexec(?:64)?(?:\.exe)? | {WINDOWS_P} | psexec \\srv -u bob -p ⟦hunter2⟧ cmd
wmic cmdkey | (?:wmic|cmdkey)(?:\.exe)? | {WINDOWS_P} | cmdkey /add:s /user:b /pass:⟦hunter2⟧
mosquitto_ | mosquitto_[a-z]{2,3} | -P{NEXT} | mosquitto_pub -u bob -P ⟦hunter2⟧ -t a
sqlcmd bcp | (?:sqlcmd|bcp) | -P{NEXT} | sqlcmd -S db -U sa -P ⟦hunter2⟧
zip ipmitool | (?:(?:un)?zip(?:cloak)?|ipmitool) | -P{NEXT} | zip -P ⟦hunter2⟧ a.zip a
snmp | snmp[a-z]{3,9} | -[AXc]{NEXT} | snmpwalk -v2c -c ⟦hunter2⟧ srv
redis-cli valkey-cli | (?:redis|valkey)-cli | -a{NEXT} | redis-cli -a ⟦hunter2⟧ ping
mysql mariadb | (?:mysql|mariadb)(?:-?(?:dump|admin|import|show|check))? | -p(?=\w) | mysql -p⟦x⟧ o
smb | smb[a-z]{3,8} | {SAMBA_USER} | smbclient //a/b -U u%⟦x⟧ -c ls
rpcclient winexe wbinfo | (?:rpcclient|winexe|wbinfo) | {SAMBA_USER} | wbinfo -a u%⟦x⟧
net | net[ ](?:rpc|ads) | {SAMBA_USER} | net ads join -U u%⟦x⟧
lftp | lftp | -u{NEXT}{USER}, | lftp -u bob,⟦hunter2⟧ sftp://srv
"""
_OPTION_ENTRY = r"""
password | {}
  after   (?<![\w.-]){}\b[^\n]{{0,200}}?[ "']{}
  hide    {{VALUE}}
  example {}"""

_TABLE = r"""
secret | -- | Options whose name says so
  after   --(?<!---)(?=[A-Za-z])[\w-]{1,60}+(?:{IN_KEY}|(?<=[a-z]-key)|(?<=-pass))
          (?:["'],[ ]?["']|[ \t]{1,4}+["']?)
  hide    (?![-|<]|{PROSE_WORD})[^\s"',]++
  example opsrun worker --api-token ⟦abc1⟧ --verbose
password | pass | Options of one dash and of several letters, and those of Java and OpenSSL
  after   (?<![\w-])-(?:(?:src|dest)?(?:store|key)|[a-z]{1,20}[_-])?pass(?:w(?:or)?d)?{NEXT}
          |[ "']-?-?(?:ks-|key-)?pass(?:in|out)?{NEXT}pass:
  hide    {VALUE}
  example keytool -list -storepass ⟦hunter2⟧
  example openssl rsa -passin pass:⟦hunter2⟧ -in a
password | rabbitmqctl htpasswd | The password is an argument after the user
  after   (?:{RABBIT}|{HTPASSWD}(?(file)[^\s"']{1,128}{NEXT}))[^\s"']{1,64}{NEXT}
  hide    {VALUE}
  example rabbitmqctl change_password bob ⟦hunter2⟧
  example htpasswd -b .htpasswd bob ⟦hunter2⟧
password | net | Windows accounts: a word after the user, then an option or the end
  after   {NET}(?i:user){NEXT}(?:/[a-zA-Z]{2,10}{NEXT})?[^\s"'/]{1,64}{NEXT}
  hide    (?![/*]){VALUE}(?=["']?(?:[ ]{0,4}(?:$|[/&|;)\n]|returned|failed|exit)|,))
  example net user bob ⟦hunter2⟧ /add
password | net | Windows shares: the password after the user, or before
  after   {NET}(?i:use){NEXT}(?:[^\n]{0,200}?(?i:/user:)[^\s"']{1,64}{NEXT}
          |(?:[A-Za-z*]:?{NEXT})?\\\\[^\s"']{1,128}{NEXT}(?=[^\s"']{1,128}["']?{NEXT}(?i:/user:)))
  hide    (?![/*]){VALUE}
  example net use x: \\nas\a /user:bob ⟦hunter2⟧
  example net use x: \\nas\a ⟦hunter2⟧ /user:bob
password | echo | The input of a command that reads a password
  after   \becho[ ]{1,4}["']?(?:\w{1,64}:)?
  hide    (?![{MARKERS}]|\$)[^\s|"']{1,256}+(?=["']?[ ]{0,4}\|[ ]{0,4}{READERS})
  example echo ⟦hunter2⟧ | sudo -S ls
password | <<< | The same as a string of the shell
  after   (?:passwd|login|kinit|sudo)\b[^\n]{0,64}?<<<[ ]{0,4}["']?
  hide    {VALUE}
  example vncpasswd -f <<< ⟦hunter2⟧
password | sqlplus impdp expdp sqlldr rman | Oracle's user/password@database
  after   (?:sqlplus|impdp|expdp|sqlldr|rman)\b[^\n]{0,200}?[ "'][\w$#.]{1,64}/
  hide    (?![{MARKERS}])(?:[^\s"'/]{1,128}(?=@)|[^\s"'/@]{1,128}+(?=[\s"']|$))
  example sqlplus -s bob/⟦hunter2⟧@orcl
secret | securestring | PowerShell
  after   ConvertTo-SecureString(?:[ ]{1,4}-(?:AsPlainText|Force|String)){0,3}[ ]{1,4}["']?
  hide    (?!-|\$)(?:(?<=["'])[^"'\n{MARKERS}]{1,256}+|[^\s"'){MARKERS}]++)
  example ConvertTo-SecureString '⟦hunter2⟧' -AsPlainText
password | auth( credentials( credential( authprovider( passwordtoken( | Calls of constructors
  after   (?i:auth|credentials?|authprovider|passwordtoken)\([ ]{0,4}[^,()\n]{1,80},
          [ ]{0,4}b?(?P<q>{QUOTE})
  hide    {QUOTED}
  example HTTPBasicAuth('bob', '⟦x⟧')
password | machine login account default | .netrc, on one line or several
  after   \b(?:machine{NETRC_NEXT}[\w-]*[.:\d][\w.:-]{0,253}|default|(?:login|account){NETRC_NEXT}
          (?!{NO_LOGIN}\b)[^\s"',()]{1,128}){NETRC_NEXT}passw(?:or)?d(?:\s{1,8}+|["'],[ ])["']?
  hide    (?![{MARKERS}]|{PROSE_WORD})(?:(?<=["'])[^"'\n]{1,256}+|[^\s"'()]++)
  example machine a.test⏎  login bob⏎  password ⟦x⟧
"""

_ENTRIES = "".join(_OPTION_ENTRY.format(*row.split(" | ")) for row in _OPTIONS.split("\n")[1:-1])

PATTERNS = read_table(_ENTRIES + _TABLE, _PIECES)
