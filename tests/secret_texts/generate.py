"""Makes positives.json and negatives.json anew: `PYTHONPATH=tests python -m secret_texts.generate`.

The same seed gives the same files; pieces of this project stay as they were when the set was made.
No value in them was ever anybody's.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from secret_texts import labelled, negatives, shapes
from secret_texts import surroundings as around

SEED = 20261127
_FOLDER = Path(__file__).parent
_EACH = 8
_PART_CHARACTERS = 7
_HALVES = ("dev", "test")
_NAMES = [
    "billing", "checkout", "grafana", "jenkins", "orders", "search", "mailer", "catalog",
    "warehouse", "gateway", "ledger", "metrics", "payments", "reports", "tracker", "uploader",
]  # fmt: skip

KINDS: dict[str, tuple[shapes.Maker, tuple[str, ...]]] = {
    "github token": (shapes.github, around.TOKEN),
    "gitlab token": (shapes.gitlab, around.TOKEN),
    "aws access key id": (shapes.aws_id, around.TOKEN),
    "aws secret access key": (shapes.aws_secret, around.AWS_SECRET),
    "azure storage key": (shapes.azure_key, around.AZURE_KEY),
    "azure client secret": (shapes.azure_client, around.TOKEN),
    "google key": (shapes.google, around.TOKEN),
    "service account key": (shapes.service_account_key, around.SERVICE_ACCOUNT),
    "slack token": (shapes.slack, around.TOKEN),
    "webhook": (shapes.chat_webhook, around.TOKEN),
    "stripe key": (shapes.stripe, around.TOKEN),
    "model provider key": (shapes.model_provider, around.TOKEN),
    "package index token": (shapes.package_index, around.TOKEN),
    "mail service key": (shapes.mail_service, around.TOKEN),
    "hosting token": (shapes.hosting, around.TOKEN),
    "hosting token 2": (shapes.hosting, around.TOKEN),
    "vault token": (shapes.vault, around.TOKEN),
    "telegram bot token": (shapes.telegram, around.TOKEN),
    "unknown token": (shapes.unknown_token, around.TOKEN),
    "json web token": (shapes.jwt, around.TOKEN),
    "private key": (shapes.private_key, around.BLOCK),
    "age key": (shapes.age, around.TOKEN),
    "wireguard key": (shapes.wireguard, around.WIREGUARD),
    "otp seed": (shapes.otp_seed, around.OTP),
    "password in a url": (shapes.strong_password, around.URL_WITH_PASSWORD),
    "connection string": (shapes.strong_password, around.CONNECTION_STRING),
    "password in prose": (shapes.password, around.PASSWORD_IN_PROSE),
    "password in an environment": (shapes.password, around.PASSWORD_IN_ENV),
    "password in yaml": (shapes.password, around.PASSWORD_IN_YAML),
    "password in json": (shapes.password, around.PASSWORD_IN_JSON),
    "password in a command": (shapes.strong_password, around.PASSWORD_IN_COMMAND),
    "password in code": (shapes.password, around.PASSWORD_IN_CODE),
    "hex key": (shapes.hex_key, around.HEX_OR_BASE64_KEY),
    "base64 key": (shapes.base64_key, around.HEX_OR_BASE64_KEY),
    "basic header": (shapes.docker_auth, around.BASIC_HEADER),
    "cookie or signature": (shapes.signature, around.COOKIE_OR_SIGNATURE),
    "token in an rc file": (shapes.unknown_token, around.RC_FILE),
}


def main() -> None:
    pieces = [one for one in labelled.negatives() if one["kind"] == negatives.THIS_PROJECT]
    made = list(negatives.all_of(random.Random(SEED + 1)))
    _write("positives.json", list(positives()))
    _write("negatives.json", [*made, *pieces])


def positives() -> Iterator[dict[str, Any]]:
    """Kinds with many surroundings take them in turn, so that both halves see different ones."""
    for number, (kind, (make, templates)) in enumerate(KINDS.items()):
        rng = random.Random(f"{SEED} {kind}")
        for at in range(_EACH if templates is around.TOKEN else len(templates)):
            template = templates[(number * _EACH + at) % len(templates)]
            secret = make(rng)
            before, _, after = template.partition("@")
            yield {
                "kind": kind.removesuffix(" 2"),
                "half": _HALVES[at % 2],
                "before": _named(before, rng),
                "secret": [
                    secret[i : i + _PART_CHARACTERS]
                    for i in range(0, len(secret), _PART_CHARACTERS)
                ],
                "after": _named(after, rng),
            }


def _named(text: str, rng: random.Random) -> str:
    while "~" in text:
        text = text.replace("~", rng.choice(_NAMES), 1)
    return text


def _write(name: str, values: list[dict[str, Any]]) -> None:
    lines = ",\n".join(json.dumps(value, ensure_ascii=False) for value in values)
    (_FOLDER / name).write_text(f"[\n{lines}\n]\n", "utf-8")


if __name__ == "__main__":
    main()
