"""The part of every_operation.py that is about people: who they are, how they sign in, what they belong to, and what is kept of it."""

import base64
import hmac
import json
import time
import urllib.parse

from passkey import Authenticator


def identity(api):
    """Who calls, and tokens."""
    for name in ("verifyToken", "verifyAccountToken", "showUser", "listAccounts", "showAccount", "listMemberships"):
        api.ok(name)
    groups = api.ok("listPermissionGroups", query={"name": "Workers R2 Storage Read"})
    assert groups == [group for group in api.ok("listAccountPermissionGroups") if group["name"] == groups[0]["name"]]
    policy = {
        "effect": "allow",
        "permission_groups": [{"id": groups[0]["id"]}],
        "resources": {f"com.cloudflare.api.account.{api.account}": "*"},
    }
    for every, create, show, update, roll, delete in [
        ("listTokens", "createToken", "showToken", "updateToken", "rollToken", "deleteToken"),
        (
            "listAccountTokens",
            "createAccountToken",
            "showAccountToken",
            "updateAccountToken",
            "rollAccountToken",
            "deleteAccountToken",
        ),
    ]:
        condition = {"request_ip": {"in": ["127.0.0.0/8"], "not_in": ["127.0.0.9/32"]}}
        new = {"name": "t", "policies": [policy], "expires_on": "2030-01-01T00:00:00Z", "condition": condition}
        made = api.ok(create, json=new)
        assert "value" in made and made["policies"]
        api.ok(every)
        api.ok(show, token=made["id"])
        assert api.ok(update, json={**new, "status": "disabled"}, token=made["id"])["status"] == "disabled"
        api.no(update, 400, json={**new, "policies": []}, token=made["id"])
        assert api.ok(roll, json={}, token=made["id"]) != made["value"]
        api.ok(delete, token=made["id"])
        api.no(roll, 404, json={}, token=made["id"])
        api.no(create, 400, json={"name": "t", "policies": []})


def members(api):
    """Accounts, and who belongs to them."""
    made = api.ok("createAccount", json={"name": "Team C"})
    api.no("createAccount", 409, json={"name": "team c"})
    assert api.ok("renameAccount", account=made["id"], json={"name": "Renamed"})["name"] == "Renamed"
    api.ok("deleteAccount", account=made["id"])
    api.no("deleteAccount", 409)
    roles = api.ok("listRoles")
    api.ok("showRole", role=roles[0]["id"])
    api.no("showRole", 400, role="none")
    one = {"member": api.ok("addMember", json={"email": "bob@contract.example", "roles": ["owner"]})["id"]}
    api.no("addMember", 409, json={"email": "BOB@contract.example", "roles": ["viewer"]})
    assert api.ok("listMembers")[0]["status"] == "pending"
    api.ok("showMember", **one)
    api.no("updateMember", 409, json={"roles": [roles[3]["id"]]}, **one)
    api.ok("addMember", json={"email": "eve@contract.example", "roles": ["owner"]})
    assert api.ok("updateMember", json={"roles": [{"id": roles[3]["id"]}]}, **one)["roles"] == [roles[3]]

    user = api.ok("showMember", **one)["user"]["id"]
    secret = api.ok("invitePerson", user=user)["url"].rsplit("/", 1)[1]
    own = Cookie(api)
    own.ok("acceptInvitation", json={"secret": secret, "password": "correct horse"})
    assert own.ok("updateUser", json={"first_name": "Bob"})["first_name"] == "Bob"
    api.no("updateUser", 400, json={"first_name": "Bob"})
    assert [place["roles"] for place in own.ok("listMemberships")] == [["viewer"]]
    place = {"membership": own.ok("listMemberships")[0]["id"]}
    own.ok("showMembership", **place)
    api.no("showMembership", 404, **place)
    assert own.ok("decideOnMembership", json={"status": "accepted"}, **place)["status"] == "accepted"
    own.ok("leaveAccount", **place)
    api.no("removeMember", 404, **one)
    one = {"member": api.ok("addMember", json={"email": "bob@contract.example", "roles": ["viewer"]})["id"]}
    api.ok("removeMember", **one)


