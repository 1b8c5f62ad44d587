"""Walks every operation of a server as those who may not call it, and as those who may.

`rights.txt` says what each operation takes, written down apart from the server's own tables; an operation that is not in it
fails the walk. All refused calls name things that exist, and nothing of these may have changed in the end.
"""

import json
import os
import pathlib
import re
import time
import urllib.parse

from contract import form, from_environment

HERE = pathlib.Path(__file__).parent
WORKER = "export default { fetch() { return new Response('walked') } };"
# In each area, what brings it along (crates/model/src/rights/right.rs).
BESIDE = {"r2_items": ["r2_storage"], "members": ["account_settings"], "audit_logs": ["account_settings"], "workers_tail": ["workers"]}
ZONE_AREAS = ["zones", "workers_routes", "cache_purge"]
USER_AREAS = ["user_details", "user_tokens", "memberships"]
GROUPS = {
    "account_settings": "Account Settings",
    "members": "Account Members",
    "account_tokens": "Account API Tokens",
    "audit_logs": "Account Audit Logs",
    "access": "Access: Apps and Policies",
    "workers": "Workers Scripts",
    "workers_tail": "Workers Tail",
    "observability": "Workers Observability",
    "analytics": "Account Analytics",
    "kv": "Workers KV Storage",
    "r2_storage": "Workers R2 Storage",
    "r2_items": "Workers R2 Storage Bucket Item",
    "d1": "D1",
    "queues": "Queues",
    "pages": "Pages",
    "zones": "Zone",
    "workers_routes": "Workers Routes",
    "user_details": "User Details",
    "user_tokens": "API Tokens",
    "memberships": "Memberships",
}
# What a viewer sees nothing of.
NOT_FOR_VIEWERS = ["account_tokens", "audit_logs"]


def group(area, level):
    return "Cache Purge" if area == "cache_purge" else f"{GROUPS[area]} {level.capitalize()}"


def expected_rights():
    """What each operation takes, by its id."""
    lines = (HERE / "rights.txt").read_text().splitlines()
    pairs = (line.split() for line in lines if line and not line.startswith("#"))
    return {name: need for name, need in pairs}


