"""Tokens that services give a shape of their own, keys in blocks, and long noise. Pure."""

import re
from collections.abc import Iterator

from cco_knowledge.secret_values.values import is_harmless, is_hex, is_noise

Place = tuple[str, int, int]
NOISE = "random value"

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?:[^-]|-(?!----)){0,16000}+-----END [A-Z0-9 ]{0,40}KEY(?: BLOCK)?-----"
    r"|(?:[^-\n]|-(?!----)|\n(?!\s*\n)){0,16000}+)"  # cut off: up to the next empty line
)
_RUN = re.compile(r"[A-Za-z0-9_~+/=.:%-]{16,}")
"""What may hold a token; prose has hardly any."""
_SHAPES = {
    "github token": r"gh[opsur]_\w{20,255}|github_pat_\w{22,255}",
    "gitlab token": r"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat|oas|ffct)-[\w-]{18,255}",
    "aws key": r"(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z2-7]{16}(?![A-Za-z0-9])"
    r"|ABSK[\w+/]{80,}={0,2}",
    "google key": r"AIza[\w-]{32,}|GOCSPX-[\w-]{20,}|ya29\.[\w-]{20,}|1//0[\w-]{40,}",
    "azure secret": r"[\w.~]{3}\dQ~[\w.~-]{30,}",
    "slack token": r"xox[abeoprs]-[\w-]{10,}|xapp-[\w-]{10,}|xoxe\.xox[bp]-[\w-]{20,}",
    "stripe key": r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[\w+/=]{16,}",
    "model provider key": (
        r"sk-(?:proj-|ant-|or-|svcacct-|admin-|api-|lf-)?[\w-]{20,}|csk-\w{30,}|gsk_\w{40,}"
        r"|hf_[A-Za-z]{30,}|api_org_\w{30,}|pplx-\w{40,}|nvapi-[\w-]{50,}|r8_\w{30,}|xai-\w{60,}"
        r"|tvly-[\w-]{20,}|fw_\w{20,}|jina_\w{40,}|lsv2_(?:pt|sk)_\w{30,}|pcsk_\w{40,}|nyk_\w{40,}"
        r"|sk_car_\w{20,}|BSA[\w-]{24,40}"
    ),
    "package index token": r"npm_\w{30,}|pypi-[\w-]{40,}|rubygems_\w{40,}"
    r"|CLOJARS_\w{40,}|oy2[a-z0-9]{43}",
    "mail service key": (
        r"SG\.[\w-]{16,64}+\.[\w-]{16,}|key-[0-9a-f]{32}|xkeysib-\w{40,}(?:-\w+)?|xsmtpsib-[\w-]{40,}"
        r"|re_\w{8}_\w{20,}|[0-9a-f]{32}-us\d{1,2}|pubkey-[0-9a-f]{32}"
    ),
    "vault token": (
        r"hv[sbr]\.[\w-]{20,}|[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,}|dp\.(?:st|pt|ct|scim|audit)\."
        r"[\w.]{30,}|ops_eyJ[\w+/=-]{60,}|A3-[A-Z0-9]{6}-[A-Z0-9-]{20,}"
    ),
    "service token": (
        r"do[opr]_v1_\w{40,}|HRKU-[\w-]{30,}|shp(?:at|ss|ca|pa)_\w{30,}|lin_(?:api|oauth)_\w{30,}"
        r"|(?:ntn|secret)_\w{40,}|dckr_(?:pat|oat)_[\w-]{20,}|gl(?:sa|c)_[\w+/=]{30,}"
        r"|NR(?:AK|II|JS)-[\w-]{19,}|pul-[0-9a-f]{40}|sntry[su]_[\w+/=-]{30,}|figd_[\w-]{30,}"
        r"|figu_[\w-]{30,}|PMAK-[\w-]{50,}|sbp_\w{40,}|sb_secret_[\w-]{20,}|CCI(?:PAT|PRJ)_\w{40,}"
        r"|f(?:io-u|o1|m\d)[-_][\w+/=-]{40,}|dapi[0-9a-f]{32}|ATAT\w[\w=-]{60,}|ATBB\w{28,}"
        r"|ATCTT3\w[\w=-]{60,}|pscale_(?:tkn|pw|oauth)_[\w=.-]{30,}|tskey-[\w-]{20,}|sgp_\w{40,}"
        r"|EAA[A-Za-z0-9]{40,}|AKCp\w{60,}|cmVmd\w{50,}|apify_api_\w{30,}|pat\w{14}\.[0-9a-f]{64}"
        r"|LTAI\w{16,}|BBDC-[\w+/=]{32,}|bk(?:ua|aa|ct|pat|ps)_[\w-]{40,}|cf[ua]t_\w{40,}"
        r"|v1\.0-[0-9a-f]{24}-\w{100,}|nfp_\w{36,}|napi_\w{40,}|mdb_sa_sk_[\w-]{30,}"
        r"|ph[cx]_[\w-]{40,}|pnu_\w{36}|rdme_\w{60,}|rzp_(?:live|test)_\w{14}|sha256~[\w-]{40,}"
        r"|sq0(?:atp|csp)-[\w-]{22,}|EAAA[\w-]{60}|shippo_(?:live|test)_\w{40}|tfp_[\w-]{40,}"
        r"|hvp\.[\w-]{20,}|vercel_\w{24,}|flb_live_\w{20,}|duffel_(?:live|test)_[\w=-]{40,}"
        r"|PRIVATE-KEY-\w{40,}|AIK_\w{28,}|API-[A-Z0-9]{26}"
        r"|polar_[a-z]{2,3}_[\w-]{20,}|os_v2_\w{80,}|sq0idp-[\w-]{22,}|whr_\w{30,}|sl\.[\w-]{100,}"
    ),
    "telegram token": r"\d{8,10}:AA[\w-]{32,}",
    "age key": r"AGE-SECRET-KEY-1\w{50,}",
    "json web token": r"eyJ[\w-]{8,500}+\.eyJ[\w-]{8,4000}+\.[\w-]{8,}",
}
KINDS = (*_SHAPES, "private key", "webhook", NOISE)
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:" + "|".join(f"({shape})" for shape in _SHAPES.values()) + ")"
)
_WEBHOOK = re.compile(
    r"https://(?:hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/"
    r"webhooks/|[a-z0-9.-]{1,80}\.webhook\.office\.com/webhookb2/|hooks\.zapier\.com/hooks/catch/"
    r"|maker\.ifttt\.com/trigger/|outlook\.office\.com/webhook/|chat\.googleapis\.com/v1/spaces/)"
    r"([\w/@.=?&%~-]{16,400})"
)
_MOST_OF_A_VALUE_CHARACTERS = 120
"""What is longer, without a shape, is data."""
_CORE = re.compile(r"[A-Za-z0-9]{20,200}")
_IN_A_PATH = re.compile(r"/[\w+=.-]*$")
_BEFORE_CHARACTERS = 40
_SAYS_WHAT_IT_IS = re.compile(
    r"(?:commit|sha\d*|digest|hash|checksum|md5|rev(?:ision)?|\bids?|uuid|image|tree|trace|fingerprint"
    r"|public key|client|ulid|ksuid|integrity|cursor|etag|nonce)[^\w,]{0,4}(?:\w+\W{1,2}){0,2}$",
    re.IGNORECASE,
)
_IDS = re.compile(r"(?:^|[^A-Za-z0-9])(?:[a-z]{2,8}_|pk_(?:test|live)_)$")