def signin(api):
    """People, and how they sign in."""
    api.ok("showWaysToSignIn")
    place = {"account": api.account, "role": "viewer"}
    made = api.ok("addPerson", json={"email": "ann@contract.example", "name": "Ann", "memberships": [place]})
    one = {"user": made["id"]}
    api.no("addPerson", 409, json={"email": "ANN@contract.example"})
    assert api.ok("listPeople", query={"per_page": 5})["total"] == 1
    api.ok("showPerson", **one)
    api.ok("changePerson", json={"name": "Ann Lee"}, **one)
    link = api.ok("invitePerson", **one)["url"]
    assert link != (link := api.ok("resetPerson", **one)["url"])
    secret = {"secret": link.rsplit("/", 1)[1]}
    assert api.ok("showInvitation", json=secret)["email"] == "ann@contract.example"
    api.no("acceptInvitation", 400, json={**secret, "password": "short"})
    own = Cookie(api)
    own.ok("acceptInvitation", json={**secret, "password": "correct horse"})
    api.no("showInvitation", 404, json=secret)
    assert own.ok("showSession")["user"]["email"] == "ann@contract.example"
    own.ok("showOwnSignIn")
    other = Cookie(api)
    password = {"email": "ann@contract.example", "password": "correct horse"}
    api.no("signInByPassword", 401, json={**password, "password": "wrong"})
    other.ok("signInByPassword", json=password)
    session = next(one for one in own.ok("listOwnSessions")["sessions"] if not one["current"])
    own.ok("endOwnSession", session=session["id"])
    own.ok("changeOwnPassword", json={"current": "correct horse", "password": "another horse"})
    password["password"] = "another horse"
    secret = own.ok("beginOwnAuthenticator", json={})["secret"]
    own.no("confirmOwnAuthenticator", 401, json={"code": "000000"})
    own.no("renewOwnRecoveryCodes", 409)
    used = code_of(secret)
    before = own.ok("confirmOwnAuthenticator", json={"code": used})["recovery_codes"]
    codes = own.ok("renewOwnRecoveryCodes", json={"password": "another horse"})["recovery_codes"]
    ticket = other.ok("signInByPassword", json=password)["ticket"]
    other.no("signInBySecondFactor", 401, json={"ticket": ticket, "totp": used})
    other.no("signInBySecondFactor", 401, json={"ticket": ticket, "recovery": before[0]})
    other.ok("signInBySecondFactor", json={"ticket": ticket, "recovery": codes[0]})
    other.ok("removeOwnAuthenticator", json={"password": "another horse"})
    key = Authenticator(api.base)
    asked = own.ok("beginOwnPasskey", json={})["publicKey"]
    made = own.ok("addOwnPasskey", json={"name": "Phone", "credential": key.create(asked)})
    own.no("addOwnPasskey", 401, json={"name": "Phone", "credential": key.create(asked)})
    own.ok("listOwnPasskeys")
    proof = {"credential": key.get(other.ok("beginSignInByPasskey")["publicKey"])}
    assert other.ok("signInByPasskey", json=proof)["user"]["email"] == "ann@contract.example"
    other.no("signInByPasskey", 401, json=proof)
    copied = {"credential": key.get(asked)}
    other.no("signInByPasskey", 401, json=copied)
    for field, wrong in [("origin", "http://evil.test"), ("host", "evil.test"), ("private", 1), ("used", 0), ("user", "AAAA")]:
        right = getattr(key, field)
        setattr(key, field, wrong)
        other.no("signInByPasskey", 401, json={"credential": key.get(other.ok("beginSignInByPasskey")["publicKey"])})
        setattr(key, field, right)
    passkeys(api, own, other, one)
    own.ok("removeOwnPasskey", passkey=made["id"], json={"password": "another horse"})
    programs(api, own)
    own.ok("signOutEverywhere")
    own.ok("signInByToken", json={"token": api.token})
    own.ok("signOut")
    api.no("signInByToken", 401, json={"token": "none"})
    corp = {"id": "corp", "name": "Corp", "issuer": "https://id.contract.example", "client_id": "hearth", "client_secret": "s"}
    rules = [{"group": "ops", "operator": True}, {"group": "*", **place}]
    api.ok("replaceSignInProviders", json={"providers": [{**corp, "mapping": rules}]})
    assert api.ok("listSignInProviders")["providers"][0]["has_secret"]
    api.no("replaceSignInProviders", 400, json={"providers": [{**corp, "issuer": "http://id.contract.example"}]})
    api.no("beginSingleSignOn", 404, provider="none", bearer=None)
    api.no("endSingleSignOn", 400, provider="corp", query={"state": "none"}, bearer=None)
    api.ok("replaceSignInProviders", json={"providers": []})
    api.ok("removePerson", **one)
    api.no("showPerson", 404, **one)