class Walk:
    def __init__(self, api):
        self.api = api
        self.rights = expected_rights()
        self.faults = []
        self.tokens = {}
        self.spares = 0
        known = set(self.api.operations)
        missing, gone = sorted(known - set(self.rights)), sorted(set(self.rights) - known)
        assert not missing, f"operations without a case in rights.txt: {missing}"
        assert not gone, f"cases of no operation: {gone}"
        # What acts in an account that its path does not name says by which header it is named, and nothing else does.
        for name, (_, _, operation) in api.operations.items():
            takes = any(parameter["name"] == "hearth-account" for parameter in operation.get("parameters", []))
            assert takes == self.rights[name].startswith("dialect:"), f"{name}: {takes}"

    # Things of the first account, which exist.

    def prepare(self):
        api = self.api
        self.ids = ids = {"account": api.account}
        script = form([
            ("metadata", "application/json", json.dumps({"main_module": "index.js", "compatibility_date": "2026-01-01"})),
            ("index.js", "application/javascript+module", WORKER),
        ])
        api.ok("deployWorker", worker="walked", **script)
        ids["worker"] = "walked"
        ids["namespace"] = api.ok("createKVNamespace", json={"title": "walked"})["id"]
        api.ok("writeKVValue", data=b"kept", kind="application/octet-stream", namespace=ids["namespace"], key="walked")
        ids["key"] = "walked"
        ids["bucket"] = api.ok("createBucket", json={"name": "walked"})["name"]
        api.ok("writeObject", data=b"kept", kind="text/plain", bucket="walked", key="walked")
        ids["database"] = api.ok("createD1Database", json={"name": "walked"})["uuid"]
        ids["queue"] = api.ok("createQueue", json={"queue_name": "walked"})["queue_id"]
        ids["zone"] = api.ok("createZone", json={"name": "walked.example", "account": {"id": api.account}})["id"]
        ids["route"] = api.ok("createRoute", zone=ids["zone"], json={"pattern": "walked.example/*", "script": "walked"})["id"]
        ids["project"] = api.ok("createPagesProject", json={"name": "walked", "production_branch": "main"})["name"]
        ids["name"] = "walked"
        ids["token"] = self.mint("account", api.account, [("kv", "read")])["id"]
        ids["version"] = api.ok("listVersions", worker="walked")["items"][0]["id"]
        ids["function"] = api.ok("createFunction", json={"name": "walked", "runtime": "nodejs", "handler": "h", "code": "function h() { return 1 }"})["id"]
        ids["routed"] = api.ok("createRoutedFunction", json={"name": "walked", "code": "function handler() { return 1 }"})["id"]
        api.ok("deployFunction", name="walked-deploy", json={"runtime": "js", "version": "v1", "code": "export default { fetch() {} }"})

    # People and tokens.

    def send(self, method, path, body=None, token=None, cookie=None, headers=None):
        headers = {"content-type": "application/json", **(headers or {})}
        if cookie:
            headers |= {"cookie": cookie, "origin": self.api.base, "x-hearth-csrf": "1"}
        data = None if body is None else json.dumps(body).encode()
        return self.api.send(method, path, data, headers, token)

    def made(self, method, path, body, **who):
        status, headers, said = self.send(method, path, body, **who)
        assert status < 300, (method, path, status, said)
        said = json.loads(said) if said else {}
        return (said["result"] if path.startswith("/client/v4") else said), headers

    def policies(self, account, rights, user=None):
        """Policies with these pairs of area and level on an account, its zones and a person."""
        inside = {"com.cloudflare.api.account.zone.*": "*"}
        places = [
            (lambda area: area in ZONE_AREAS, {f"com.cloudflare.api.account.{account}": inside}),
            (lambda area: area in USER_AREAS, {f"com.cloudflare.api.user.{user}": "*"}),
            (lambda area: area not in ZONE_AREAS + USER_AREAS, {f"com.cloudflare.api.account.{account}": "*"}),
        ]
        policies = []
        for fits, resources in places:
            named = [{"name": group(area, level)} for area, level in rights if fits(area)]
            if named:
                policies.append({"effect": "allow", "permission_groups": named, "resources": resources})
        return policies

    def mint(self, owner, account, rights, who=None, user=None, **more):
        """A token of an `account` or of a `user`, made by the admin token or somebody else."""
        path = f"/client/v4/accounts/{account}/tokens" if owner == "account" else "/client/v4/user/tokens"
        body = {"name": "walk", "policies": self.policies(account, rights, user), **more}
        return self.made("POST", path, body, **(who or {"token": self.api.token}))[0]

    def person(self, email, account, role, token=None):
        """Somebody who is that in an account, signed in; gives their id and their cookie."""
        self.made("POST", f"/client/v4/accounts/{account}/members", {"email": email, "roles": [role]}, token=self.api.token)
        people = self.made("GET", "/api/users", None, token=self.api.token)[0]["users"]
        user = next(one["id"] for one in people if one["email"] == email)
        link = self.made("POST", f"/api/users/{user}/invitation", {}, token=self.api.token)[0]["url"]
        accepted = {"secret": link.rsplit("/", 1)[1], "password": "a password of theirs"}
        _, headers = self.made("POST", "/api/invitation/accept", accepted, headers={"origin": self.api.base})
        return user, headers["set-cookie"].split(";")[0]

    def everything(self, but=None, people=True):
        """All pairs of area and level, but for what includes that right."""
        def includes(area, level):
            if but is None:
                return False
            lacking, wanted = but
            same = area == lacking or area in BESIDE.get(lacking, [])
            return same and (level == "write" or wanted == "read" or lacking == "audit_logs" and area == "account_settings")

        pairs = []
        for area in [*GROUPS, "cache_purge"]:
            if area in USER_AREAS and not people:
                continue
            levels = {"workers_tail": ["read"], "analytics": ["read"], "audit_logs": ["read"], "cache_purge": ["write"]}
            pairs += [(area, level) for level in levels.get(area, ["read", "write"]) if not includes(area, level)]
        return pairs

    # The walk.

    def id_of(self, key, template):
        """What a segment of a path names, which exists."""
        of_dialects = {"/api/v1/functions/": self.ids["function"], "/api/functions/": self.ids["routed"], "/api/templates/": "hello-world"}
        for prefix, named in of_dialects.items():
            if key == "id" and template.startswith(prefix):
                return named
        if key == "name" and template.startswith(("/api/deploy/", "/api/rollback/", "/api/stop/")):
            return "walked-deploy"
        return self.ids.get(key, "0" * 32)

    def call(self, name, token, real=True, acting=None, **overrides):
        """`acting` is the account that a dialect's call names."""
        method, template, _ = self.api.operations[name]
        named = re.findall(r"\{(\w+)\}", template)
        nothing = "0" * 32
        values = {key: self.id_of(key, template) if real or key == "account" else nothing for key in named}
        if not real and "zone" in named:
            # Who may, deletes it.
            self.spares += 1
            zone = {"name": f"spare-{self.spares}.example", "account": {"id": self.api.account}}
            values["zone"] = self.made("POST", "/client/v4/zones", zone, token=self.api.token)[0]["id"]
        path = self.api.path_of(template, {**values, **overrides})
        headers = {} if acting is None else {"hearth-account": acting}
        return self.send(method, path, None if method in ("GET", "HEAD") else {}, token=token, headers=headers)

    def refused(self, name, who, token, statuses, **overrides):
        status, _, body = self.call(name, token, **overrides)
        if status not in statuses:
            self.faults.append(f"{name} as {who}: {status}, not one of {statuses}: {body[:200]}")
        return body

    def allowed(self, name, who, token, **call):
        status, _, body = self.call(name, token, **call)
        if status in (401, 403) or status >= 500:
            self.faults.append(f"{name} as {who}: {status} {body[:200]}")
        return body

    def bad_tokens(self):
        account, read = self.api.account, [("workers", "read")]
        forged = self.api.token[:-1] + ("a" if self.api.token[-1] != "a" else "b")
        revoked = self.mint("account", account, read)
        self.made("DELETE", f"/client/v4/accounts/{account}/tokens/{revoked['id']}", None, token=self.api.token)
        rolled = self.mint("account", account, read)
        self.made("PUT", f"/client/v4/accounts/{account}/tokens/{rolled['id']}/value", {}, token=self.api.token)
        disabled = self.mint("account", account, read, status="disabled")
        past, future = "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"
        return {
            "nobody": None,
            "a forged token": forged,
            "an expired token": self.mint("account", account, self.everything(people=False), expires_on=past)["value"],
            "a token of tomorrow": self.mint("account", account, self.everything(people=False), not_before=future)["value"],
            "a revoked token": revoked["value"],
            "a rolled token": rolled["value"],
            "a disabled token": disabled["value"],
        }

    def seen(self):
        """What the first account has, as who answers for the installation sees it."""
        names = [
            "listWorkers", "showSettings", "listSecrets", "listSchedules", "listKVNamespaces", "listKVKeys",
            "readKVValue", "listBuckets", "listObjects", "readObject", "listD1Databases", "listQueues", "showZone", "listZoneRoutes",
            "listPagesProjects", "showAccountToken", "listMembers", "showAccount", "showAccountEgress", "showAccessRule",
            "showWorkerSubdomain", "showAccountSubdomain", "listFunctions", "showFunction", "listRoutedFunctions", "showRoutedFunction",
            "showDeployedFunction",
        ]
        shown = {}
        for name in (name for name in names if name in self.api.operations):
            status, _, body = self.call(name, self.api.token)
            assert status == 200, (name, status, body)
            shown[name] = re.sub(rb'"(last_used_on|last_seen_on|state)":"[^"]*",?', b"", body)
        return shown

    def run(self):
        api, first = self.api, self.api.account
        self.prepare()
        self.second = second = self.made("POST", "/client/v4/accounts", {"name": "second"}, token=api.token)[0]["id"]
        self.person("owner@first.example", first, "owner")
        viewer, looks = self.person("viewer@first.example", first, "viewer")
        stranger, elsewhere = self.person("owner@second.example", second, "owner")
        reads = [(area, level) for area, level in self.everything() if level == "read" and area not in NOT_FOR_VIEWERS]
        viewers = self.mint("user", first, reads, {"cookie": looks}, viewer)["value"]
        own = self.everything()
        strangers = self.mint("user", second, own, {"cookie": elsewhere}, stranger)["value"]
        installation = self.mint("account", first, self.everything(people=False))["value"]
        bad = self.bad_tokens()
        away = self.mint("account", first, self.everything(people=False), condition={"request_ip": {"not_in": ["127.0.0.0/8", "::1/128"]}})
        before = self.seen()

        for name, need in self.rights.items():
            path = api.operations[name][1]
            if need == "open":
                continue
            if need == "upload":
                # It asks for the token of an upload: no other is good, whatever it may do.
                for who, token in {**bad, "who answers for the installation": api.token}.items():
                    self.refused(name, who, token, [401])
                continue
            for who, token in bad.items():
                self.refused(name, who, token, [401])
            self.refused(name, "a token of another place", away["value"], [403])
            in_first = "{account}" in path or "{zone}" in path
            if in_first:
                self.refused(name, "another account's owner", strangers, [403, 404])
            if need == "installation":
                for who, token in [("an account's token", installation), ("a viewer", viewers), ("an owner", strangers)]:
                    self.refused(name, who, token, [403])
                continue
            if need in ("known", "within"):
                self.allowed(name, "a viewer", viewers)
                body = self.allowed(name, "an owner", strangers) if not in_first else b""
                for secret in (self.ids["zone"], first):
                    if secret.encode() in body:
                        self.faults.append(f"{name} shows another account's owner {secret}")
                continue
            self.walk_right(name, need, path, viewers, strangers, (viewer, looks))
        self.elsewhere(second, strangers, viewers)
        after = self.seen()
        for name, shown in before.items():
            if after[name] != shown:
                self.faults.append(f"{name} shows a change: {shown} became {after[name]}")
        assert not self.faults, "\n".join(self.faults)
        print(f"{len(self.rights)} operations were walked")

    def walk_right(self, name, need, path, viewers, strangers, person):
        """An operation that takes one right: `[own:|dialect:]<area>.<level>`."""
        kind, _, right = need.rpartition(":")
        area, level = right.split(".")
        if kind == "own":
            user, cookie = person
            lacks = self.token_of_person(user, cookie, but=(area, level))
            self.refused(name, "a person's token without the right", lacks, [403])
            self.refused(name, "an account's token", self.token("all", self.everything(people=False)), [403])
            self.allowed(name, "a person's token with it", self.token_of_person(user, cookie, only=(area, level)), real=False)
            return
        lacking = self.token(f"but {right}", self.everything(but=(area, level), people=False))
        self.refused(name, f"a token without {right}", lacking, [403])
        if area == "ownership":
            self.refused(name, "a viewer", viewers, [403])
            return
        if level == "write" or area in NOT_FOR_VIEWERS:
            self.refused(name, "a viewer", viewers, [403])
        else:
            self.allowed(name, "a viewer", viewers)
        holder = self.token(right, [(area, level)])
        if kind == "dialect":
            self.walk_account(name, path, strangers, lacking, holder)
        self.allowed(name, f"a token with {right}", holder, real=level == "read")

    def walk_account(self, name, path, strangers, lacking, holder):
        """An operation whose path names no account: it acts in the caller's own, or in the one that a header names."""
        first = self.api.account
        body = self.allowed(name, "another account's owner", strangers, real=False)
        if b"walked" in body and path != "/api/templates":
            self.faults.append(f"{name} shows another account's owner: {body[:200]}")
        if "{" in path and not path.startswith("/api/templates"):
            self.refused(name, "another account's owner who knows its id", strangers, [400, 404])
        told = self.refused(name, "another account's owner who names the account", strangers, [403], acting=first)
        # Nor is he told that there is one.
        made_up = self.refused(name, "another account's owner who names none that exists", strangers, [403], acting="1" * 32)
        if told != made_up:
            self.faults.append(f"{name} tells accounts that exist from others: {told} and {made_up}")
        self.refused(name, "a token without the right that names the account", lacking, [403], acting=first)
        self.refused(name, "a token that names another account", holder, [403], acting=self.second)
        self.refused(name, "who answers for the installation and names no account", self.api.token, [400], acting="1" * 32)
        self.refused(name, "who names an account by another word", self.api.token, [400], acting="two words")
        self.allowed(name, "who answers for the installation and names the other one", self.api.token, real=False, acting=self.second)
        self.allowed(name, "a token that names its account", holder, real=False, acting=first)

    def token(self, key, rights):
        if key not in self.tokens:
            self.tokens[key] = self.mint("account", self.api.account, rights)["value"]
        return self.tokens[key]

    def token_of_person(self, user, cookie, but=None, only=None):
        key = ("person", but, only)
        if key not in self.tokens:
            held = [(area, level) for area, level in self.everything(but=but) if area in USER_AREAS]
            rights = [only] if only else held
            self.tokens[key] = self.mint("user", self.api.account, rights, {"cookie": cookie}, user)["value"]
        return self.tokens[key]

    def elsewhere(self, second, strangers, viewers):
        """Accounts that stand in a body or a query."""
        first, zone = self.api.account, {"name": "stolen.example", "account": {"id": self.api.account}}
        asked = {"query": f'{{viewer {{accounts(filter: {{accountTag: "{first}"}}) {{workersInvocationsAdaptive(limit: 1) {{sum {{requests}}}}}}}}}}'}
        cases = [
            ("POST", "/client/v4/zones", zone, strangers),
            ("POST", "/client/v4/zones", zone, viewers),
            ("GET", f"/client/v4/zones?account.id={first}", None, strangers),
            ("POST", "/client/v4/graphql", asked, strangers),
        ]
        for method, path, body, token in cases:
            status, _, said = self.send(method, path, body, token=token)
            if status != 403:
                self.faults.append(f"{method} {path}: {status} {said[:200]}")
        status, _, said = self.send("GET", f"/client/v4/zones?name=claimed.example&account.id={first}", None, token=viewers)
        if status != 200 or json.loads(said)["result"]:
            self.faults.append(f"a viewer claims a zone: {status} {said}")


Walk(from_environment()).run()
