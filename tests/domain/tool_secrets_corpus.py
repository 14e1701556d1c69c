"""Secrets in what tools, databases and people of several languages print, and their neighbours.

Written before the patterns that find them, but for those marked. Each place stands on a
line; `{value}` is the secret, and `⏎` a line break.
"""

from collections.abc import Callable, Iterator
from random import Random
from urllib.parse import quote

from tests.domain.secrets_corpus import (
    BASE62,
    SecretCase,
    chars,
    password,
    plain_password,
    seeded,
)

PASSWORD_PLACES = {
    "netrc": r"""
machine git.test login bob password {value}
machine api.heroku.test⏎  login bob@heroku.test⏎  password {value}⏎machine git.heroku.test
machine ftp.test⏎	login bob⏎	password {value}
default login anonymous password {value}
netrc.NetrcParseError: bad token 'x' (machine a.test login bob account ops password {value})
~/.netrc, line 3: machine git.test login oauth2 password "{value}"
cat: machine git.test password {value} login bob
['machine git.test', 'login bob', 'password {value}']
login bob⏎password {value}⏎
machine packages.test login token passwd {value} macdef init
""",
    "constructor": r"""
connection_parameters.credentials = PlainCredentials('bob', '{value}')
pika.PlainCredentials("guest", "{value}")
PlainCredentials(username='guest', password='{value}', erase_on_connect=False)
kombu: login failed for PlainCredentials('ops', '{value}')
pika.credentials.PlainCredentials( 'svc-ops' , '{value}' )
requests.auth.HTTPDigestAuth('bob', '{value}')
ssh.connect(host, auth=PasswordCredentials("bob", "{value}"))
BasicAuth(login='bob', password='{value}', encoding='latin1')
NTLMCredentials('CORP\\bob', '{value}')
new NetworkCredential("bob", "{value}", "CORP")
UsernamePasswordCredentials("bob", "{value}")
UsernamePasswordToken('bob', '{value}')
PlainTextAuthProvider('cassandra', '{value}')
""",
    "SQL echo": r"""
INFO sqlalchemy.engine.Engine [generated in 0.00019s] ('bob', '{value}')
INFO sqlalchemy.engine.Engine [cached since 12.3s ago] ('bob', '{value}', 7)
[generated in 0.00042s] {'name': 'bob', 'hash': '{value}'}
[no key 0.00008s] ('{value}',)
[dialect mysql+pymysql does not support caching 0.00010s] ('bob', '{value}')
2026-02-03 04:05:06,789 INFO sqlalchemy.engine.Engine [raw sql] ('{value}', 3)
[generated in 0.00011s (insertmanyvalues) 1/1 (ordered; batch not supported)] ('bob', '{value}')
INSERT INTO users (name, secret) VALUES (%s, %s)⏎[cached since 0.4s ago] ('bob', '{value}')
[parameters: ('bob', '{value}')]
[SQL: UPDATE users SET pw=? WHERE id=?]⏎[parameters: [('{value}', 7), ('other', 8)]]
[parameters: {'pw_1': '{value}', 'id_1': 7}]
DETAIL:  parameters: $1 = 'bob', $2 = '{value}'
LOG:  execute <unnamed>: UPDATE users SET a = $1⏎DETAIL:  Parameters: $1 = '{value}', $2 = '7'
CONTEXT:  unnamed portal with parameters: $1 = '{value}', $2 = NULL
(0.002) INSERT INTO "auth" ("id", "digest") VALUES (%s, %s); args=('7', '{value}'); alias=default
UPDATE users SET password = '{value}' WHERE id = 7
CREATE LOGIN bob WITH PASSWORD = N'{value}', CHECK_POLICY = OFF
ALTER USER bob IDENTIFIED WITH mysql_native_password BY '{value}'
CREATE USER MAPPING FOR bob SERVER x OPTIONS (user 'bob', password '{value}')
GRANT ALL ON *.* TO 'bob'@'%' IDENTIFIED BY "{value}"
""",
    "ldap": r"""
ldapsearch -x -D cn=admin,dc=test -w {value} -b dc=test
ldapsearch -H ldap://dc.test -D "CN=Ops,OU=Users" -w '{value}' "(uid=bob)"
Command '['ldapsearch', '-x', '-D', 'cn=admin', '-w', '{value}', '-b', 'dc=test']' returned 49
ldapmodify -D cn=admin -w "{value}" -f a.ldif: Invalid credentials (49)
/usr/bin/ldapadd -xw {value} -D cn=admin
ldappasswd -D cn=admin -w old1 -s {value} uid=bob
ldapwhoami -x -w{value} -D cn=admin
sudo ldapdelete -v -D "cn=admin,dc=test" -w {value} uid=bob,dc=test
""",
    "keytool": r"""
keytool -list -keystore a.jks -storepass {value}
keytool -importkeystore -srckeystore a.p12 -srcstorepass {value} -destkeystore b.jks
keytool -genkeypair -alias ops -keypass {value} -keystore a.jks
Command '['keytool', '-list', '-storepass', '{value}']' returned 1
keytool -storepasswd -new {value} -keystore a.jks
jarsigner -keystore a.jks -storepass "{value}" app.jar ops
keytool -exportcert -storepass '{value}' -rfc
keytool -importkeystore -deststorepass {value} -destkeypass changeit2
keytool -delete -alias x -storepass:env PASS -keypass {value}
apksigner sign --ks a.jks --ks-pass pass:{value} app.apk
openssl pkcs12 -in a.pfx -passin pass:{value} -nodes
openssl pkcs12 -export -out a.pfx -passout pass:{value}
openssl enc -aes-256-cbc -k {value} -in a
openssl rsa -in a.key -passin 'pass:{value}'
""",
    "net": r"""
net user bob {value} /add
net user bob "{value}" /domain
C:\> net user Administrator {value}
net use Z: \\srv\share /user:CORP\bob {value}
net use \\srv\share {value} /user:bob
net use \\srv\ipc$ /user:bob "{value}" /persistent:no
net use Z: \\srv\share "{value}" /USER:bob@corp.test
Command '['net', 'user', 'bob', '{value}', '/add']' returned 2
Command '['net', 'use', 'Z:', '\\\\srv\\share', '/user:bob', '{value}']' returned 2
NET USE * \\srv\home /USER:CORP\bob {value}
cmdkey /add:srv /user:bob /pass:{value}
cmdkey /generic:TERMSRV/srv /user:bob /pass:"{value}"
psexec \\srv -u CORP\bob -p {value} cmd
wmic /node:srv /user:bob /password:{value} os get
runas /user:bob /savecred & net.exe user bob {value}
schtasks /create /s srv /u bob /p {value} /tn ops
""",
    "smb": r"""
smbclient //srv/share -U bob%{value}
smbclient -L srv -U 'CORP\bob%{value}'
smbclient //srv/share -U "bob%{value}" -c ls
Command '['smbclient', '//srv/share', '-U', 'bob%{value}']' returned 1
rpcclient -U bob%{value} srv
smbclient --user=bob%{value} //srv/c$
net rpc share list -U Administrator%{value} -S srv
smbget -u bob -U bob%{value} smb://srv/a
mount -t cifs //srv/a /mnt -o username=bob,password={value},vers=3.0
mount error(13): mount.cifs //srv/a /mnt -o user=bob,pass={value}
wbinfo -a bob%{value}
winexe -U CORP/bob%{value} //srv cmd
smbmap -u bob -p {value} -H srv
""",
    "rabbit": r"""
rabbitmqctl change_password bob {value}
rabbitmqctl add_user bob {value}
Command '['rabbitmqctl', 'change_password', 'bob', '{value}']' returned 64
sudo rabbitmqctl -n rabbit@a change_password guest '{value}'
rabbitmqctl authenticate_user bob "{value}"
rabbitmqadmin -u bob -p {value} list queues
rabbitmqadmin --username=bob --password={value} list queues
docker exec mq rabbitmqctl change_password ops {value}
rabbitmqctl --node rabbit@b add_user ops {value} --quiet
""",
    "commands": r"""
mosquitto_pub -h mq -u bob -P {value} -t a
mosquitto_sub -h mq -u 'bob' -P '{value}' -t a
htpasswd -b .htpasswd bob {value}
htpasswd -bc /etc/nginx/.htpasswd bob {value}
sqlcmd -S db -U sa -P {value} -Q "select 1"
bcp ops.dbo.t out a.csv -S db -U sa -P {value} -c
wget --user=bob --password={value} https://api.test/
wget --http-password {value} https://api.test/
PGPASSWORD={value} psql -h db
PGPASSWORD='{value}' pg_dump -h db ops
MYSQL_PWD={value} mysqldump ops
echo {value} | sudo -S systemctl restart ops
echo "{value}" | docker login -u bob --password-stdin
echo 'bob:{value}' | chpasswd
sshpass -p{value} ssh bob@db.test
sshpass -p '{value}' scp a db:
mongo --host db -u bob -p {value} admin
mongosh "mongodb://db" --username bob --password {value}
mongodump -u bob -p '{value}' --db ops
az login -u bob@corp.test -p {value}
az login --service-principal -u app -p {value} --tenant t
kinit: echo {value} | kinit bob@CORP.TEST
zip -P {value} a.zip a
7z x a.7z -p{value}
unzip -P {value} a.zip
ipmitool -I lanplus -H bmc -U root -P {value} chassis status
snmpwalk -v3 -u bob -A {value} -X other9 srv
snmpwalk -v2c -c {value} srv
ansible-playbook a.yml -e ansible_become_pass={value}
ansible-playbook a.yml -e "ansible_ssh_pass='{value}'"
curl -u bob:{value} ftp://ftp.test
curl --user 'bob:{value}' https://api.test
curl -sS -ubob:{value} https://api.test
curl --proxy-user=bob:{value} https://api.test
http -a bob:{value} https://api.test
psql "host=db user=bob password='{value}'"
cqlsh db -u bob -p {value}
clickhouse-client --user bob --password '{value}'
influx -username bob -password {value}
impdp system/{value}@orcl full=y
sqlplus bob/{value}@orcl
sqlplus -s "bob/{value}@//db:1521/orcl" @a.sql
xfreerdp /v:srv /u:bob /p:{value}
rdesktop -u bob -p {value} srv
vncpasswd -f <<< {value}
lftp -u bob,{value} sftp://srv
svn checkout --username bob --password {value} https://svn.test
docker login -u bob -p {value} registry.test
docker login --password={value} registry.test
helm registry login -u bob -p {value} registry.test
redis-cli -h cache -a {value} ping
redis-cli -a '{value}' --user bob ping
valkey-cli -a {value} ping
Command ['winrs', '-r:srv', '-u:bob', '-p:{value}', 'cmd'] returned 5
""",
    "xml": r"""
<wsse:Password Type="http://docs.test/wss#PasswordText">{value}</wsse:Password>
<wsse:Password Type='PasswordText'><![CDATA[{value}]]></wsse:Password>
<SharedSecret>{value}</SharedSecret>
<SharedSecret encoding="plain">{value}</SharedSecret>
<radius:SharedSecret xmlns:radius="urn:r">{value}</radius:SharedSecret>
<AdministratorPassword><Value>{value}</Value><PlainText>true</PlainText></AdministratorPassword>
<AdministratorPassword>⏎  <Value>{value}</Value>⏎</AdministratorPassword>
<AdministratorPassword hidden="true">{value}</AdministratorPassword>
<UserAccounts><AdministratorPassword><![CDATA[{value}]]></AdministratorPassword></UserAccounts>
<keyMaterial>{value}</keyMaterial>
<sharedKey><keyType>passPhrase</keyType><protected>false</protected><keyMaterial>{value}</keyMaterial></sharedKey>
<ns0:keyMaterial xmlns:ns0="http://www.test/WLAN/profile/v1">{value}</ns0:keyMaterial>
<keyMaterial><![CDATA[{value}]]></keyMaterial>
<Challenge>{value}</Challenge>
<scep:Challenge id="1">{value}</scep:Challenge>
<Challenge><![CDATA[{value}]]></Challenge>
<password><![CDATA[{value}]]></password>
<Password xsi:type="xsd:string">{value}</Password>
<ns2:password xmlns:ns2="urn:x" nillable="true">⏎    {value}⏎  </ns2:password>
<clientSecret type="text">{value}</clientSecret>
<server><id>ops</id><username>bob</username><password>{value}</password></server>
<add key="SmtpPassword" value="{value}" />
<property name="hibernate.connection.password">{value}</property>
<property name="password" value="{value}"/>
<user username="bob" password="{value}" roles="admin"/>
<bean p:username="bob" p:password="{value}"/>
<string name="api_password">{value}</string>
<key>Password</key><string>{value}</string>
<key>SharedSecret</key>⏎	<string>{value}</string>
<key>PayloadChallenge</key>⏎<data>{value}</data>
<Data>./Device/Vendor/MSFT/WiFi &lt;keyMaterial&gt;{value}&lt;/keyMaterial&gt;</Data>
&lt;Password&gt;{value}&lt;/Password&gt;
<AutoLogon><Password><Value>{value}</Value><PlainText>true</PlainText></Password></AutoLogon>
<o:Passphrase o:mustUnderstand="1">{value}</o:Passphrase>
<PreSharedKey>{value}</PreSharedKey>
<credential name="bob"><secret>{value}</secret></credential>
<ProductKey><Key>{value}</Key></ProductKey>
<PIN>{value}</PIN>
<Password>&amp;{value}</Password>
<Password><![CDATA[⏎  {value}⏎]]></Password>
""",
    "phrases": r"""
Passwort: {value}
Passwort={value}
Das Passwort lautet {value}
Das Passwort für bob ist {value}.
Anmeldung mit Passwort "{value}" fehlgeschlagen
Kennwort: {value}
Ihr neues Kennwort lautet: {value}
Das Kennwort ist '{value}'
Benutzer bob, Passwort {value}
{"passwort": "{value}", "benutzer": "bob"}
db_passwort = '{value}'
mot de passe : {value}
Mot de passe: {value}
Le mot de passe est {value}
Le mot de passe de bob est « {value} »
Votre mot de passe temporaire est : {value}
mot_de_passe={value}
{"motDePasse": "{value}"}
identifiant : bob, mot de passe : {value}
mdp={value}
contraseña: {value}
Contraseña = {value}
La contraseña es {value}
Su nueva contraseña es: {value}
Usuario: bob Contraseña: {value}
{"contraseña": "{value}"}
{"contrase\u00f1a": "{value}"}
contrasena={value}
la contraseña de bob es "{value}"
wachtwoord: {value}
Wachtwoord = {value}
Het wachtwoord is {value}
Uw nieuwe wachtwoord is: {value}
{'wachtwoord': '{value}'}
gebruikersnaam=bob&wachtwoord={value}
het wachtwoord van bob is '{value}'
ValueError: falsches Passwort '{value}'
senha: {value}
password (again): {value}
""",
    "rest": r"""
INFO login=bob pass="{value}" ip=10.0.0.7
user/pass: bob/{value}
credentials bob:{value} were refused
bob / {value} is not a valid login
Enter password for bob: {value}
bob@db.test's password: {value}
[sudo] password for bob: {value}
--password '{value}'
$env:DB_PASSWORD = "{value}"
set DB_PASSWORD={value}
export DB_PASSWORD="{value}"
ConvertTo-SecureString "{value}" -AsPlainText -Force
ConvertTo-SecureString -String '{value}' -AsPlainText
Set-ADAccountPassword bob -NewPassword (ConvertTo-SecureString '{value}' -AsPlainText -Force)
spring.datasource.password={value}
DB_PASSWORD: !!str {value}
""",
    # Written after the patterns: they missed one in ten of these at first.
    "later": r"""
machine example.test⏎login joe⏎password {value}⏎⏎machine b.test
PlainCredentials(user, '{value}')
self._creds = pika.PlainCredentials(username, "{value}")
[generated in 0.00025s] {'id': 1, 'pw': '{value}'}
INFO:sqlalchemy.engine.Engine:[cached since 0.01s ago] ('x', '{value}')
ldapsearch -LLL -D "cn=x" -w {value} -p 389
ldapsearch -w{value} -x
/opt/java/bin/keytool -import -storepass {value} -noprompt
keytool -keypasswd -new {value}
net user /add joe {value}
net user joe {value} /add /y
NET USER joe {value} /ADD
net use x: \\nas\a /user:joe {value}
net use x: \\nas\a {value} /user:joe
smbclient '\\nas\a' -U joe%{value} -c dir
smbclient -U=joe%{value} //nas/a
rabbitmqctl change_password joe {value}
rabbitmqctl -p /vhost change_password joe "{value}"
<SharedSecret xmlns="urn:a">{value}</SharedSecret>
<a:SharedSecret><![CDATA[{value}]]></a:SharedSecret>
<AdministratorPassword>{value}</AdministratorPassword>
<wsse:Password Type="...#PasswordDigest">{value}</wsse:Password>
<wsse:UsernameToken><wsse:Username>j</wsse:Username><wsse:Password>{value}</wsse:Password>
<keyMaterial>⏎{value}⏎</keyMaterial>
<Challenge type="x"><![CDATA[ {value} ]]></Challenge>
<ds:KeyMaterial>{value}</ds:KeyMaterial>
<Password Type='x'>{value}
?next=%252Flogin%253Fpassword%253D{value}
%2525253Fpassword%2525253D{value}
a=b%2526client_secret%253D{value}%2526c
Passwort : {value}
Passwort -> {value}
Passwörter: {value}
Das Passwort von joe lautet: {value}
Kennwort = "{value}"
Neues Passwort: {value}
PASSWORT: {value}
mot de passe: "{value}"
Mot de passe = {value}
MOT DE PASSE : {value}
le mot de passe de l'utilisateur joe est {value}
mot de passe « {value} »
contraseña: '{value}'
CONTRASEÑA: {value}
tu contraseña es {value}
contraseña={value}
wachtwoord: "{value}"
WACHTWOORD={value}
je wachtwoord is {value}
Wachtwoord voor joe: {value}
Passwort für joe: {value}
mot de passe pour joe : {value}
contraseña para joe: {value}
""",
}
PIN_PLACES = r"""
PIN code: {value}
PIN-Code: {value}
Your PIN code is {value}
pin code = {value}
SIM PIN: {value}
Enter PIN: {value}
pin={value}
"pin": "{value}"
'pinCode': '{value}'
PIN: {value}, PUK: 12345678
Der PIN-Code lautet {value}
code PIN : {value}
PUK: {value}
BitLocker startup PIN: {value}
pincode: {value}
PIN code is: {value}
pin_code={value}
{"pin_code": {value}}
device PIN = {value}
"""
SESSION_PLACES = r"""
SID={value}
SID={value}; Path=/; HttpOnly
GET /index.php?SID={value}&page=2
GET /mail?sid={value} HTTP/1.1
connect.sid=s%3A{value}.x
connect.sid={value}
PHPSESSID={value}
JSESSIONID={value}
;jsessionid={value}?a=b
{"sid": "{value}"}
{'SID': '{value}', 'synotoken': None}
ASP.NET_SessionId={value}
GET /webapi/entry.cgi?api=SYNO&_sid={value} failed
session opened: SID: {value}
"""
# Values are encoded as the address around them is.
ENCODED_PLACES = r"""
GET /login?next=%252Fcb%253Fpassword%253D{value}%2526user%253Dbob
GET /login?returnUrl=https%253A%252F%252Fapp.test%253Fpassword%253D{value}
redirect=%252Fauth%253Fclient_secret%253D{value}
POST body: payload=%257B%2522password%2522%253A%2522{value}%2522%257D
next=%253Fpwd%253D{value}%2526x%253D1 returned 302
u=https%253A%252F%252Fbob%253A{value}%2540db.test%252Fops
GET /r?u=postgresql%253A%252F%252Fopsrun%253A{value}%2540db%253A5432%252Fops
GET /r?u=https%3A%2F%2Fbob%3A{value}%40db.test%2Fops
next=%2Fcb%3Fpassword%3D{value}%26user%3Dbob
next=%2Fcb%3Ftoken%3D{value}
log?q=%252Fcb%253Faccess_token%253D{value}%2526a%253Db
header=Authorization%253A%2520Bearer%2520{value}
state=%2525252Fcb%2525253Fpassword%2525253D{value}
next=%252Fcb%253Fapi_key%253D{value}
"""

