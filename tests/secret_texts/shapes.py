"""Made-up secrets of the right shape, with a checksum where a service puts one into tokens."""

import base64
import hashlib
import hmac
import json
import random
import string
import textwrap
import zlib
from collections.abc import Callable

Random = random.Random
Maker = Callable[[Random], str]

_LOWER_DIGITS = string.ascii_lowercase + string.digits
_ALPHANUMERIC = string.ascii_letters + string.digits
_BASE32 = string.ascii_uppercase + "234567"
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_URL_SAFE = _ALPHANUMERIC + "_-"
_WORDS = [
    "amber", "anchor", "badger", "birch", "canyon", "cobalt", "copper", "cricket", "dolphin",
    "ember", "falcon", "forest", "garnet", "harbor", "hazel", "indigo", "juniper", "kestrel",
    "lantern", "lemon", "magnet", "maple", "meadow", "nickel", "orchid", "otter", "pepper",
    "pigeon", "quartz", "raven", "river", "saffron", "silver", "sparrow", "tango", "timber",
    "tulip", "velvet", "walnut", "willow", "winter", "zebra",
]  # fmt: skip


def chars(rng: Random, alphabet: str, n: int) -> str:
    return "".join(rng.choices(alphabet, k=n))


def digits(rng: Random, n: int) -> str:
    return chars(rng, "123456789", 1) + chars(rng, string.digits, n - 1)


def hex_of(rng: Random, n_characters: int) -> str:
    return chars(rng, "0123456789abcdef", n_characters)


def base64_of(rng: Random, n_bytes: int) -> str:
    return base64.b64encode(rng.randbytes(n_bytes)).decode()


def uuid_of(rng: Random) -> str:
    value = hex_of(rng, 32)
    return "-".join((value[:8], value[8:12], "4" + value[13:16], "a" + value[17:20], value[20:]))


