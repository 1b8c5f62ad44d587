"""Cloudflare's own PyPI SDK: upload a worker, list it, keep a secret in it."""

import json
import os

from cloudflare import Cloudflare

account_id = os.environ["CLOUDFLARE_ACCOUNT_ID"]
client = Cloudflare(base_url=os.environ["CLOUDFLARE_API_BASE_URL"], api_token=os.environ["CLOUDFLARE_API_TOKEN"])
scripts = client.workers.scripts

source = b"export default { fetch: (request, env) => new Response(`PyPI ${env.WORD}`) }"
scripts.update(
    "from-pypi",
    account_id=account_id,
    metadata={
        "main_module": "index.js",
        "compatibility_date": "2026-01-01",
        "bindings": [{"type": "plain_text", "name": "WORD", "text": "sdk"}],
    },
    files=[("index.js", source, "application/javascript+module")],
)
scripts.subdomain.create("from-pypi", account_id=account_id, enabled=True)
scripts.secrets.update("from-pypi", account_id=account_id, name="KEY", text="sesame", type="secret_text")
print(
    json.dumps(
        {
            "names": [script.id for script in scripts.list(account_id=account_id)],
            "secrets": [secret.name for secret in scripts.secrets.list("from-pypi", account_id=account_id)],
            "status": client.user.tokens.verify().status,
        }
    )
)