def passkeys(api, own, other, person):
    """What answers a challenge: once, for what it was given for, and not for who is suspended."""
    # One that does not count, so that only the challenge says whether its answer is new.
    key = Authenticator(api.base, counts=0)
    asked = own.ok("beginOwnPasskey", json={})["publicKey"]
    strange = {**asked, "challenge": other.ok("beginSignInByPasskey")["publicKey"]["challenge"]}
    own.no("addOwnPasskey", 401, json={"name": "Quiet", "credential": key.create(strange)})
    made = own.ok("addOwnPasskey", json={"name": "Quiet", "credential": key.create(asked)})
    proof = {"credential": key.get(other.ok("beginSignInByPasskey")["publicKey"])}
    other.ok("signInByPasskey", json=proof)
    other.no("signInByPasskey", 401, json=proof)
    to_make = own.ok("beginOwnPasskey", json={})["publicKey"]
    other.no("signInByPasskey", 401, json={"credential": key.get(to_make)})
    api.ok("changePerson", json={"suspended": True}, **person)
    proof = {"credential": key.get(api.ok("beginSignInByPasskey")["publicKey"])}
    assert api.no("signInByPasskey", 401, json=proof, bearer=None)["error"]["code"] == "wrong_passkey"
    api.ok("changePerson", json={"suspended": False}, **person)
    own.ok("removeOwnPasskey", passkey=made["id"], json={"password": "another horse"})


def programs(api, own):
    """Access that a person gives to programs."""
    form = "application/x-www-form-urlencoded"

    def fields(**given):
        return {"data": urllib.parse.urlencode(given).encode(), "kind": form, "bearer": None}

    def ask(page, decision):
        ticket = page.decode().split('name="consent" value="')[1].split('"')[0]
        return fields(consent=ticket, decision=decision)

    wrangler = {"client_id": "54d11594-84e4-41aa-b438-e81b8fa78ee7", "redirect_uri": "http://localhost:8976/oauth/callback"}
    challenge = {"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256"}
    query = {"response_type": "code", "scope": "user:read", "state": "s", **wrangler, **challenge}
    assert b"Wrangler" in own.ok("askForAccess", query=query)
    own.no("askForAccess", 400, query={**query, "redirect_uri": "https://evil.test/"})
    begun = api.ok("beginAccessOfDevice", **fields(client_id="hearth", scope="all"))
    api.no("beginAccessOfDevice", 400, **fields(client_id="none", scope="all"))
    page = own.ok("askForAccessOfDevice", query={"user_code": begun["user_code"]})
    waiting = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": begun["device_code"]}
    assert api.no("fetchAccess", 400, **fields(client_id="hearth", **waiting))["error"] == "authorization_pending"
    answer = ask(page, "allow")
    answer.pop("bearer")
    own.ok("answerForAccess", **answer)
    own.no("answerForAccess", 400, **answer)
    given = api.ok("fetchAccess", **fields(client_id="hearth", **waiting))
    assert api.ok("showSession", bearer=given["access_token"])["kind"] == "token"
    api.no("fetchAccess", 400, **fields(client_id="hearth", grant_type="refresh_token", refresh_token="none"))
    api.ok("endAccess", **fields(client_id="hearth", token=given["access_token"]))
    api.no("showSession", 401, bearer=given["access_token"])


class Cookie:
    """Makes calls as a browser does that is signed in."""

    def __init__(self, api):
        self.api, self.cookie = api, None

    def headers(self):
        mark = {"origin": self.api.base, "x-hearth-csrf": "1"}
        return mark if self.cookie is None else {**mark, "cookie": self.cookie}

    def ok(self, name, /, **call):
        said = self.api.ok(name, bearer=None, headers=self.headers(), **call)
        given = self.api.answered.get("set-cookie")
        self.cookie = given.split(";")[0] if given else self.cookie
        return said

    def no(self, name, expected, /, **call):
        return self.api.no(name, expected, bearer=None, headers=self.headers(), **call)