HARMLESS = r"""
machine learning password policy
the machine login password policy is enforced
machine git.test login bob
machine: x86_64, login: tty1
default login shell is /bin/sh
netrc: machine entry without a password
SID=S-1-5-21-3623811015-3361044348-30300820-1013
SID: S-1-5-18 (LocalSystem)
user SID S-1-5-32-544 is not mapped
sid = S-1-12-1-1943430372-1249052806-2496021943-3034400218
(CONNECT_DATA=(SID=ORCL))
jdbc:oracle:thin:@db:1521:ORCL with SID=ORCL
SID=XE is not known to the listener
ORA-12505: TNS:listener does not currently know of SID given in connect descriptor
(SID=PROD19C)(SERVER=DEDICATED)
"sid": "ORCLPDB1"
snort: sid:2019401; rev:3;
sid=7, gid=1
net user
net user bob
net user bob /active:no
net user /domain
net user bob /delete failed with 2
net use Z: \\srv\share
net use * /delete
net use Z: \\srv\share /user:bob
net use \\srv\share /persistent:yes
.NET user settings were not found
the net user count is 12
PIN code: required
PIN code: must have 6 digits
PIN is required
PIN: not set
pin_code: field required
The PIN code is wrong
pin: null
Windows Hello PIN complexity
minimumPinLength=6
pin=None
Pin the package: pip install requests
pipeline: passed
PUK: required
Passwort: falsch
Passwort: erforderlich
Passwort ist abgelaufen
Das Passwort ist falsch
Das Passwort ist zu kurz
Passwort vergessen?
Kennwort: nicht gesetzt
Das Kennwort ist abgelaufen.
Kennwortrichtlinie wurde angewendet
Falsches Passwort für bob
mot de passe incorrect
Le mot de passe est incorrect
Le mot de passe est requis
mot de passe : obligatoire
Mot de passe invalide
Le mot de passe est trop court
Le mot de passe a expiré
Votre mot de passe est expiré
contraseña incorrecta
La contraseña es incorrecta
La contraseña es obligatoria
contraseña: requerida
La contraseña ha caducado
La contraseña es demasiado corta
wachtwoord onjuist
Het wachtwoord is onjuist
Het wachtwoord is verlopen
wachtwoord: verplicht
Het wachtwoord is te kort
wachtwoord vergeten
ldapsearch -x -D cn=admin,dc=test -W -b dc=test
ldapsearch -x -b dc=test (uid=bob)
ldapsearch: command not found
keytool -list -keystore a.jks
keytool -storepass:env STORE_PASS -list
keytool error: java.io.IOException: keystore password was incorrect
keytool -list -storepass $STORE_PASS
smbclient //srv/share -U bob
smbclient //srv/share -U %
smbclient -L srv -N
session setup failed: NT_STATUS_LOGON_FAILURE
rabbitmqctl list_users
rabbitmqctl change_password
rabbitmqctl add_vhost ops
Error: rabbitmqctl change_password <username> <password>
rabbitmqctl delete_user bob
<Password/>
<Password></Password>
<wsse:Password Type="PasswordText"/>
<PasswordPolicy>strict</PasswordPolicy>
<MinimumPasswordLength>14</MinimumPasswordLength>
<passwordRequired>true</passwordRequired>
<keyType>passPhrase</keyType>
<Challenge/>
<ChallengeType>none</ChallengeType>
<xs:element name="password" type="xs:string"/>
<key>PasswordMinimumLength</key><integer>12</integer>
<label for="password">Your password</label>
<input type="password" name="password">
<SecretName>ops-db</SecretName>
[generated in 0.00019s] ()
[cached since 12.3s ago] {}
[raw sql] ()
[SQL: SELECT 1]
SELECT pg_catalog.version()
BEGIN (implicit)
[generated in 0.00019s]
PlainCredentials() takes 2 arguments
PlainCredentials(username, password)
TypeError: PlainCredentials.__init__() missing 1 required positional argument: 'password'
class PlainCredentials(Credentials):
GET /login?next=%252Fpolicies%252F7
GET /r?u=https%3A%2F%2Fapp.test%2Fpolicies%3Fpage%3D2
next=%252Fcb%253Fstate%253D7%2526page%253D2
GET /items?q=100%25%20done
curl -I https://api.test
openssl x509 -in a.crt -noout -text
openssl enc -aes-256-cbc -in a -out b
docker login registry.test
7z x a.7z -oout
zip -r a.zip folder
mosquitto_pub -h mq -p 1883 -t a
sqlcmd -S db -E -Q "select 1"
psexec \\srv -s cmd
mount -t cifs //srv/a /mnt -o credentials=/etc/smb.cred
psql -h db -U bob -p 5432
ssh -p 2222 bob@srv
mkdir -p /srv/exports/password
cp -p /etc/passwd /tmp
echo done | tee -a log
snmpwalk -v2c srv
the pass rate is 98 %
senha incorreta
Your PIN code is incorrect
PIN code: enter 6 digits
pinned: 2048 messages
spin: 4000 rpm
pin 13 is high
net use: error 53
The net use case
net users online: 12
.net user secrets
machine: build-01.test password authentication disabled
login page password reset
login failed password incorrect
default login timeout
echo ok | passwd
echo hello | gpg --list
<Challenge>
Password</label>
<title>Password</title>
<th>Password</th><td>required</td>
<td>Passwort</td>
<SecretKey/>
<password>required</password>
openssl s_client -connect a:443
docker login -u bob failed
redis-cli -a
zip -r -P
parameters: 3
parameters: limit=10
[generated in 3 ms] done
[raw sql] SELECT 1
sidecar: running
SID: S-1-5-21-1-2-3-500
side=left
sid_length=16
Passwort Richtlinie: 14 Zeichen
Passwort ist erforderlich
Passwort-Länge: 14
Kennwortlänge: 14
contraseña no válida
El campo contraseña es obligatorio.
Le champ mot de passe est obligatoire.
Ce mot de passe n'est pas valide
wachtwoord is verplicht
mot de passe : non renseigné
Passwort: nicht angegeben
Passwort: Bitte eingeben
Passwort ist nicht gültig
Das Passwort muss 14 Zeichen haben
password (again): required
auth(a, b)
credential(s) missing, 'x'
Passwort ist sicher
Das Passwort ist schwach
Das Passwort entspricht nicht der Richtlinie
La contraseña es débil
Het wachtwoord is zwak
le mot de passe est faible
La contraseña es válida
est-ce que token est valide
http -a
curl -u
smbclient -U bob -c 'get 100%done'
Machine login.test:443 login ok
"""