def found(text: str) -> Iterator[Place]:
    if "PRIVATE KEY" in text:
        for match in _PRIVATE_KEY.finditer(text):
            yield "private key", match.start(), match.end()
    if "https://" in text:
        for match in _WEBHOOK.finditer(text):
            yield "webhook", match.start(1), match.end(1)
    for run in _RUN.finditer(text):
        yield from _in_run(text, run.start(), run.end())


def _in_run(text: str, start: int, end: int) -> Iterator[Place]:
    known = False
    for token in _TOKEN.finditer(text, start, end):
        known = True
        if not is_harmless(token[0]):
            yield KINDS[(token.lastindex or 1) - 1], token.start(), token.end()
    if known or end - start > _MOST_OF_A_VALUE_CHARACTERS:
        return
    for core in _CORE.finditer(text, start, end):
        if (
            is_noise(core[0])
            and not is_hex(core[0])
            and not _is_known_to_be_plain(text, core.start(), core.end())
        ):
            yield NOISE, core.start(), core.end()


def _is_known_to_be_plain(text: str, start: int, end: int) -> bool:
    """Part of a path or of data, or called something that everybody may know."""
    before = text[max(0, start - _BEFORE_CHARACTERS) : start]
    return bool(
        text[end : end + 1] in {"/", "+", "@", "("}
        or before.endswith("+")
        or _IN_A_PATH.search(before)
        or _IDS.search(before)
        or _SAYS_WHAT_IT_IS.search(before)
    )
