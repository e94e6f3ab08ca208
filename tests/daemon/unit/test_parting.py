"""What of a credential is sealed, and what stays its description."""

from typing import Any

import pytest

from cco_knowledge.credentials.parting import MARK, parted
from cco_knowledge.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("The password of the staging database is hunter2!Xy.", "hunter2!Xy"),
        ("login bob / Sommer2024! on staging-db-01", "Sommer2024!"),
        ("password is swordfish.", "swordfish"),
        ("PIN: 4711", "4711"),
        ("pin 4711 for the door", "4711"),
        ("Das Passwort lautet geheim99", "geheim99"),
        ("clave: tortuga", "tortuga"),
        ("пароль: жёлтый2024", "жёлтый2024"),
        ("パスワード\uff1ahimitsu77", "himitsu77"),
        ("passphrase: correct horse battery staple", "correct horse battery staple"),
        ('password: "my dog has fleas"', "my dog has fleas"),
        ("password: $ecr3t!", "$ecr3t!"),
        ("postgres://app:s3cr3tpw@db.example.com:5432/shop", "s3cr3tpw"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
        ("AWS key=AAAA1111bbbb and token=CCCC2222dddd", "AAAA1111bbbb\nCCCC2222dddd"),
    ],
)
def test_the_value_is_taken_whole_and_its_place_marked(text: str, value: str) -> None:
    found = parted(text, {})
    assert found.value == value
    lines = iter(value.split("\n"))
    assert text == "".join(
        part + next(lines, "") for part in found.text.replace(MARK, f"{MARK}\0").split("\0")
    ).replace(MARK, "")
    assert parted(found.text, {}) == (found.text, {}, None)


@pytest.mark.parametrize(
    "text",
    [
        "The credentials are in the vault of the team.",
        "The token is stored in 1Password under staging.",
        "The token is expired.",
        "API key for PostgreSQL16, rotated on 2024-05-02: see the runbook",
        "Ask Alice for the admin password",
        "password=${DB_PASSWORD} comes from the environment",
        "The key lies in /etc/ssl/private/server.key on db.example.com:5432",
        f"The password is {MARK} and the token {MARK}",
    ],
)
def test_a_description_stays_as_it_is(text: str) -> None:
    assert parted(text, {"owner": "ada", "n": 1}) == (text, {"owner": "ada", "n": 1}, None)


def test_metadata_may_name_the_value_or_hold_it() -> None:
    given: dict[str, Any] = {"value": "a b", "note": "not a b", "n": [1.0, None]}
    assert parted("The door", given) == (
        "The door",
        {**given, "value": MARK, "note": "not [sealed]"},
        "a b",
    )
    assert parted("Staging", {"db": [{"password": "open"}]}) == (
        "Staging",
        {"db": [{"password": MARK}]},
        "open",
    )
    assert parted("The door", {"value": MARK}).value is None
    with pytest.raises(InvalidInput):
        parted("The door", {"value": 4711})


def test_a_text_that_is_a_list_of_secrets_is_refused() -> None:
    with pytest.raises(InvalidInput):
        parted("\n".join(f"pin {number}" for number in range(1000, 1200)), {})