def _places(text: str) -> list[str]:
    return [line.replace("⏎", "\n") for line in text.strip().splitlines()]


def tool_secret_cases(seed: int = 40) -> Iterator[SecretCase]:
    """Yield each place with two values, as its kind of secret is made."""
    rnd = seeded(seed)
    for kind, places in PASSWORD_PLACES.items():
        yield from _cases(rnd, kind, places, password, plain_password)
    yield from _cases(rnd, "pin", PIN_PLACES, _pin, _pin)
    yield from _cases(rnd, "session", SESSION_PLACES, _session, _session)
    yield from _cases(rnd, "encoded", ENCODED_PLACES, _escaped_password, _session)


def tool_harmless_texts() -> list[str]:
    """Return texts that look like those with a secret and must come back unchanged."""
    return _places(HARMLESS)


def _cases(
    rnd: Random, kind: str, places: str, *makers: Callable[[Random], str]
) -> Iterator[SecretCase]:
    for place in _places(places):
        for make in makers:
            value = make(rnd)
            yield SecretCase(kind, value, place.replace("{value}", value))


def _pin(rnd: Random) -> str:
    return str(rnd.randrange(1000, 999_999))


def _session(rnd: Random) -> str:
    return chars(rnd, BASE62, 15) + "7"


def _escaped_password(rnd: Random) -> str:
    return quote(quote(password(rnd), safe=""), safe="")
