"""Secrets are hidden, and harmless texts stay readable."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.redaction.sanitizer import sanitize
from tests.domain.redaction.harmless_corpus import harmless_texts
from tests.domain.redaction.secrets_corpus import (
    VENDOR_KEYS,
    SecretCase,
    chars,
    left_over,
    secret_cases,
    seeded,
)
from tests.domain.redaction.tool_secrets_corpus import tool_harmless_texts, tool_secret_cases

# Long enough that quadratic time shows.
LONG = 125_000
# Hidden by their entropy, which is a matter of odds; other digits beside them can hide that.
NAMELESS = {"aws-secret", "azure-hex", *(kind for kind in VENDOR_KEYS if kind.startswith("random"))}
EXCEPTIONS, TOOLS = list(secret_cases()), list(tool_secret_cases())
CASES = EXCEPTIONS + TOOLS
HARMLESS, NEIGHBOURS = list(harmless_texts()), tool_harmless_texts()


@pytest.mark.parametrize(
    ("cases", "at_least"), [(EXCEPTIONS, 500), (TOOLS, 500)], ids=["exceptions", "tools"]
)
def test_secrets_are_hidden(
    capsys: pytest.CaptureFixture[str], cases: list[SecretCase], at_least: int
) -> None:
    leaks = [case for case in cases if left_over(case, sanitize(case.text))]
    recall = 1 - len(leaks) / len(cases)
    with capsys.disabled():
        print(f"\nsecrets: {len(cases)}, recall {recall:.2%}")  # noqa: T201

    assert len(cases) >= at_least
    assert recall >= 0.99, leaks


@pytest.mark.parametrize(
    ("texts", "at_least"), [(HARMLESS, 200), (NEIGHBOURS, 100)], ids=["exceptions", "tools"]
)
def test_harmless_texts_stay_as_they_are(
    capsys: pytest.CaptureFixture[str], texts: list[str], at_least: int
) -> None:
    harmed = {text: sanitize(text) for text in texts if sanitize(text) != text}
    share = len(harmed) / len(texts)
    with capsys.disabled():
        print(f"\nharmless: {len(texts)}, harmed {share:.2%}")  # noqa: T201

    assert len(texts) >= at_least
    assert share <= 0.01, harmed


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (
            "cannot reach postgresql://opsrun:p@ss/w0rd@db:5432/opsrun",
            "cannot reach postgresql://[redacted:url-credentials]@db:5432/opsrun",
        ),
        ("Authorization: Bearer abc", "Authorization: Bearer [redacted:bearer-token]"),
        ("password is hunter2.", "password is [redacted:password]"),
        ('{"password": "x", "port": 5432}', '{"password": "[redacted:password]", "port": 5432}'),
        (r"{\"password\": \"x\"}", r"{\"password\": \"[redacted:password]\"}"),
        ("?sig=abcdef%3D&se=2026", "?sig=[redacted:signature]&se=2026"),
        ("for bob@contoso.test.", "for [redacted:email]."),
        ("Cookie: a=b; c=d\nHost: api", "Cookie: [redacted:cookie]\nHost: api"),
        (
            "curl -u admin:hunter2 https://api.test",
            "curl -u admin:[redacted:password] https://api.test",
        ),
        ("root:hunter2@tcp(db:3306)/x", "[redacted:url-credentials]@tcp(db:3306)/x"),
        ("auth=[{'token': 'a'}, {'token': 'b'}], b=1", "auth=[redacted:token]], b=1"),
        ("password: |\n  hunter2\nuser: bob", "password: |\n  [redacted:password]\nuser: bob"),
        (
            "ldapsearch -w hunter2 -b dc=test",
            "ldapsearch -w [redacted:password] -b dc=test",
        ),
        ("net user bob hunter2 /add", "net user bob [redacted:password] /add"),
        ("smbclient //a/b -U u%x -c ls", "smbclient //a/b -U u%[redacted:password] -c ls"),
        (
            "machine a.test\n  login bob\n  password x\nmachine b.test",
            "machine a.test\n  login bob\n  password [redacted:password]\nmachine b.test",
        ),
        (
            '<a:Password Type="x"><![CDATA[h&<2]]></a:Password>',
            '<a:Password Type="x"><![CDATA[[redacted:secret]]]></a:Password>',
        ),
        (
            "&lt;Challenge&gt;x&lt;/Challenge&gt;",
            "&lt;Challenge&gt;[redacted:secret]&lt;/Challenge&gt;",
        ),
        ("<Password Type='x'>hunter2", "<Password Type='x'>[redacted:secret]"),
        ("[cached since 3s ago] ('bob', 'x')", "[cached since 3s ago] [redacted:row]"),
        ("mot de passe\u00a0: \u00ab x y \u00bb.", "mot de passe\u00a0: [redacted:password]."),
        ("La contrase\u00f1a es hunter, bob", "La contrase\u00f1a es [redacted:password], bob"),
        (
            "u=https%253A%252F%252Fb%253Ax%2540db",
            "u=https%253A%252F%252Fb%253A[redacted:url-credentials]%2540db",
        ),
        ("PIN code: 4711.", "PIN code: [redacted:secret]."),
        (
            "Server=db;User Id=sa;Password=a b;Encrypt=True",
            "Server=db;User Id=[redacted:connection-string];"
            "Password=[redacted:connection-string];Encrypt=True",
        ),
    ],
)
def test_the_text_around_a_secret_stays_readable(text: str, hidden: str) -> None:
    assert sanitize(text) == hidden


def test_secret_in_wrapped_literals_is_hidden() -> None:
    key = chars(seeded(1), "abcdefgh0123456789ABCDEFGH", 40)
    wrapped = f"('{key[:10]}'\n '{key[10:20]}'\n '{key[20:]}')"

    assert sanitize(wrapped) == "('[redacted:random]')"


def test_layout_of_harmless_literals_is_kept() -> None:
    text = "missing:\n'Win - A'\n'Win - B'\npassword='x'"

    assert sanitize(text) == "missing:\n'Win - A'\n'Win - B'\npassword='[redacted:password]'"


def test_a_hash_or_id_stays_only_after_a_label() -> None:
    value = seeded(2).randbytes(16).hex()

    assert value in sanitize(f"sha256:{value}, trace_id={value}, run {value}")
    assert value not in sanitize(f"got {value}")


def test_control_characters_are_removed() -> None:
    assert sanitize("a\x00b\x1b[0m\r\n\tc\x7f\x85\ud800\u202ed\ufdd0") == "ab[0m\n\tcd"


def test_control_characters_do_not_split_a_secret() -> None:
    assert sanitize("pass\x00word=hun\x08ter2") == "password=[redacted:password]"


def test_cut_comes_after_sanitizing() -> None:
    text = "password=" + "x" * 100 + " and the rest"

    assert sanitize(text, max_length=40) == "password=[redacted:password] and the re…"


@pytest.mark.parametrize("max_length", range(1, 60))
def test_cut_never_splits_a_marker(max_length: int) -> None:
    hidden = sanitize("token=abc1 for bob@contoso.test failed again", max_length=max_length)

    assert len(hidden) <= max_length
    assert hidden.count("[") == hidden.count("]")
    assert hidden.endswith(("…", "again"))


def test_text_that_fits_is_not_cut() -> None:
    assert sanitize("four", max_length=4) == "four"


def test_a_second_pass_changes_nothing() -> None:
    for case in CASES:
        once = sanitize(case.text)
        assert sanitize(once) == once


PIECES = """password token secret passwords Bearer Basic Cookie: Authorization: AUTH --key sig=
    eyJ -----BEGIN·PRIVATE·KEY----- -----END [redacted:jwt] [redacted: :// @ .test %22 for·bob
    \ufdd0 ·is· = : , ; & ' " \\ \\" · ( ) [ ] { } < </ name value a1B2 0 é f"""
WORDS = st.sampled_from(PIECES.split()).map(lambda piece: piece.replace("·", " "))
MESSY = st.lists(st.one_of(WORDS, st.text(max_size=8)), max_size=30).map("".join)


@settings(deadline=None)
@given(text=MESSY)
@example(text="'\n''\n'password'\n'='\n'abc'")
def test_any_text_settles_and_is_storable(text: str) -> None:
    once = sanitize(text)

    assert sanitize(once) == once
    assert "\x00" not in once
    once.encode()


@settings(deadline=None)
@given(text=MESSY, max_length=st.integers(min_value=1, max_value=80))
@example(text="[redacted:jwt]", max_length=1)
def test_any_cut_fits_and_settles(text: str, max_length: int) -> None:
    hidden = sanitize(text, max_length=max_length)

    assert len(hidden) <= max_length
    assert sanitize(hidden) == hidden


@settings(deadline=None)
@given(
    before=st.one_of(MESSY, st.text(max_size=40)),
    after=st.one_of(MESSY, st.text(max_size=40)),
    kind=st.sampled_from(sorted(set(VENDOR_KEYS) - NAMELESS)),
    seed=st.integers(min_value=0, max_value=2**32),
)
def test_a_planted_token_never_survives(before: str, after: str, kind: str, seed: int) -> None:
    token = VENDOR_KEYS[kind](seeded(seed))

    assert token not in sanitize(f"{before}{token}{after}")


HOSTILE = r"""a A0 " \ \' · - = / a@a. ://a: eyJ. é -----BEGIN·PRIVATE·KEY----- --a password
    password·is· password:· password=" token=\" token=( token·=·a. password·for·a·b·c·d·
    Authorization:· Bearer· Cookie:·a= ;pwd=a·b Server=a;Password=b; ('a <password>a
    name:·'password',·value:·' aB3/ aB3dE5gH7jK9mN1pQ3rS5tU7· f2b9ab89-5c6f-426d-9de6-f980d220168f
    [redacted: [redacted:jwt] deadbeef01 secret=([{ (password,·a a:b@c: curl·-u· x%2F
    SID= PIN:· <Password> <Password·a <Password><![CDATA[ machine·a.b· ldapsearch·-w net·use·/user:a
    rabbitmqctl· echo·a| %253A%252F%252Fa password:·« [generated·in·· mot·de·passe·"""
UNITS = [unit.replace("·", " ") for unit in HOSTILE.split()]


@pytest.mark.parametrize("unit", [*UNITS, "\n", "'\n'", "\0", "\ud800"], ids=ascii)
def test_the_time_for_a_hostile_text_grows_like_its_length(unit: str) -> None:
    _assert_linear(unit * (LONG // len(unit)))


def test_the_time_for_a_random_text_grows_like_its_length() -> None:
    _assert_linear(chars(seeded(3), "".join(map(chr, range(9, 127))), LONG))
    words = ["password", "token", "is", "=", ":", '"', "'", "\\", "://", "@", "for", "a1B2", " "]
    _assert_linear("".join(seeded(4).choices(words, k=LONG // 4)))


def test_a_secret_after_a_long_random_text_is_hidden() -> None:
    noise = chars(seeded(5), "".join(map(chr, range(32, 0x3000))), LONG)

    assert sanitize(f"{noise} password=hunter2").endswith(" password=[redacted:password]")


def _assert_linear(text: str) -> None:
    """Compare with an eighth of the text: quadratic time would be 64 times as long."""
    assert _seconds(text) < 3 * 8 * _seconds(text[: len(text) // 8])


def _seconds(text: str) -> float:
    def once() -> float:
        started = time.process_time()
        sanitize(text)
        return time.process_time() - started

    # Time of this process alone, and the best of three: the machine may be busy.
    return min(once() for _ in range(3))