def _url_safe(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _with_crc32(prefix: str, body: str) -> str:
    """As GitHub and npm do: six characters of base 62 over what stands behind the prefix."""
    number, check = zlib.crc32(body.encode()), ""
    while number:
        number, digit = divmod(number, 62)
        check = _BASE62[digit] + check
    return prefix + body + check.rjust(6, "0")


def github(rng: Random) -> str:
    if rng.random() < 0.3:
        return f"github_pat_11{chars(rng, _ALPHANUMERIC, 20)}_{chars(rng, _ALPHANUMERIC, 59)}"
    return _with_crc32(rng.choice(["ghp_", "gho_", "ghs_", "ghr_"]), chars(rng, _ALPHANUMERIC, 30))


def gitlab(rng: Random) -> str:
    return rng.choice(["glpat-", "gldt-", "glptt-", "glrt-"]) + chars(rng, _URL_SAFE, 20)


def aws_id(rng: Random) -> str:
    return rng.choice(["AKIA", "ASIA"]) + chars(rng, _BASE32, 16)


def aws_secret(rng: Random) -> str:
    return base64_of(rng, 30)


def slack(rng: Random) -> str:
    kind = rng.choice(["xoxb", "xoxp", "xapp-1"])
    return f"{kind}-{digits(rng, 12)}-{digits(rng, 12)}-{chars(rng, _ALPHANUMERIC, 24)}"


def chat_webhook(rng: Random) -> str:
    return rng.choice(
        [
            "https://hooks.slack.com/services/"
            f"T{chars(rng, _BASE32, 8)}/B{chars(rng, _BASE32, 10)}/{chars(rng, _ALPHANUMERIC, 24)}",
            f"https://discord.com/api/webhooks/{digits(rng, 18)}/{chars(rng, _URL_SAFE, 68)}",
            f"https://acme.webhook.office.com/webhookb2/{uuid_of(rng)}@{uuid_of(rng)}"
            f"/IncomingWebhook/{hex_of(rng, 32)}/{uuid_of(rng)}",
        ]
    )


def stripe(rng: Random) -> str:
    kind = rng.choice(["sk_live_", "rk_live_", "sk_test_", "whsec_"])
    return kind + chars(rng, _ALPHANUMERIC, rng.choice([24, 32, 99]))


def google(rng: Random) -> str:
    return rng.choice(
        [
            "AIza" + chars(rng, _URL_SAFE, 34) + rng.choice(_ALPHANUMERIC),
            "GOCSPX-" + chars(rng, _ALPHANUMERIC, 28),
            "ya29." + chars(rng, _URL_SAFE, 60),
        ]
    )


def azure_key(rng: Random) -> str:
    return base64_of(rng, 64)


def azure_client(rng: Random) -> str:
    return f"{chars(rng, _ALPHANUMERIC, 3)}8Q~{chars(rng, _ALPHANUMERIC, 34)}"


def model_provider(rng: Random) -> str:
    return rng.choice(
        [
            f"sk-proj-{chars(rng, _URL_SAFE, 74)}T3BlbkFJ{chars(rng, _URL_SAFE, 74)}",
            f"sk-{chars(rng, _ALPHANUMERIC, 20)}T3BlbkFJ{chars(rng, _ALPHANUMERIC, 20)}",
            f"sk-ant-api03-{chars(rng, _URL_SAFE, 93)}AA",
            "hf_" + chars(rng, string.ascii_letters, 34),
            "gsk_" + chars(rng, _ALPHANUMERIC, 52),
            "sk-or-v1-" + hex_of(rng, 64),
            "pplx-" + chars(rng, _ALPHANUMERIC, 48),
            "nvapi-" + chars(rng, _URL_SAFE, 64),
            "r8_" + chars(rng, _ALPHANUMERIC, 37),
        ]
    )


def package_index(rng: Random) -> str:
    if rng.random() < 0.5:
        return _with_crc32("npm_", chars(rng, _ALPHANUMERIC, 30))
    return "pypi-" + _url_safe(b"\x02\x01\x08pypi.org\x02$" + rng.randbytes(90))


def mail_service(rng: Random) -> str:
    return rng.choice(
        [
            f"SG.{chars(rng, _URL_SAFE, 22)}.{chars(rng, _URL_SAFE, 43)}",
            f"key-{hex_of(rng, 32)}",
            f"xkeysib-{hex_of(rng, 64)}-{chars(rng, _ALPHANUMERIC, 16)}",
            f"re_{chars(rng, _ALPHANUMERIC, 8)}_{chars(rng, _ALPHANUMERIC, 24)}",
            f"{hex_of(rng, 32)}-us{rng.randint(10, 21)}",
        ]
    )


def hosting(rng: Random) -> str:
    return rng.choice(
        [
            "dop_v1_" + hex_of(rng, 64),
            f"HRKU-{uuid_of(rng)}",
            "shpat_" + hex_of(rng, 32),
            "lin_api_" + chars(rng, _ALPHANUMERIC, 40),
            f"ntn_{digits(rng, 11)}{chars(rng, _ALPHANUMERIC, 35)}",
            "dckr_pat_" + chars(rng, _URL_SAFE, 27),
            f"glsa_{chars(rng, _ALPHANUMERIC, 32)}_{hex_of(rng, 8)}",
            f"NRAK-{chars(rng, _BASE32, 27)}",
            f"pul-{hex_of(rng, 40)}",
            f"sntrys_{_url_safe(rng.randbytes(60))}_{chars(rng, _ALPHANUMERIC, 43)}",
            f"figd_{chars(rng, _URL_SAFE, 40)}",
            f"PMAK-{hex_of(rng, 24)}-{hex_of(rng, 34)}",
            f"sbp_{hex_of(rng, 40)}",
            f"CCIPAT_{chars(rng, _ALPHANUMERIC, 22)}_{hex_of(rng, 40)}",
            f"fio-u-{chars(rng, _URL_SAFE, 64)}",
            f"dapi{hex_of(rng, 32)}",
            f"ATATT3xFfGF0{chars(rng, _URL_SAFE, 170)}",
            f"pscale_tkn_{chars(rng, _URL_SAFE, 43)}",
            f"tskey-auth-{chars(rng, _ALPHANUMERIC, 12)}CNTRL-{chars(rng, _ALPHANUMERIC, 32)}",
            f"sgp_{hex_of(rng, 40)}",
            f"rubygems_{hex_of(rng, 48)}",
            f"EAACEdEose0cBA{chars(rng, _ALPHANUMERIC, 60)}",
        ]
    )


def vault(rng: Random) -> str:
    return rng.choice(
        [
            "hvs." + chars(rng, _URL_SAFE, 95),
            f"{chars(rng, _ALPHANUMERIC, 14)}.atlasv1.{chars(rng, _URL_SAFE, 67)}",
            "dp.st.prd." + chars(rng, _ALPHANUMERIC, 43),
            "ops_" + _url_safe(b'{"signInAddress":"my.1password.com"' + rng.randbytes(200)),
        ]
    )


def telegram(rng: Random) -> str:
    return f"{digits(rng, 10)}:AA{chars(rng, _URL_SAFE, 33)}"


def jwt(rng: Random) -> str:
    """Signed, with a key that nobody kept."""
    claims = {"sub": digits(rng, 8), "iat": 1_700_000_000 + rng.randrange(10**7), "role": "admin"}
    parts = ({"alg": "HS256", "typ": "JWT"}, claims)
    signed = ".".join(_url_safe(json.dumps(p, separators=(",", ":")).encode()) for p in parts)
    mac = hmac.digest(rng.randbytes(32), signed.encode(), hashlib.sha256)
    return f"{signed}.{_url_safe(mac)}"


def _armoured(label: str, der: bytes) -> str:
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----"


def private_key(rng: Random) -> str:
    """The Ed25519 ones are keys; the others have the envelope of one around noise."""
    ed25519 = bytes.fromhex("302e020100300506032b657004220420")
    return rng.choice(
        [
            _armoured("PRIVATE KEY", ed25519 + rng.randbytes(32)),
            _armoured("EC PRIVATE KEY", bytes.fromhex("30770201010420") + rng.randbytes(114)),
            _armoured(
                "RSA PRIVATE KEY", bytes.fromhex("3082025c02010002818100") + rng.randbytes(600)
            ),
            _armoured("OPENSSH PRIVATE KEY", b"openssh-key-v1\0" + rng.randbytes(300)),
            _armoured("PGP PRIVATE KEY BLOCK", rng.randbytes(400)),
        ]
    )


def service_account_key(rng: Random) -> str:
    """As it stands in the JSON file that a cloud gives out."""
    key = _armoured("PRIVATE KEY", bytes.fromhex("308204bd020100") + rng.randbytes(900)) + "\n"
    return json.dumps(key)[1:-1]


def password(rng: Random) -> str:
    """As people and generators make them."""
    words = [rng.choice(_WORDS) for _ in range(3)]
    return rng.choice(
        [
            f"{words[0].title()}{rng.randrange(10, 9999)}{rng.choice('!#?$')}",
            f"{words[0]}-{words[1]}-{words[2]}",
            f"{words[0].title()}_{words[1]}{rng.randrange(1950, 2030)}",
            chars(rng, _ALPHANUMERIC, 12) + rng.choice("!%+"),
            chars(rng, _ALPHANUMERIC, rng.choice([10, 16, 20])),
            f"{words[0][0].upper()}{words[0][1:].replace('e', '3').replace('a', '4')}#{rng.randrange(99)}",
            chars(rng, _ALPHANUMERIC + "!#%+=?*^", 18),
        ]
    )


def strong_password(rng: Random) -> str:
    """Of which a URL needs no escapes."""
    return rng.choice(_ALPHANUMERIC) + chars(rng, _ALPHANUMERIC + "-._~!", 14) + rng.choice("abXY9")


def hex_key(rng: Random) -> str:
    return hex_of(rng, rng.choice([32, 40, 48, 64]))


def base64_key(rng: Random) -> str:
    return base64_of(rng, rng.choice([24, 32, 48]))


def unknown_token(rng: Random) -> str:
    """Of a service that no rule knows."""
    prefix = rng.choice(["zq_live_", "kx-", "mytok_", "", "", "acme."])
    return prefix + chars(rng, _ALPHANUMERIC, rng.choice([24, 32, 40]))


def wireguard(rng: Random) -> str:
    return base64_of(rng, 32)


def otp_seed(rng: Random) -> str:
    return chars(rng, _BASE32, 32)


def age(rng: Random) -> str:
    return "AGE-SECRET-KEY-1" + chars(rng, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)


def docker_auth(rng: Random) -> str:
    return base64.b64encode(f"robot:{chars(rng, _ALPHANUMERIC, 20)}".encode()).decode()


def signature(rng: Random) -> str:
    return hex_of(rng, 64)
