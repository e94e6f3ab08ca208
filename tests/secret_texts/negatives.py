"""What looks like a secret, or speaks of one, and is none."""

import base64
import hashlib
import random
import string
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from secret_texts.shapes import base64_of, chars, digits, hex_of, uuid_of

_ALPHANUMERIC = string.ascii_letters + string.digits
THIS_PROJECT = "this project"
"""The kind of pieces of code and documentation of this project."""

# `#` is a hexadecimal digest of 40, `##` of 64, `$` a UUID, `%` 44 characters of Base64.
_HASHES = (
    "commit # fixed the token refresh",
    "git revert #, the password form broke",
    "Merge: # into main; see the secret scanner's log",
    "The regression came with #.",
    "image: registry.example/app@sha256:##",
    "FROM python:3.12-slim@sha256:##",
    "sha256sum: ##  kmctl-0.1.0.tar.gz",
    "--hash=sha256:## \\\n    --hash=sha256:##",
    '"integrity": "sha512-%%"',
    'checksum = "##"',
    "github.com/pkg/errors v0.9.1 h1:%",
    'ETag: "#"',
    "blob # 1024\ntree #",
    "docker ps shows ## as the container id",
    "container ## exited with 137",
    "cache key: node-modules-##",
    "digest=## size=1834",
    "layer sha256:##: Pull complete",
    "https://github.com/acme/shop/commit/#",
    "https://github.com/acme/shop/blob/#/src/auth/token.py",
    "actions/checkout@# # v4.1.1",
    "Subject key identifier: #",
    "SHA256:%  fingerprint of the host key",
    "nix store path /nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-hello-2.12.1",
    "trace_id=5b8aa5a2d2c872e8321cf37308d69df2 span_id=051581bf3cb55c13",
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "model sha256 ## (22 MB)",
    "Der Commit # hat den Fehler eingeführt.",
    "El commit # rompió el inicio de sesión.",
    "md5 of the dump: 9e107d9d372bb6826bd81d3542a419d6",
    "expected ## but got ##",
    "resolved https://registry.yarnpkg.com/left-pad/-/left-pad-1.3.0.tgz##",
    "git diff #..#",
    "object # is a tag",
    "parent # author Jane",
    "build id ##",
    "pinned to rev #",
    "sha1: #",
    "bundle main.#.js was not invalidated by the CDN",
    "the table version ## was dropped",
)
_IDS = (
    "request $ failed with 500",
    "user_id: $",
    '{"id": "$", "status": "active"}',
    "tenant $ has 12 seats",
    "AZURE_SUBSCRIPTION_ID=$",
    "client_id: $ (the public one)",
    "GET /v1/orders/$/items -> 404",
    "correlation id $",
    "Notification-Id: $",
    "/dev/disk/by-uuid/$ is mounted at /data",
    "session $ started at 10:30",
    "decision-1764180000123-a1b2c3d4e5f6 supersedes general-1764170000000-0f9e8d7c6b5a",
    "CLSID {$}",
    "the idempotency key is $, made by the client for each order",
    "trace $ in Grafana",
    "arn:aws:iam::123456789012:role/deploy-role",
    "arn:aws:kms:eu-west-1:123456789012:key/$",
    "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf",
    "projects/shop-prod/secrets/db-password/versions/3",
    "message id <CAF=abc1234DEF+xyz@mail.example>",
    "Slack channel C024BE91L, user U012AB3CD",
    "Stripe customer cus_9s6XKzkNRiz8i3, payment pi_3MtwBwLkdIwHu7ix28a3tqPa, price price_1MoBy5LkdIwHu7ixZhnattbh",
    "publishable key pk_test_TYooMQauvdEDq54NiTphI7jx goes into the page",
    "sentry DSN https://examplePublicKey@o0.ingest.sentry.io/0",
    "ULID 01ARZ3NDEKTSV4RRFFQ69G5FAV sorts by time",
    "KSUID 0ujtsYcgvSTl8PAuAdqWYSMnLOv",
    'ObjectId("507f1f77bcf86cd799439011")',
    "i-0abcd1234efgh5678 in subnet-0bb1c79de3EXAMPLE",
    "jobs run 8123991237 in pipeline 4417723001",
    "ISBN 978-3-16-148410-0",
)
_PLACEHOLDERS = (
    "export API_KEY=<your-key>",
    "API_KEY=$API_KEY",
    "password: ${DB_PASSWORD}",
    "password: {{ vault_db_password }}",
    "token: ${{ secrets.GITHUB_TOKEN }}",
    "PASSWORD=changeme",
    "DB_PASSWORD=<password>",
    'api_key = "YOUR_API_KEY"',
    'api_key="your-api-key-here"',
    "OPENAI_API_KEY=sk-...",
    "OPENAI_API_KEY=sk-xxxxxxxxxxxxxxxxxxxxxxxx",
    "Authorization: Bearer <token>",
    "Authorization: Bearer $TOKEN",
    'headers = {"Authorization": f"Bearer {token}"}',
    "curl -H 'Authorization: Bearer ...' https://api.example",
    "postgres://user:password@localhost/db",
    "postgres://$USER:$PASS@$HOST/db",
    "postgresql://<user>:<password>@<host>:5432/<db>",
    "https://user:pass@example.com",
    "mysql -u root -p",
    "mysql -u root -p$MYSQL_PWD shop",
    "password=********",
    "password: ********",
    "secret: [redacted]",
    "token: ***",
    "Set password to the value from 1Password.",
    "AWS_SECRET_ACCESS_KEY=...",
    "aws_secret_access_key = <secret>",
    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx is what a token looks like",
    "token = os.environ['GITHUB_TOKEN']",
    "const token = process.env.API_TOKEN;",
    "password = getpass.getpass()",
    'password = config["password"]',
    "password: !vault |",
    "password: ref+vault://secret/data/db#password",
    "DB_PASSWORD=op://vault/db/password",
    "secret = settings.SECRET_KEY",
    "secretKeyRef:\n  name: db\n  key: password",
    "valueFrom:\n  secretKeyRef:\n    name: app-secrets\n    key: api-token",
    "PGPASSWORD=%PGPASSWORD% psql",
    "--password-stdin < token.txt",
    "--token-file /run/secrets/token",
    "password_file: /run/secrets/db_password",
    "docker login -u AWS --password-stdin",
    "login(username, password)",
    "password: string;",
    "password: str = Field(min_length=12)",
    "passwordHash: string | null",
    "token?: string",
    "def verify(token: str, secret: bytes) -> bool:",
    "secret: SecretStr",
    'var token = "";',
    "password = None",
    "password: null",
    '{"password": ""}',
    '{"token": null, "password": false}',
    "password: required",
    "token: optional",
    "api_key: TODO",
    "PASSWORD=<redacted>",
    "password: (see 1Password)",
    "the token is in ~/.config/gh/hosts.yml",
    'private_key = file("${path.module}/id_rsa")',
    "private_key: /etc/ssl/private/server.key",
    "ssl_key=/etc/letsencrypt/live/example/privkey.pem",
    "token_url: https://login.example/oauth/token",
    "secret_name: prod/db",
    "key: value",
    "key: user_profile_cache",
    "primary_key=order_id",
    "foreign_key: customer_id",
    "sort key: created_at",
    "max_tokens=4096",
    "token_budget: 1500",
    "tokens_per_minute = 90000",
    "password_min_length: 12",
    "password_reset_timeout=3600",
    "num_tokens: 128",
)
_PROSE = (
    "We decided to hash passwords with argon2id and to rotate tokens every 24 hours.",
    "The password is read from Vault at secret/data/shop/db, not from the environment.",
    "Never store API keys in the repository; use the secret manager.",
    "The access token expires after 15 minutes, the refresh token after 30 days.",
    "Password reset links are valid for one hour.",
    "The login page accepts user name and password, then asks for a one-time code.",
    "A secret is only a secret as long as nobody writes it down.",
    "Tokens are stored as SHA-256 hashes and compared in constant time.",
    "The API key belongs in the header X-Api-Key, not in the query.",
    "Users complained that the password is too long for the field.",
    "The password was wrong, so the login failed with 401.",
    "The password for the test user is documented in the wiki.",
    "The token is invalid because the clock of the container is off by five minutes.",
    "The secret is mounted as a file under /run/secrets.",
    "Passwords must have at least twelve characters.",
    "The credentials are rotated by the operator each quarter.",
    "Das Passwort wird mit bcrypt gehasht.",
    "Das Passwort ist zu kurz, deshalb schlägt die Anmeldung fehl.",
    "Der Token läuft nach einer Stunde ab.",
    "Der API-Schlüssel wird aus dem Tresor gelesen.",
    "La contraseña se guarda cifrada en la base de datos.",
    "La contraseña es obligatoria en producción.",
    "La clave es mantener los servicios pequeños.",
    "Le mot de passe est stocké dans le coffre.",
    "A senha é obrigatória e expira em noventa dias.",
    "Пароль хранится в виде хеша.",
    "密码以哈希形式存储。",
    "パスワードはハッシュ化して保存する。",
    "Use bearer authentication for the internal API.",
    "Bearer tokens travel in the Authorization header.",
    "Basic authentication is switched off since March.",
    "The key to good latency is to keep the working set in memory.",
    "The private key never leaves the hardware module.",
    "The public key is published under /.well-known/jwks.json.",
    "Secret scanning runs before each push.",
    "We pass the token through an environment variable called SHOP_TOKEN.",
    "The cookie holds only a session id; the session lives in Redis.",
    "The password policy was relaxed: no forced rotation any more.",
    "Root login with password is disabled, only keys are accepted.",
    "Set the password with passwd before the first login.",
    "Authentication: OAuth 2.0 with PKCE, token endpoint at /oauth/token.",
    "token: a unit of text for the model, about four characters.",
    "Password: at least 12 characters, one digit.",
    "Secret: managed by Terraform in the module secrets-manager.",
    "Passphrase: a sentence that only you know.",
    "API key rotation is described in docs/rotation.md.",
    "Access key: ask the platform team.",
    "The user logs in with email and password, the admin with a passkey.",
    "Credentials: see the vault entry shop-prod.",
    "Login with user and password is deprecated in favour of SSO.",
    "The token bucket has a capacity of 100 and refills at 10 per second.",
    "CSRF tokens are bound to the session.",
    "The tokenizer splits camelCase identifiers into words.",
    "Each worker gets a lease token with a monotonically increasing number.",
    "Our secret sauce is boring technology.",
    "The password field uses autocomplete=current-password.",
    "PIN pads are cleaned weekly.",
    "Pin the dependency to 3.2.1 until the bug is fixed.",
    "pass -p 8080:80 to docker run",
    "ssh -p 2222 deploy@build.example.com",
    "mkdir -p /srv/app/releases/2026-03-01T12",
    "cp -p config/settings.production.yml /etc/app/settings.yml",
    "tar -xzf release-2026.03.01.tar.gz -C /opt/app2",
    'curl -u "$USER:$TOKEN" https://api.example',
    "rsync -au src/ backup:/srv/data1/",
    'The error was `password authentication failed for user "app"`.',
    "FATAL: password authentication failed for user postgres",
    "fatal: could not read Password for 'https://git.example': terminal prompts disabled",
    "401 Unauthorized: token expired at 2026-03-01T12:00:00Z",
    "invalid_grant: refresh token revoked",
    'Error: secret "db-credentials" not found in namespace shop',
    "Access denied for user 'app'@'10.0.0.5' (using password: YES)",
    "WARN token validation failed: signature mismatch",
    "the handler logs token=present and never the token",
    "wireguard: the public key of the peer is %",
    "We keep secrets out of logs: the filter drops password, token, secret and authorization.",
)
_PLACES = (
    "/usr/lib/x86_64-linux-gnu/libcrypto.so.3.0.11",
    "~/.ssh/id_ed25519 and ~/.ssh/known_hosts",
    "/home/jane/projects/ShopBackend2/src/main/java/com/example/auth/TokenService.java",
    "C:\\Users\\jane\\AppData\\Local\\Programs\\Python\\Python312\\python.exe",
    "https://docs.example.com/en/v2.3/guides/authentication/tokens?tab=Python3#refresh",
    "http://localhost:8080/a@b and https://user@host/ and git@github.com:foo/bar.git",
    "10.0.12.7, 192.168.1.254:5432, fe80::1ff:fe23:4567:890a, 2001:db8:85a3::8a2e:370:7334",
    "MAC 00:1A:2B:3C:4D:5E and 3c:22:fb:9a:01:7d",
    "s3://shop-prod-eu/exports/2026/03/01/part-00000-tid-123.snappy.parquet",
    "node_modules/.pnpm/@babel+core@7.24.0/node_modules/@babel/core/lib/index.js",
    "/var/lib/docker/overlay2/3f9c1c7a5c/merged/etc/nginx/conf.d/default.conf",
    "tests/fixtures/test_token_expired_returns_401.json",
    "src/components/PasswordResetForm/PasswordResetForm.test.tsx",
    "target/release/deps/libserde_json-2f6e1b4c9d8a7e53.rlib",
    "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
    "https://docs.google.com/document/d/1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms/edit",
    "https://us-east-1.console.aws.amazon.com/ec2/home?region=us-east-1#Instances:",
    "https://github.com/acme/shop/pull/4821#issuecomment-1934567890",
    "/api/v1/users/12345/password-reset/confirm",
    "registry.example.com/team/app:2026.03.01-build.4417",
)
_NAMES_IN_CODE = (
    "getUserAccessTokenFromRequestHeader2(request)",
    "class OAuth2PasswordBearerTokenProvider(BaseTokenProvider):",
    "test_password_reset_token_is_single_use_v2",
    "AbstractSingletonProxyFactoryBean3Impl",
    "kSecAttrAccessibleWhenUnlockedThisDeviceOnly",
    "SSL_CTX_set_default_passwd_cb_userdata",
    "XMLHttpRequestUpload2EventTarget",
    "sha256WithRSAEncryption",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "ECDSA_WITH_SHA256_AND_P256_CURVE",
    "const PASSWORD_MIN_LENGTH = 12;",
    "REFRESH_TOKEN_EXPIRE_MINUTES = 43200",
    "token_type_hint=refresh_token",
    "grant_type=client_credentials",
    "secretsmanager:GetSecretValue",
    "base64url_encode(hmac_sha256(key, data))",
    "UIApplicationLaunchOptionsRemoteNotificationKey",
    "NSURLAuthenticationMethodServerTrust",
    "com.example.shop.security.JwtAuthenticationTokenFilter",
    "org.springframework.security.core.userdetails.UsernameNotFoundException",
    "kubernetes.io/service-account-token",
    "aGVsbG8gd29ybGQ= is hello world",
    "for(var e=0,t=n.length;e<t;e++)r[n[e]]=i(n[e]);return r}function s(e,t){return e.token===t.token}",
    '!function(e,t){"object"==typeof exports&&"undefined"!=typeof module?t(exports):t((e=e||self).d3={})}(this,function(e){})',
    'const{a:b,c:d}=e;if(!b.password)throw new Error("password required");return f(b.password,d.salt)',
    "if user.check_password(form.password.data): login_user(user)",
    "assert response.json()['token_type'] == 'bearer'",
    "password = hashlib.pbkdf2_hmac('sha256', raw, salt, 600_000)",
    "token = secrets.token_urlsafe(32)",
    "api_key = request.headers.get('X-Api-Key')",
    "secret = base64.b64decode(row.secret)",
    "$password = password_hash($_POST['password'], PASSWORD_DEFAULT);",
    "let token = await getToken({ audience });",
    'password := os.Getenv("DB_PASSWORD")',
    'String password = env.getProperty("db.password");',
    "var.db_password",
    "password = var.db_password",
    "token = data.aws_eks_cluster_auth.this.token",
    "password = random_password.db.result",
    "pwd = Path.cwd()",
    "tokens = tokenizer.encode(text)",
    'key = f"{user_id}:{session_id}"',
    "secret=self.secret, password=self._password",
    "passwd -l ubuntu",
    "echo $PWD; pwd: /srv/app",
    "PWD=/home/jane/src",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
    "LS_COLORS=rs=0:di=01;34:ln=01;36:mh=00:pi=40;33",
)
_NUMBERS = (
    "timestamps 1764180000123 and 1764180000124 differ by 1 ms",
    "pi is 3.14159265358979323846264338327950288419716939937510",
    "0x7fffffffffffffff is the largest signed 64-bit integer",
    "18446744073709551615 + 1 overflows",
    "order 20260301-000012345 of customer 4711",
    "IBAN DE89 3704 0044 0532 0130 00",
    "phone +49 170 1234567",
    "embedding [0.0123, -0.4567, 0.8910, -0.1112, 0.1314]",
    "rgba(12, 34, 56, 0.7) and #a1b2c3 and #fff",
    "p95 784 ms -> 89 ms; 239 MB -> 140 MB",
    "version 2026.11.27+build.20261127.183052.abcdef1",
    "Chrome/124.0.6367.91 Safari/537.36",
)