def code_of(secret):
    """What an authenticator shows now (RFC 6238)."""
    step = (int(time.time()) // 30).to_bytes(8, "big")
    digest = hmac.digest(base64.b32decode(secret), step, "sha1")
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at : at + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


def access(api):
    """Access at the gateway: applications, policies, service tokens."""
    made = api.ok("createServiceToken", json={"name": "ci", "duration": "24h"})
    one = {"token": made["id"]}
    api.ok("listServiceTokens")
    api.ok("showServiceToken", **one)
    api.ok("updateServiceToken", json={"name": "ci", "duration": "forever"}, **one)
    assert api.ok("rotateServiceToken", **one)["client_secret"] != made["client_secret"]
    api.ok("refreshServiceToken", **one)
    api.no("createServiceToken", 400, json={"name": ""})
    everyone = [{"everyone": {}}]
    policy = {"name": "people", "decision": "allow", "include": everyone, "exclude": [{"ip": {"ip": "192.0.2.0/24"}}]}
    shared = {"policy": api.ok("createAccessPolicy", json=policy)["id"]}
    api.ok("listAccessPolicies")
    api.ok("updateAccessPolicy", json={**policy, "session_duration": "1h"}, **shared)
    assert api.ok("showAccessPolicy", **shared)["app_count"] == 0
    api.no("createAccessPolicy", 400, json={**policy, "include": [{"certificate": {}}]})
    group = {"group": api.ok("createAccessGroup", json={"name": "staff", "include": [{"email_domain": {"domain": "a.test"}}]})["id"]}
    api.ok("listAccessGroups")
    api.ok("updateAccessGroup", json={"name": "staff", "include": everyone}, **group)
    assert api.ok("showAccessGroup", **group)["include"] == everyone
    api.no("createAccessGroup", 400, json={"name": "nested", "include": [{"group": {"id": group["group"]}}]})
    api.ok("updateAccessPolicy", json={**policy, "include": [{"group": {"id": group["group"]}}]}, **shared)
    api.no("deleteAccessGroup", 400, **group)
    services = {"name": "services", "decision": "non_identity", "include": [{"service_token": {"token_id": made["id"]}}]}
    new = {"name": "guarded", "domain": "guarded.localhost/admin", "session_duration": "12h", "policies": [shared["policy"], services]}
    app = {"app": api.ok("createAccessApplication", json=new)["id"]}
    api.ok("listAccessApplications")
    shown = api.ok("showAccessApplication", **app)
    assert [policy["reusable"] for policy in shown["policies"]] == [True, False], shown
    api.no("deleteAccessPolicy", 400, **shared)
    api.ok("updateAccessApplication", json={**new, "name": "renamed", "policies": [shown["policies"][1]["id"]]}, **app)
    api.ok("revokeTokensOfAccessApplication", **app)
    api.no("createAccessApplication", 400, json={**new, "domain": "localhost"})
    bypass = {"name": "all", "decision": "bypass", "include": everyone, "precedence": 1}
    own = {**app, "policy": api.ok("createPolicyOfAccessApplication", json=bypass, **app)["id"]}
    listed = api.ok("listPoliciesOfAccessApplication", **app)
    assert [policy["name"] for policy in listed] == ["all", "services"], listed
    api.ok("showPolicyOfAccessApplication", **own)
    moved = api.ok("updatePolicyOfAccessApplication", json={**bypass, "precedence": 2}, **own)
    assert moved["precedence"] == 2, moved
    api.no("updatePolicyOfAccessApplication", 400, json={**bypass, "decision": "maybe"}, **own)
    api.ok("deletePolicyOfAccessApplication", **own)
    api.no("showPolicyOfAccessApplication", 404, **own)
    assert api.ok("showAccessKeys")["keys"][0]["alg"] == "RS256"
    api.no("signInToAccessApplication", 400, host="guarded.localhost", query={"meta": "none"}, bearer=None)
    api.no("deleteServiceToken", 400, **one)
    api.ok("deleteAccessApplication", **app)
    api.no("showAccessApplication", 404, **app)
    api.ok("deleteAccessPolicy", **shared)
    api.ok("deleteAccessGroup", **group)
    api.no("showAccessGroup", 404, **group)
    assert api.ok("updateAccessKeyRotation", json={"key_rotation_interval_days": 30})["days_until_next_rotation"] == 30
    api.no("updateAccessKeyRotation", 400, json={"key_rotation_interval_days": 20})
    before = api.ok("showAccessKeyRotation")["last_key_rotation_at"]
    assert api.ok("rotateAccessKeys")["last_key_rotation_at"] > before
    assert len(api.ok("showAccessKeys")["keys"]) == 2
    api.ok("deleteServiceToken", **one)


def audited(api):
    """What is shown once, when it is made, is not in the audit log, but for ids in paths."""
    kept, page = "", 1
    while True:
        path = f"/client/v4/installation/audit_logs?all=true&per_page=1000&page={page}"
        _, _, body = api.send("GET", path, bearer=api.token)
        entries = json.loads(body)["result"]
        if not entries:
            break
        kept += json.dumps([[entry["oldValue"], entry["newValue"]] for entry in entries])
        page += 1
    once = api.given - api.shown
    assert len(once) > 5, once
    leaked = sorted(run for run in once if run in kept)
    assert not leaked, f"in the audit log: {leaked}"
