"""Cloudflare's own PyPI SDK makes, changes, rolls and deletes tokens and members; and the calls of Terraform's provider."""

import json
import os
import urllib.error
import urllib.request

import cloudflare
from cloudflare import Cloudflare

account_id = os.environ["CLOUDFLARE_ACCOUNT_ID"]
base_url = os.environ["CLOUDFLARE_API_BASE_URL"]
token = os.environ["CLOUDFLARE_API_TOKEN"]
client = Cloudflare(base_url=base_url, api_token=token)


def tokens():
    found = client.user.tokens.permission_groups.list(extra_query={"name": "Workers KV Storage Read"})
    group = next(iter(found)).id
    policies = [
        {
            "effect": "allow",
            "permission_groups": [{"id": group}],
            "resources": {f"com.cloudflare.api.account.{account_id}": "*"},
        }
    ]
    for resource, where in [(client.accounts.tokens, {"account_id": account_id}), (client.user.tokens, {})]:
        made = resource.create(name="pypi", policies=policies, **where)
        as_made = Cloudflare(base_url=base_url, api_token=made.value, max_retries=0)
        assert list(as_made.kv.namespaces.list(account_id=account_id)) == []
        assert resource.update(made.id, name="renamed", policies=policies, status="active", **where).name == "renamed"
        rolled = resource.value.update(made.id, **where)
        try:
            list(as_made.kv.namespaces.list(account_id=account_id))
            raise AssertionError("the token before still opens something")
        except cloudflare.AuthenticationError:
            pass
        as_rolled = Cloudflare(base_url=base_url, api_token=rolled, max_retries=0)
        assert list(as_rolled.kv.namespaces.list(account_id=account_id)) == []
        resource.delete(made.id, **where)


def members():
    roles = {role.name: role.id for role in client.accounts.roles.list(account_id=account_id)}
    made = client.accounts.members.create(account_id=account_id, email="pypi@corp.example", roles=[roles["viewer"]])
    changed = client.accounts.members.update(made.id, account_id=account_id, roles=[{"id": roles["admin"]}])
    assert changed.roles[0].name == "admin"
    client.accounts.members.delete(made.id, account_id=account_id)


def call(method, path, body=None):
    """A call as Terraform's provider makes it: its agent, its JSON."""
    headers = {
        "authorization": f"Bearer {token}",
        "content-type": "application/json",
        "user-agent": "terraform-provider-cloudflare/5.0.0 terraform/1.9.0",
    }
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{base_url}{path}", data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.loads(response.read())["result"]
    except urllib.error.HTTPError as error:
        return error.code, None


def kept(sent, read):
    """Whether all that was sent is read again as it was: what differs, Terraform would want to change forever."""
    if isinstance(sent, dict):
        return all(kept(value, read.get(key)) for key, value in sent.items())
    if isinstance(sent, list):
        return len(sent) == len(read) and all(map(kept, sent, read))
    return sent == read


def terraform():
    """`cloudflare_account_token`, `cloudflare_api_token`, `cloudflare_account_member`: create, refresh, change, refresh, delete."""
    read, write = "8b47d2786a534c08a1f94ee8f9f599ef", "f7f0eda5697f475c90846e879bab8666"
    routes = "28f4b596e7d643029c524985477ae49a"
    inside = {"com.cloudflare.api.account.zone.*": "*"}

    def plan(group, **more):
        account = f"com.cloudflare.api.account.{account_id}"
        policy = lambda group, resources: {"effect": "allow", "permission_groups": [{"id": group}], "resources": resources}
        return {"name": "tf", "policies": [policy(group, {account: "*"}), policy(routes, {account: inside})], **more}

    limits = {
        "condition": {"request_ip": {"in": ["192.0.2.1/32"], "not_in": ["198.51.100.1/32"]}},
        "not_before": "2024-01-01T00:00:00Z",
        "expires_on": "2100-12-31T23:59:59Z",
    }
    for base in (f"/accounts/{account_id}/tokens", "/user/tokens"):
        first, second = plan(read, **limits), plan(write)
        status, made = call("POST", base, first)
        assert status == 200 and made["value"] and kept(first, made), made
        one = f"{base}/{made['id']}"
        for planned in (first, second, {**second, "status": "disabled"}):
            assert call("PUT", one, planned)[0] == 200
            status, shown = call("GET", one)
            assert status == 200 and kept(planned, shown), shown
            assert ("condition" in shown) == ("condition" in planned), shown
        assert call("DELETE", one)[0] == 200
        assert call("GET", one)[0] == 404
    roles = {role["name"]: role["id"] for role in call("GET", f"/accounts/{account_id}/roles")[1]}
    base = f"/accounts/{account_id}/members"
    status, made = call("POST", base, {"email": "tf@corp.example", "roles": [roles["viewer"]], "status": "pending"})
    assert status == 200 and made["user"]["email"] == "tf@corp.example"
    one = f"{base}/{made['id']}"
    assert [role["id"] for role in call("GET", one)[1]["roles"]] == [roles["viewer"]]
    assert call("PUT", one, {"roles": [{"id": roles["developer"]}]})[0] == 200
    assert [role["id"] for role in call("GET", one)[1]["roles"]] == [roles["developer"]]
    assert call("DELETE", one)[0] == 200
    assert call("GET", one)[0] == 404


tokens()
members()
terraform()
print("made, changed, rolled and deleted")