def all_of(rng: random.Random) -> Iterator[dict[str, Any]]:
    groups: dict[str, Iterator[str] | tuple[str, ...]] = {
        "hash": _HASHES,
        "id": _IDS,
        "placeholder": _PLACEHOLDERS,
        "prose": _PROSE,
        "place": _PLACES,
        "code": _NAMES_IN_CODE,
        "number": _NUMBERS,
        "data": _data(rng),
    }
    for kind, texts in groups.items():
        for at, text in enumerate(texts):
            filled = _filled(text, rng) if kind in {"hash", "id", "prose"} else text
            yield {"kind": kind, "half": ("dev", "test")[at % 2], "text": filled}


def _filled(text: str, rng: random.Random) -> str:
    makers: tuple[tuple[str, Callable[[], str]], ...] = (
        ("##", lambda: hex_of(rng, 64)),
        ("#", lambda: hex_of(rng, 40)),
        ("$", lambda: uuid_of(rng)),
        ("%", lambda: base64_of(rng, 32)),
    )
    if text.startswith("curl -u"):
        return text
    for mark, make in makers:
        while mark in text and not (mark == "#" and "# v4" in text and text.count("#") == 1):
            text = text.replace(mark, make(), 1)
    return text


def _data(rng: random.Random) -> Iterator[str]:
    """Long values that are meant to be read by anybody."""
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
    for _ in range(8):
        image = base64.b64encode(png + rng.randbytes(300)).decode()
        yield f'<img src="data:image/png;base64,{image}">'
        yield f"background: url(data:font/woff2;base64,{base64_of(rng, 240)})"
        yield f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA{chars(rng, _ALPHANUMERIC, 44)} jane@laptop"
        yield f"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ{chars(rng, _ALPHANUMERIC + '+/', 330)} deploy"
        body = "\n".join(base64_of(rng, 48) for _ in range(8))
        label = rng.choice(["CERTIFICATE", "PUBLIC KEY", "PGP PUBLIC KEY BLOCK", "PGP SIGNATURE"])
        yield f"-----BEGIN {label}-----\n{body}\n-----END {label}-----"
        package = rng.choice(["lodash", "react-dom", "left-pad", "esbuild", "vite"])
        yield (
            f'"node_modules/{package}": {{\n  "version": "4.{rng.randrange(99)}.1",\n'
            f'  "resolved": "https://registry.npmjs.org/{package}/-/{package}-4.1.tgz",\n'
            f'  "integrity": "sha512-{base64_of(rng, 64)}"\n}}'
        )
        yield (
            f'[[package]]\nname = "serde"\nversion = "1.0.{rng.randrange(300)}"\n'
            f'source = "registry+https://github.com/rust-lang/crates.io-index"\n'
            f'checksum = "{hex_of(rng, 64)}"'
        )
        yield (
            f"golang.org/x/crypto v0.{rng.randrange(40)}.0 h1:{base64_of(rng, 32)}\n"
            f"golang.org/x/crypto v0.{rng.randrange(40)}.0/go.mod h1:{base64_of(rng, 32)}"
        )
        yield f"{digits(rng, 20)} {digits(rng, 16)} {digits(rng, 24)}"
        yield str(uuid.UUID(bytes=rng.randbytes(16), version=4))
        yield f"known_hosts: build.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{chars(rng, _ALPHANUMERIC, 43)}"
        yield f"{hashlib.sha256(rng.randbytes(8)).hexdigest()}  dist/app-{rng.randrange(9)}.whl"
