"""Keys and tokens that their own form gives away, wherever they stand."""

from domain.redaction.patterns.table import read_table

_TABLE = r"""
private-key | -----begin | PEM blocks, over lines or with escaped line ends, also if cut off
  hide    -----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----
          (?:[^-]*+(?:-(?!----)[^-]*+)*+-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----
          |(?:(?:\s|\\+[nr]|['"])*+[A-Za-z0-9+/=]{8,}+)*+)
  example ⟦-----BEGIN RSA PRIVATE KEY-----⏎MIIEow==⏎-----END RSA PRIVATE KEY-----⟧
  example ⟦-----BEGIN PRIVATE KEY-----\nMIIEowAA⟧
password-hash | $2 $argon2 $1$ $5$ $6$ $y$ scram- | Dots hide them from the entropy check
  hide    \$(?:2[abxy]\$\d\d\$[./A-Za-z0-9]{20,60}|argon2(?:id|i|d)\$[^\s"']+
          |[156y]\$[^\s"']{20,})|SCRAM-SHA-256\$[^\s"']+
  example ⟦$2b$12$xxxxxxxxxxxxxxxxxxxxxx⟧ ⟦$argon2id$v=19$m=65536⟧ ⟦$6$xxxxxxxx$xxxxxxxxxxxx⟧
  example ⟦SCRAM-SHA-256$4096:x==⟧
jwt | eyj | base64url of an opening brace and quote: signed, encrypted and cut off tokens
  hide    eyJ[\w-]{8,}+(?:\.[\w-]*+){0,4}
  example ⟦eyJhbGciOiJub25lIn0.e30.c2ln⟧
aws-key | akia asia agpa aida aroa anpa anva abia acca | Key ids; their secrets look random
  hide    A(?:KIA|SIA|GPA|IDA|ROA|NPA|NVA|BIA|CCA)[A-Z0-9]{16}
  example ⟦AKIAIOSFODNN7EXAMPLE⟧
gcp-key | aiza ya29. gocspx- 1//0 | API keys, access and refresh tokens, client secrets
  hide    AIza[\w-]{30,}|ya29\.[\w.-]{10,}|GOCSPX-[\w-]{20,}|1//0[\w-]{20,}
  example ⟦AIzaxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⟧ ⟦ya29.xxxxxxxxxx⟧ ⟦GOCSPX-xxxxxxxxxxxxxxxxxxxx⟧
  example ⟦1//0xxxxxxxxxxxxxxxxxxxx⟧
azure-secret | q~ | Entra client secrets; the portal shows their first letters as a hint
  hide    Q~(?<=[\w~.-]{3}\dQ~)[\w~.-]{30,40}
  example abc8⟦Q~xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⟧
github-token | ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ | Personal, OAuth, user, server and refresh
  hide    gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{20,}
  example ⟦ghp_xxxxxxxxxxxxxxxx⟧ ⟦github_pat_xxxxxxxxxxxxxxxxxxxx⟧
gitlab-token | glpat- glptt- gldt- glrt- glcbt- glft- glimt- glagent- gloas- glsoat- glffct-
  hide    gl(?:pat|ptt|dt|rt|cbt|ft|imt|agent|oas|soat|ffct)-[\w.-]{16,}
  example ⟦glpat-xxxxxxxxxxxxxxxx⟧
slack-token | xox xapp- | Bot, user, app and refresh tokens
  hide    xox[a-z](?:\.xox[a-z])?-[\w-]{10,}|xapp-[\w-]{10,}
  example ⟦xoxb-xxxxxxxxxx⟧ ⟦xapp-xxxxxxxxxx⟧
stripe-key | k_live k_test k_org whsec_ | Secret and restricted keys, webhook secrets
  hide    [rs]k_(?:live|test|org)_\w{10,}|whsec_[\w+/=-]{16,}
  example ⟦sk_test_xxxxxxxxxx⟧ ⟦whsec_xxxxxxxxxxxxxxxx⟧
package-token | npm_ pypi- rubygems_ dckr_ | They publish code in the owner's name
  hide    npm_[A-Za-z0-9]{20,}|pypi-[\w-]{32,}|rubygems_[0-9a-f]{32,}|dckr_[a-z]+_[\w-]{16,}
  example ⟦npm_xxxxxxxxxxxxxxxxxxxx⟧ ⟦pypi-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx⟧
  example ⟦rubygems_00000000000000000000000000000000⟧ ⟦dckr_pat_xxxxxxxxxxxxxxxx⟧
ai-key | sk- hf_ gsk_ | OpenAI, services that copy its API, and model hubs
  hide    sk-(?<![A-Za-z0-9].{3})[\w-]{20,}|hf_[A-Za-z0-9]{20,}|gsk_[A-Za-z0-9]{20,}
  example ⟦sk-proj-xxxxxxxxxxxxxxxxxxxx⟧ ⟦hf_xxxxxxxxxxxxxxxxxxxx⟧ ⟦gsk_xxxxxxxxxxxxxxxxxxxx⟧
# SendGrid, Vault, DigitalOcean, Databricks, Shopify and age: the entropy check may miss them.
service-token | sg. hvb. hvs. hvr. doo_v1 dop_v1 dor_v1 dapi shp age-secret-key
  hide    SG\.[\w-]{10,}\.[\w-]{10,}|hv[bsr]\.[\w-]{20,}|do[opr]_v1_[0-9a-f]{32,}
          |dapi[0-9a-f]{32}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{20,}|AGE-SECRET-KEY-1[0-9A-Z]{40,}
  example ⟦SG.xxxxxxxxxx.xxxxxxxxxx⟧ ⟦hvs.xxxxxxxxxxxxxxxxxxxx⟧
  example ⟦dop_v1_00000000000000000000000000000000⟧ ⟦dapi00000000000000000000000000000000⟧
  example ⟦shpat_00000000000000000000⟧
"""

PATTERNS = read_table(_TABLE)
