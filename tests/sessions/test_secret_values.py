"""What is taken for a secret, and what is not."""

import pytest

from cco_knowledge.secret_values import MARKER, redacted

SECRETS = [
    (
        "Use {} for CI.",
        "github_pat_" + "11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz0123456789ABCDEFGHIJKL",
    ),
    ("export ANTHROPIC_API_KEY={}", "sk-ant-api03-" + "abcdefghijklmnopqrstuvwxyzABCDEF0123456789"),
    ("id {} is ours", "AKIA" + "IOSFODNN7REALKEY"),
    ("{}", "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3In0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6y"),
    ("psql postgres://app:{}@db:5432/shop", "S3cr3tPw0rd"),
    ("redis://:{}@cache:6379/0", "p4ssw0rd"),
    ("password: {}", "hunter2trombone"),
    ("DB_PASSWORD={}", "correct-horse-battery"),
    ('{{"password": "{}", "user": "bob"}}', "swordfish"),
    ("mysql -u root --password={} db", "letmein"),
    ("curl -u admin:{} https://x", "s3cretpw"),
    ("docker login -u bot -p {} harbor.example", "560yW6kZj1oj1CDZ"),
    ("The password for the admin user is {}, ok?", "Tr0ub4dor&3"),
    ("das Passwort lautet jetzt {} wie immer", "Kieler!Sprotte-99"),
    ("la contraseña del servidor es {} desde ayer", "Sevilla-2024-Azul"),
    ('-H "Authorization: Bearer {}"', "8f3a9c2e7d1b4f60a5c8e2d9b7f1a3c4"),
    ("set the api key to {} please", "2450c315a41ae5c655551ff76c2486ab539d7d77"),
]


@pytest.mark.parametrize(("text", "value"), SECRETS)
def test_a_secret_is_removed_and_the_rest_stays(text: str, value: str) -> None:
    cleaned, kinds = redacted(text.format(value))
    assert value not in cleaned
    assert kinds.total() >= 1
    before, after = text.format("\0").split("\0")
    assert cleaned.startswith(before)
    assert cleaned.endswith(after)
    assert MARKER.search(cleaned)
    assert redacted(cleaned) == (cleaned, {})


@pytest.mark.parametrize(
    "text",
    [
        "We decided to store passwords with argon2id and to rotate tokens every 24 hours.",
        "The password is read from Vault at secret/data/shop/db, not from the environment.",
        "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b fixed the token refresh",
        "API_KEY must be set in .env; password: required; token=str; max_tokens=1500",
        'password: str = Field(min_length=12); token = os.environ["TOKEN"]; key=config.api_key',
        "SECRET_KEY=${SECRET_KEY} password=<password> PASSWORD=$PW",
        "http://localhost:8080/a@b and https://user@host/ and git@github.com:foo/bar.git",
        "id 550e8400-e29b-41d4-a716-446655440000",
    ],
)
def test_what_only_speaks_of_secrets_stays(text: str) -> None:
    assert redacted(text) == (text, {})


def test_a_key_block_is_removed_as_a_whole() -> None:
    block = (
        "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIOxuOV9U\nAwEHoUQD\n-----END EC PRIVATE KEY-----"
    )
    assert redacted(f"before\n{block}\nafter") == (
        "before\n[redacted: private key]\nafter",
        {"private key": 1},
    )


def test_a_value_is_removed_wherever_it_stands() -> None:
    cleaned, kinds = redacted("password: hunter2-Trombone\nhunter2-Trombone does not work")
    assert kinds == {"password": 2}
    assert "Trombone" not in cleaned


def test_an_ordinary_word_is_removed_only_where_it_is_a_password() -> None:
    cleaned, _ = redacted('password="dragon"; the dragon is our mascot')
    assert cleaned == 'password="[redacted: password]"; the dragon is our mascot'
