"""Keys and tokens that their own form gives away, wherever they stand."""

from domain.redaction.patterns.pattern import SecretPattern

PATTERNS = (
    SecretPattern(
        "private-key",
        "-----begin",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[^-]*+(?:-(?!----)[^-]*+)*+-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"|(?:(?:\s|\\+[nr]|['\"])*+[A-Za-z0-9+/=]{8,}+)*+)",
        "PEM blocks, over lines or with escaped line ends, and cut off ones",
    ),
    SecretPattern(
        "password-hash",
        "$2 $argon2 $1$ $5$ $6$ $y$ scram-",
        r"\$(?:2[abxy]\$\d\d\$[./A-Za-z0-9]{20,60}|argon2(?:id|i|d)\$[^\s\"']+"
        r"|[156y]\$[^\s\"']{20,})|SCRAM-SHA-256\$[^\s\"']+",
        "a hash can be tried against word lists, and its dots hide it from the entropy rule",
    ),
    SecretPattern(
        "jwt",
        "eyj",
        r"eyJ[\w-]{8,}+(?:\.[\w-]*+){0,4}",
        "base64url of an opening brace and quote: signed, encrypted and cut off tokens",
    ),
    SecretPattern(
        "aws-key",
        "akia asia agpa aida aroa anpa anva abia acca",
        r"A(?:KIA|SIA|GPA|IDA|ROA|NPA|NVA|BIA|CCA)[A-Z0-9]{16}",
        "access key ids; the secret half is found by its name or its entropy",
    ),
    SecretPattern(
        "gcp-key",
        "aiza ya29. gocspx- 1//0",
        r"AIza[\w-]{30,}|ya29\.[\w.-]{10,}|GOCSPX-[\w-]{20,}|1//0[\w-]{20,}",
        "Google API keys, access tokens, OAuth client secrets and refresh tokens",
    ),
    SecretPattern(
        "azure-secret",
        "q~",
        r"Q~(?<=[\w~.-]{3}\dQ~)[\w~.-]{30,40}",
        "Entra client secrets, but for the first letters, which its portal shows as a hint",
    ),
    SecretPattern(
        "github-token",
        "ghp_ gho_ ghu_ ghs_ ghr_ github_",
        r"gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{20,}",
        "personal, OAuth, user, server and refresh tokens",
    ),
    SecretPattern(
        "gitlab-token",
        "gl",
        r"gl(?:pat|ptt|dt|rt|cbt|ft|imt|agent|oas|soat|ffct)-[\w.-]{16,}",
        "all token kinds share a prefix of this form",
    ),
    SecretPattern(
        "slack-token",
        "xox xapp-",
        r"xox[a-z](?:\.xox[a-z])?-[\w-]{10,}|xapp-[\w-]{10,}",
        "bot, user, app and refresh tokens",
    ),
    SecretPattern(
        "stripe-key",
        "k_live k_test k_org whsec_",
        r"[rs]k_(?:live|test|org)_\w{10,}|whsec_[\w+/=-]{16,}",
        "secret and restricted keys, webhook secrets",
    ),
    SecretPattern(
        "package-token",
        "npm_ pypi- rubygems_ dckr_",
        r"npm_[A-Za-z0-9]{20,}|pypi-[\w-]{32,}|rubygems_[0-9a-f]{32,}|dckr_[a-z]+_[\w-]{16,}",
        "they publish code in the owner's name",
    ),
    SecretPattern(
        "ai-key",
        "sk- hf_ gsk_",
        r"sk-(?<![A-Za-z0-9].{3})[\w-]{20,}|hf_[A-Za-z0-9]{20,}|gsk_[A-Za-z0-9]{20,}",
        "keys of OpenAI, its likes, and model hubs",
    ),
    SecretPattern(
        "service-token",
        "sg. hvb. hvs. hvr. doo_v1 dop_v1 dor_v1 dapi shp age-secret-key",
        r"SG\.[\w-]{10,}\.[\w-]{10,}|hv[bsr]\.[\w-]{20,}|do[opr]_v1_[0-9a-f]{32,}"
        r"|dapi[0-9a-f]{32}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{20,}|AGE-SECRET-KEY-1[0-9A-Z]{40,}",
        "documented prefixes of other services whose keys the entropy rule may miss",
    ),
)
