"""Has every operation of a server succeed once, and refuse once, with answers as its document says (contract.py)."""

import base64
import hashlib
import json
import socket
import time
import urllib.parse

from contract import form, from_environment, without
from people import access, audited, identity, members, signin

WORKER = """
import { DurableObject, WorkflowEntrypoint } from "cloudflare:workers";
export class Counter extends DurableObject {
  async add() { await this.ctx.storage.put("n", ((await this.ctx.storage.get("n")) ?? 0) + 1); return 1; }
}
export class Flow extends WorkflowEntrypoint {
  async run(event, step) {
    const got = await step.do("first", async () => event.payload);
    await step.waitForEvent("second", { type: "go", timeout: "1 hour" });
    return got;
  }
}
export default {
  async fetch(request, env) {
    await env.COUNTER.get(env.COUNTER.idFromName("one")).add();
    env.POINTS.writeDataPoint({ indexes: ["one"], blobs: ["b"], doubles: [1] });
    console.log("seen");
    return new Response(env.GREETING);
  },
  async scheduled() {},
  async queue() {},
};
"""


def until(what, seconds=60):
    """Waits for something that comes by itself."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come")


def storage(api):
    """KV, R2, D1, queues. Gives what a worker binds."""
    kv = api.ok("createKVNamespace", json={"title": "contract"})["id"]
    one = {"namespace": kv}
    api.ok("listKVNamespaces", query={"order": "title", "per_page": 5})
    api.ok("showKVNamespace", **one)
    api.ok("renameKVNamespace", json={"title": "renamed"}, **one)
    key = {**one, "key": "a/b c"}
    api.ok("writeKVValue", data=b"plain", kind="application/octet-stream", query={"expiration_ttl": 600}, **key)
    api.ok("writeKVValue", **form([("value", "text/plain", "v"), ("metadata", "text/plain", '{"m": 1}')]), **key)
    api.ok("readKVValue", **key)
    api.ok("readKVMetadata", **key)
    pairs = [{"key": "x", "value": "eA==", "base64": True, "metadata": [1], "expiration_ttl": 600}, {"key": "y", "value": "1"}]
    api.ok("writeKVValues", json=pairs, **one)
    listed = api.ok("listKVKeys", query={"prefix": "x", "limit": 10}, **one)
    assert listed[0]["metadata"] == [1] and listed[0]["expiration"] > time.time(), listed
    api.ok("readKVValues", json={"keys": ["x", "none"], "type": "text", "withMetadata": True}, **one)
    api.ok("deleteKVValues", json=["x"], **one)
    api.ok("deleteManyKVValues", json=["y"], **one)
    api.ok("deleteKVValue", **key)
    api.no("createKVNamespace", 400, json={"title": 1})
    api.no("writeKVValue", 400, data=b"v", query={"expiration_ttl": 1}, **key)

    bucket = {"bucket": "contract"}
    api.ok("createBucket", json={"name": "contract", "storageClass": "Standard"}, headers={"cf-r2-jurisdiction": "eu"})
    api.ok("listBuckets", query={"name_contains": "contr"})
    api.ok("showBucket", **bucket)
    api.ok("changeBucket", headers={"cf-r2-storage-class": "InfrequentAccess"}, **bucket)
    item = {**bucket, "key": "folder/a b.txt"}
    headers = {
        "cache-control": "no-store",
        "content-language": "de",
        "expires": "Wed, 21 Oct 2026 07:28:00 GMT",
        "cf-r2-custom-metadata": '{"who": "\\u00e4"}',
    }
    written = api.ok("writeObject", data=b"content", kind="text/plain", headers=headers, **item)
    assert written["custom_metadata"] == {"who": "ä"} and "cacheExpiry" in written["http_metadata"], written
    api.no("writeObject", 400, data=b"x", headers={"cf-r2-custom-metadata": '{"who": 1}'}, **item)
    assert api.ok("readObject", **item) == b"content"
    assert api.ok("readObject", headers={"range": "bytes=1-2"}, **item) == b"on"
    api.ok("listObjects", query={"prefix": "fol", "delimiter": "/", "per_page": 5}, **bucket)
    assert api.ok("listObjects", **bucket)[0]["custom_metadata"] == {"who": "ä"}
    api.ok("showBucketUsage", **bucket)
    cors = {"allowed": {"origins": ["*"], "methods": ["GET"]}, "maxAgeSeconds": 5}
    api.ok("replaceCORSRules", json={"rules": [cors]}, **bucket)
    api.ok("showCORSRules", **bucket)
    api.ok("deleteCORSRules", **bucket)
    api.no("showCORSRules", 404, **bucket)
    api.ok("replaceLifecycleRules", json={"rules": []}, **bucket)
    api.ok("showLifecycleRules", **bucket)
    api.ok("replaceLockRules", json={"rules": []}, **bucket)
    api.ok("showLockRules", **bucket)
    api.ok("switchManagedDomain", json={"enabled": True}, **bucket)
    api.ok("showManagedDomain", **bucket)
    domain = {**bucket, "domain": "files.contract.example"}
    api.ok("addBucketDomain", json={"domain": domain["domain"], "zoneId": "0" * 32, "enabled": True}, **bucket)
    api.ok("listBucketDomains", **bucket)
    api.ok("showBucketDomain", **domain)
    api.ok("changeBucketDomain", json={"enabled": False, "minTLS": "1.2"}, **domain)
    api.ok("deleteBucketDomain", **domain)

    queue = queues(api)
    told = {**bucket, "queue": queue}
    api.ok("addNotifications", json={"rules": [{"actions": ["PutObject"], "prefix": "a"}]}, **told)
    api.ok("listNotifications", **bucket)
    api.ok("showNotifications", **told)
    api.ok("deleteNotifications", json={}, **told)
    api.ok("deleteObjects", json=["none"], **bucket)
    api.ok("deleteObject", **item)
    return kv, databases(api), queue


def databases(api):
    """D1. Gives a database's id."""
    made = api.ok("createD1Database", json={"name": "contract", "primary_location_hint": "weur"})
    one = {"database": made["uuid"]}
    api.ok("listD1Databases", query={"name": "contr"})
    api.ok("showD1Database", **one)
    api.ok("changeD1Database", json={"read_replication": {"mode": "auto"}}, **one)
    api.ok("updateD1Database", json={"read_replication": {"mode": "disabled"}}, **one)
    api.ok("queryD1", json={"sql": "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, x'00ff')"}, **one)
    api.ok("queryD1", json={"batch": [{"sql": "SELECT * FROM t WHERE a = ?", "params": [1]}]}, **one)
    api.ok("queryD1Raw", json={"sql": "SELECT * FROM t"}, **one)
    api.no("queryD1", 400, json={"sql": "SELECT"}, **one)
    bookmark = api.ok("showD1Bookmark", **one)["bookmark"]
    api.ok("restoreD1Database", query={"bookmark": bookmark}, **one)
    asked = {"output_format": "polling"}

    def exported():
        state = api.ok("exportD1Database", json=asked, **one)
        asked["current_bookmark"] = state.get("at_bookmark")
        return state.get("result")

    file = until(exported)
    assert b"CREATE TABLE" in signed(api, "downloadD1File", file["signed_url"])
    sql = b"CREATE TABLE imported (a);"
    etag = hashlib.md5(sql).hexdigest()
    begun = api.ok("importD1Database", json={"action": "init", "etag": etag}, **one)
    signed(api, "uploadD1File", begun["upload_url"], sql)
    ingest = {"action": "ingest", "filename": begun["filename"], "etag": etag}
    state = api.ok("importD1Database", json=ingest, **one)

    def imported():
        nonlocal state
        if state.get("status") == "active":
            poll = {"action": "poll", "current_bookmark": state["at_bookmark"]}
            state = api.ok("importD1Database", json=poll, **one)
        return state.get("result")

    assert until(imported)["num_queries"] == 1
    return made["uuid"]


def signed(api, name, url, body=None):
    """A call of a URL that an answer gave; and the same with another signature."""
    url = urllib.parse.urlsplit(url)
    method = api.operations[name][0]
    named = {key for key, _ in urllib.parse.parse_qsl(url.query)}
    known = {parameter["name"] for parameter in api.operations[name][2]["parameters"] if parameter["in"] == "query"}
    assert named == known, f"{name} has {sorted(named)} in its URL, and {sorted(known)} in the document"
    path = f"{url.path}?{url.query}"
    status, headers, answer = api.send(method, path + "0", body)
    assert api.hold(name, status, headers, answer)[0] == 403
    status, headers, answer = api.send(method, path, body)
    return api.hold(name, status, headers, answer)[1]


def queues(api):
    """Queues. Gives a queue's id."""
    made = api.ok("createQueue", json={"queue_name": "contract", "settings": {"delivery_delay": 1}})
    one = {"queue": made["queue_id"]}
    api.ok("listQueues", query={"name": "contract"})
    api.ok("showQueue", **one)
    api.ok("changeQueue", json={"settings": {"delivery_delay": 0}}, **one)
    api.ok("updateQueue", json={"queue_name": "contract", "settings": {"message_retention_period": 600}}, **one)
    consumer = api.ok("createQueueConsumer", json={"type": "http_pull", "dead_letter_queue": "dead"}, **one)
    api.ok("listQueueConsumers", **one)
    which = {**one, "consumer": consumer["consumer_id"]}
    api.ok("showQueueConsumer", **which)
    api.ok("changeQueueConsumer", json={"type": "http_pull", "settings": {"batch_size": 2}}, **which)
    api.ok("sendMessage", json={"body": {"a": 1}}, **one)
    batch = [{"body": "text", "content_type": "text"}, {"body": "AAE=", "content_type": "bytes"}]
    api.ok("sendMessages", json={"messages": batch, "delay_seconds": 0}, **one)
    api.ok("showQueueMetrics", **one)
    seen = api.ok("peekMessages", json={"batch_size": 3}, **one)["messages"]
    assert len(seen) == 3, seen
    api.ok("previewMessages", json={}, **one)
    api.ok("purgeMessages", json={"refs": [{"ref": seen[0]["ref"]}, {"ref": "none"}]}, **one)
    pulled = api.ok("pullMessages", json={"batch_size": 10, "visibility_timeout_ms": 30000}, **one)["messages"]
    settled = {"acks": [{"lease_id": pulled[0]["lease_id"]}], "retries": [{"lease_id": pulled[1]["lease_id"]}, {"lease_id": "no"}]}
    api.ok("acknowledgeMessages", json=settled, **one)
    api.ok("showQueuePurge", **one)
    api.ok("purgeQueue", json={"delete_messages_permanently": True}, **one)
    assert api.ok("showQueuePurge", **one)["started_at"]
    api.ok("deleteQueueConsumer", **which)
    source = {"type": "kv"}
    new = {"name": "told", "source": source, "destination": {"type": "queues.queue", "queue_id": one["queue"]}, "events": ["a"]}
    told = {"subscription": api.ok("createSubscription", json=new)["id"]}
    api.ok("listSubscriptions", query={"queue_id": one["queue"]})
    api.ok("showSubscription", **told)
    api.ok("changeSubscription", json={"enabled": False}, **told)
    api.ok("deleteSubscription", **told)
    api.no("createQueue", 400, json={"queue_name": "-"})
    return made["queue_id"]


def upload(metadata, code=WORKER):
    import json

    return form([("metadata", "application/json", json.dumps(metadata)), ("index.js", "application/javascript+module", code)])


def workers(api, kv, database):
    """Workers and all that belongs to them."""
    worker = {"worker": "contract"}
    bindings = [
        {"type": "plain_text", "name": "GREETING", "text": "hello"},
        {"type": "kv_namespace", "name": "KV", "namespace_id": kv},
        {"type": "d1", "name": "DB", "id": database},
        {"type": "queue", "name": "QUEUE", "queue_name": "contract"},
        {"type": "r2_bucket", "name": "BUCKET", "bucket_name": "contract"},
        {"type": "durable_object_namespace", "name": "COUNTER", "class_name": "Counter"},
        {"type": "workflow", "name": "FLOW", "workflow_name": "contract-flow", "class_name": "Flow"},
        {"type": "analytics_engine", "name": "POINTS", "dataset": "points"},
    ]
    metadata = {
        "main_module": "index.js",
        "bindings": bindings,
        "compatibility_date": "2026-01-01",
        "limits": {"cpu_ms": 5000},
        "annotations": {"workers/message": "first", "workers/tag": "one"},
        "observability": {"enabled": True},
    }
    first = {**metadata, "migrations": {"new_tag": "v1", "new_sqlite_classes": ["Counter"]}}
    uploaded = api.ok("deployWorker", **upload(first), **worker)
    assert uploaded["deployment"]["versions"][0]["version_id"] == uploaded["deployment_id"]
    api.no("deployWorker", 400, **upload(metadata, "export default {"), **worker)
    api.ok("replaceWorkerContent", **upload({"main_module": "index.js"}), **worker)
    api.ok("listWorkers", query={"per_page": 10})
    for name in ("downloadWorker", "downloadWorkerContent", "downloadVersionContent"):
        assert b"WorkflowEntrypoint" in api.ok(name, **worker)
    api.ok("showService", **worker)
    api.ok("listReferences", **worker)
    caller = {**metadata, "bindings": [{"type": "service", "name": "OTHER", "service": "contract"}]}
    api.ok("deployWorker", **upload(caller, "export default {}"), worker="caller")
    assert api.ok("listReferences", **worker)["services"]["incoming"]
    api.no("deleteService", 400, **worker)

    answer = api.ok("sendTrialRequest", json={"path": "/a?b=c", "headers": [["x-a", "1"]]}, **worker)
    assert base64.b64decode(answer["body_base64"]) == b"hello" and answer["status"] == 200, answer
    api.no("sendTrialRequest", 400, json={"path": "no slash"}, **worker)
    status = api.ok("showStatus")
    assert any(live["name"] == "contract" and live["processes"] for live in status["workers"]), status

    version = api.ok("uploadVersion", **upload(metadata), **worker)["id"]
    api.ok("listVersions", query={"per_page": 5}, **worker)
    api.ok("showVersion", version=version, **worker)
    split = {"strategy": "percentage", "versions": [{"version_id": version, "percentage": 100}]}
    deployment = api.ok("deployVersions", json={**split, "annotations": {"workers/message": "m"}}, **worker)["id"]
    api.ok("listDeployments", **worker)
    api.ok("showDeployment", deployment=deployment, **worker)
    api.ok("showSettings", **worker)
    api.ok("changeSettings", json={"compatibility_date": "2026-01-02"}, **worker)
    api.ok("showScriptSettings", **worker)
    api.ok("changeScriptSettings", json={"tags": ["a"], "logpush": False}, **worker)
    api.ok("putSecret", json={"name": "KEY", "text": "hush", "type": "secret_text"}, **worker)
    api.ok("listSecrets", **worker)
    api.ok("showSecret", secret="KEY", **worker)
    api.ok("changeSecrets", json={"secrets": {"OTHER": {"text": "x", "name": "OTHER", "type": "secret_text"}, "KEY": None}}, **worker)
    api.ok("deleteSecret", secret="OTHER", **worker)

    record = {"worker": api.ok("createWorkerRecord", json={"name": "newer", "subdomain": {"enabled": True}})["id"]}
    api.ok("listWorkerRecords")
    api.ok("showWorkerRecord", **record)
    api.ok("showWorkerRecord", **worker)
    api.ok("changeWorkerRecord", json={"tags": ["t"]}, **record)
    api.ok("updateWorkerRecord", json={"logpush": False}, **record)
    module = {"name": "a.js", "content_type": "application/javascript+module", "content_base64": "ZXhwb3J0IGRlZmF1bHQge30="}
    newer = {"main_module": "a.js", "modules": [module], "compatibility_date": "2026-01-01"}
    made = api.ok("createWorkerVersion", json=newer, query={"deploy": "true"}, **record)
    api.ok("listWorkerVersions", **record)
    api.ok("showWorkerVersion", version=made["id"], **record)
    api.ok("showLatestWorkerVersion", **record)
    api.ok("changeLatestWorkerVersion", json={"env": {"A": {"type": "plain_text", "text": "a"}}}, **record)
    return worker, record


def assets(api, worker):
    """Static assets: two files, one in a form and one by itself."""
    first, second = "321385659e55cedd850dd031d3eef5e9", "116e5d6c494fd372aff7df65ce7825ac"
    manifest = {"/first.txt": {"hash": first, "size": 11}, "/second.txt": {"hash": second, "size": 12}}
    begun = api.ok("beginAssetsUpload", json={"manifest": manifest}, **worker)
    assert begun["buckets"] == [[first, second]], begun
    session = {"bearer": begun["jwt"]}
    assert api.ok("uploadAssets", **form([(first, "text/plain", "first asset")]), **session) == {}
    done = api.ok("uploadAsset", data=b"second asset", kind="text/plain", hash=second, **session)
    again = api.ok("beginAssetsUpload", json={"manifest": manifest}, **worker)
    assert again["buckets"] == [] and done["jwt"], again
    site = {"worker": "contract-site"}
    jwt = api.ok("beginAssetsUpload", json={"manifest": manifest}, **site)["jwt"]
    code = "export default { fetch: () => new Response() }"
    api.ok("deployWorker", **upload({"main_module": "index.js", "assets": {"jwt": jwt}}, code), **site)
    listed = api.ok("listAssets", query={"search": "SECOND", "per_page": 1}, **site)
    assert listed == [{"path": "/second.txt", "size": 12, "type": "text/plain", "hash": second}], listed
    api.no("listAssets", 404, query={"version_id": "none"}, **site)
    api.ok("deleteWorker", **site)
    manifest["/third.txt"] = {"hash": "0" * 32, "size": 1}
    session = {"bearer": api.ok("beginAssetsUpload", json={"manifest": manifest}, **worker)["jwt"]}
    api.no("uploadAsset", 400, data=b"another", kind="text/plain", hash="0" * 32, **session)


def pages(api):
    """A project of Pages: files, deployments, domains, a tail."""
    variables = {"env_vars": {"S": {"type": "secret_text", "value": "s3cret"}, "P": {"type": "plain_text", "value": "p"}}}
    wanted = {"name": "contract", "production_branch": "main", "deployment_configs": {"production": variables}}
    api.ok("createPagesProject", json=wanted)
    one = {"project": "contract"}
    api.ok("changePagesProject", json={"deployment_configs": {"preview": {"kv_namespaces": {}}}}, **one)
    upload = {"bearer": api.ok("showPagesUploadToken", **one)["jwt"]}
    hashes = {"hashes": ["a1", "b2"]}
    assert api.ok("checkPagesFiles", json=hashes, **upload) == ["a1", "b2"]
    contents = [{"key": key, "value": "aGVsbG8=", "base64": True, "metadata": {"contentType": "text/html"}} for key in ("a1", "b2")]
    assert api.ok("uploadPagesFiles", json=contents, **upload)["successful_key_count"] == 2
    api.ok("keepPagesFiles", json=hashes, **upload)
    api.no("uploadPagesFiles", 400, json=[{"key": "../c", "value": ""}], **upload)
    code = "export default { fetch(request, env) { return env.ASSETS.fetch(request) } }"
    files = ("manifest", "application/json", '{"/index.html": "a1", "/b.html": "b2"}')
    script = ("_worker.js", "application/javascript", code)
    first = {**one, "deployment": api.ok("createPagesDeployment", **form([files, script]), **one)["id"]}
    second = api.ok("createPagesDeployment", **form([files]), **one)
    draft = api.ok("createPagesDeployment", **form([files, ("branch", "text/plain", "fix/api")]), **one)
    api.no("createPagesDeployment", 400, **form([("manifest", "application/json", '{"/../a": "a1"}')]), **one)
    assert api.ok("rollBackPagesProject", **first)["id"] == first["deployment"]
    api.ok("retryPagesDeployment", **first)
    api.ok("listPagesDeployments", query={"env": "production", "per_page": 5}, **one)
    api.ok("showPagesDeployment", **first)
    api.ok("showPagesDeploymentLog", **first)
    tail = api.ok("createPagesTail", json={"filters": []}, **first)["id"]
    api.ok("deletePagesTail", tail=tail, **first)
    api.ok("deletePagesDeployment", deployment=second["id"], **one)
    api.no("deletePagesDeployment", 400, deployment=draft["id"], **one)
    api.ok("deletePagesDeployment", query={"force": "true"}, deployment=draft["id"], **one)
    domain = {**one, "domain": "www.pages-contract.example"}
    api.ok("addPagesDomain", json={"name": domain["domain"]}, **one)
    api.ok("listPagesDomains", **one)
    api.ok("showPagesDomain", **domain)
    api.ok("validatePagesDomain", **domain)
    api.ok("listPagesProjects")
    api.ok("showPagesProject", **one)
    api.ok("deletePagesDomain", **domain)
    api.ok("purgePagesBuildCache", **one)
    api.ok("deletePagesProject", **one)
    api.no("showPagesProject", 404, **one)


def hosts(api, worker):
    """Where a worker is reached, by whom, and what it reaches."""
    api.ok("showAccountSubdomain")
    api.ok("changeAccountSubdomain", json={"subdomain": "contract"})
    api.no("checkSubdomain", 400, subdomain="contract")
    api.no("checkSubdomain", 404, subdomain="nobody-has-this")
    api.ok("switchWorkerSubdomain", json={"enabled": True}, **worker)
    served = api.ok("showWorkerSubdomain", **worker)["url"]
    api.ok("replaceSchedules", json=[{"cron": "0 3 * * *"}], **worker)
    api.ok("listSchedules", **worker)
    api.ok("runScheduledHandler", json={"cron": "0 3 * * *", "scheduledTime": 0}, **worker)
    assert api.ok("listScheduledRuns", **worker)[0]["outcome"] == "ok"
    account = {"id": api.account}
    zone = {"zone": api.ok("createZone", json={"name": "contract.example", "account": account})["id"]}
    api.ok("listZones", query={"name": "contract.example", "account.id": api.account})
    api.ok("showZone", **zone)
    api.ok("replaceWorkerRoutes", json=[{"pattern": "contract.example/a/*", "zone_name": "contract.example"}], **worker)
    api.ok("listWorkerRoutes", **worker)
    route = api.ok("createRoute", json={"pattern": "contract.example/b/*", "script": "contract"}, **zone)
    route = {**zone, "route": route["id"]}
    api.ok("listZoneRoutes", **zone)
    api.ok("showRoute", **route)
    api.ok("changeRoute", json={"pattern": "contract.example/c/*", "script": None}, **route)
    api.ok("deleteRoute", **route)
    own = {"hostname": "www.contract.example"}
    api.ok("previewCustomDomains", json=[own], query={"replace_state": "true"}, **worker)
    api.ok("replaceWorkerCustomDomains", json={"origins": [own], "override_scope": True}, **worker)
    api.ok("previewCustomDomains", json=[{**own, "enabled": False}], **worker)
    added = api.ok("addCustomDomain", json={"hostname": "more.contract.example", "service": "contract"})
    for (every, one, delete), name in [
        (("listCustomDomains", "showCustomDomain", "deleteCustomDomain"), "more.contract.example"),
        (("listDomainRecords", "showDomainRecord", "deleteDomainRecord"), "www.contract.example"),
    ]:
        found = api.ok(every, query={"hostname": name, "service": "contract"})
        api.ok(one, domain=found[0]["id"])
        api.ok(delete, domain=found[0]["id"])
    assert added["service"] == "contract"
    api.ok("purgeCache", json={"tags": ["a"]}, **zone)
    api.ok("deleteCached", json={"purge_everything": True}, **zone)
    api.ok("deleteZone", **zone)

    rules = {"allow": [{"net": "10.1.0.0/16", "ports": [443]}], "hosts": {}}
    for what, ids in [("Account", {}), ("Worker", worker), ("Installation", {})]:
        api.ok(f"replace{what}Egress", json=rules, **ids)
        assert api.ok(f"show{what}Egress", **ids)["allow"] == rules["allow"]
        api.ok(f"replace{what}Egress", json=None, **ids)
        assert api.ok(f"show{what}Egress", **ids) is None
    seen = api.ok("listAuditLogs", query={"direction": "asc", "per_page": 1000, "action.type": "createZone"})
    assert seen[-1]["newValueJson"]["name"] == "contract.example", seen[-1]
    assert api.ok("listAuditEvents", query={"limit": 5, "since": "2020-01-01", "action_type": "delete"})
    assert api.ok("listInstallationAuditLogs")[0]["owner"]["id"] is None
    api.no("listAuditLogs", 400, query={"since": "yesterday"})
    api.no("listAuditEvents", 400, query={"cursor": "?"})
    api.no("listInstallationAuditLogs", 400, query={"before": "soon"})
    quotas = api.ok("replaceQuotas", json={"workers": 100, "memory_mb": None})
    assert quotas["workers"]["limit"] == 100 and quotas["workers"]["used"] > 0 and quotas["memory_mb"]["own"], quotas
    api.no("replaceQuotas", 400, json={"wokers": 1})
    api.ok("replaceQuotas", json={})
    assert not api.ok("showQuotas")["workers"]["own"]
    api.ok("changeAccessRule", json={"rule": "token"}, **worker)
    token = api.ok("createAccessToken", json={"name": "ci", "expires_on": "2099-01-01T00:00:00Z"}, **worker)
    api.ok("listAccessTokens", **worker)
    api.ok("revokeAccessToken", token=token["id"], **worker)
    api.ok("changeAccessRule", json={"rule": "open"}, **worker)
    assert api.ok("showAccessRule", **worker) == {"rule": "open"}
    api.no("changeAccessRule", 400, json={"rule": "closed"}, **worker)
    api.ok("switchOffWorkerSubdomain", **worker)
    api.ok("switchWorkerSubdomain", json={"enabled": True}, **worker)
    return served


def running(api, worker, url):
    """What a worker does, seen from outside."""
    tail = api.ok("createTail", json={"filters": []}, **worker)
    api.ok("listTails", **worker)
    upgrade(api, "watchTail", f"/tail/{tail['id']}")
    tail = api.ok("createTail", json={}, **worker)
    api.ok("deleteTail", tail=tail["id"], **worker)
    api.ok("listTailedWorkers", **worker)
    debugger(api, worker)
    get(api, url)
    now = time.time() * 1000
    timeframe = {"from": now - 3_600_000, "to": now + 60_000}
    for view in ("events", "invocations", "calculations"):
        parameters = {"calculations": [{"operator": "count"}]} if view == "calculations" else {}
        asked = {"queryId": "q", "timeframe": timeframe, "view": view, "parameters": parameters, "limit": 5}
        if view == "events":
            until(lambda: api.ok("queryLogs", json=asked)["events"]["events"])
        api.ok("queryLogs", json=asked)
    assert api.ok("listLogKeys", json={"timeframe": timeframe})
    values = {"timeframe": timeframe, "key": "$workers.scriptName", "type": "string", "datasets": []}
    assert api.ok("listLogValues", json=values)
    sql = "SELECT blob1, SUM(_sample_interval) AS n FROM points GROUP BY blob1"
    query = {"data": sql.encode(), "kind": "text/plain"}
    # There is no such table before the first point is written.
    until(lambda: (found := api.call("queryDataPoints", **query))[0] == 200 and found[1]["data"])
    api.ok("fetchDataPoints", query={"query": sql})
    api.no("fetchDataPoints", 422, query={"query": "SELECT"})
    query = "query ($a: string!) { viewer { accounts(filter: {accountTag: $a}) { workersInvocationsAdaptive(limit: 5, filter: {}) { sum { requests } dimensions { scriptName } } } } }"
    assert api.ok("queryAnalytics", json={"query": query, "variables": {"a": api.account}})["data"]
    assert api.ok("queryAnalytics", json={"query": "{"})["errors"]
    namespace = {"namespace": api.ok("listDurableObjectNamespaces")[0]["id"]}
    until(lambda: api.ok("listDurableObjects", query={"limit": 5}, **namespace))

    flow = {"workflow": "contract-flow"}
    api.ok("putWorkflow", json={"script_name": "contract", "class_name": "Flow"}, **flow)
    api.ok("listWorkflows")
    versions = api.ok("listWorkflowVersions", **flow)
    api.ok("showWorkflowVersion", version=versions[0]["id"], **flow)
    one = {**flow, "instance": api.ok("createInstance", json={"instance_id": "one", "params": {"a": 1}}, **flow)["id"]}
    api.ok("createInstances", json=[{"instance_id": "two"}, {"instance_id": "three"}], **flow)
    until(lambda: api.ok("showInstance", **one)["status"] == "waiting" or api.ok("showInstance", **one)["steps"])
    api.ok("listInstances", query={"per_page": 5}, **flow)
    api.ok("showWorkflow", **flow)
    api.ok("sendEvent", json={"go": True}, event="go", **one)
    until(lambda: api.ok("showInstance", **one)["status"] == "complete")
    api.ok("changeInstanceStatus", json={"status": "terminate"}, **flow, instance="two")
    api.no("createInstance", 409, json={"instance_id": "one"}, **flow)
    api.ok("terminateInstances", **flow)
    api.ok("deleteInstances", json={"instances": ["two"]}, **flow)
    api.ok("deleteWorkflow", **flow)


def get(api, url):
    """One request to a worker at its own host."""
    where = urllib.parse.urlsplit(url)
    status, _, body = api.send("GET", "/", headers={"host": where.netloc})
    assert (status, body) == (200, b"hello"), (status, body)


def debugger(api, worker):
    """An inspector session, and what a debugger asks for."""
    session = api.ok("beginInspectorSession", json={}, **worker)
    api.ok("listInspectorSessions", **worker)
    key = {"key": session["websocket_url"].rsplit("/", 1)[1]}
    for name in ("listDebuggerTargets", "listAllDebuggerTargets", "showDebuggerVersion"):
        api.ok(name, **key)
        api.no(name, 404, key="none")
    upgrade(api, "attachDebugger", f"/inspector/{key['key']}")
    api.no("attachDebugger", 404, key="none")
    api.no("beginInspectorSession", 400, json={"version_id": 1}, **worker)
    api.ok("endInspectorSession", session=session["id"], **worker)
    api.no("endInspectorSession", 404, session=session["id"], **worker)


def upgrade(api, name, path):
    """A WebSocket."""
    where = urllib.parse.urlsplit(api.base)
    with socket.create_connection((where.hostname, where.port), timeout=60) as stream:
        lines = [
            f"GET {path} HTTP/1.1", f"Host: {where.netloc}", "Connection: Upgrade", "Upgrade: websocket",
            "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol: trace-v1",
        ]
        stream.sendall("\r\n".join([*lines, "", ""]).encode())
        status = int(stream.recv(64).split()[1])
        api.hold(name, status, {}, b"")


def functions(api):
    """Functions of all three APIs, and templates."""
    new = {"name": "contract", "runtime": "nodejs", "handler": "run", "code": "async function run(event) { console.log('in'); return event.a.b; }"}
    one = {"id": api.ok("createFunction", json={**new, "timeout": 10, "memory": 64, "environment": {"A": "b"}})["id"]}
    refusal = api.no("createFunction", 400, json={**new, "name": "other", "runtime": "cobol"})
    assert refusal["field"] == "runtime"
    api.no("createFunction", 400, json={**new, "name": "other", "code": "function ("})
    api.ok("listFunctions")
    assert "code" not in api.ok("showFunction", **one)
    known = api.ok("showFunction", query={"source": "true"}, **one)
    assert (known["code"], known["language"], known["dependencies"]) == (new["code"], "javascript", None)
    assert api.ok("invokeFunction", json={"event": {"a": {"b": [1]}}, "context": {"request_id": "r"}}, **one)["result"] == [1]
    assert api.ok("invokeFunction", json={}, **one)["error"]["type"] == "TypeError"
    stats = until(lambda: (found := api.ok("showFunctionStatistics", **one))["invocations"] == 2 and found)
    assert stats["errors_by_type"] == {"TypeError": 1}
    api.ok("listFunctionCalls", query={"limit": 5, "offset": 0}, **one)
    for name in ("listFunctionCalls", "listFunctionLogs"):
        api.no(name, 400, query={"limit": "many"}, **one)
    assert {line["level"] for line in api.ok("listFunctionLogs", **one)["logs"]} == {"info", "error"}
    api.ok("changeFunction", json={"timeout": 5}, **one)
    api.ok("deleteFunction", **one)
    api.ok("showServices")

    code = "export default { fetch() { return new Response('v') } }"
    name = {"name": "contract-deploy"}
    wanted = {"runtime": "js", "code": code, "env_vars": {"A": 1, "B": True}}
    api.ok("deployFunction", json={**wanted, "version": "v1", "alias": "stable", "idle_timeout": 60}, **name)
    api.ok("deployFunction", json={**wanted, "code": code + "//"}, **name)
    api.no("deployFunction", 409, json={**wanted, "version": "v1", "code": code + "///"}, **name)
    api.ok("listDeployedFunctions")
    latest = api.ok("showDeployedFunction", **name)["latest"]
    known = api.ok("showDeployedFunction", query={"version": "v1"}, **name)
    assert (known["code"], known["env_vars"]) == (code, {"A": "1", "B": "true"})
    api.no("showDeployedFunction", 404, query={"version": "none"}, **name)
    assert api.ok("rollBackFunction", json={"version": "v1"}, **name)["targetVersion"] == "v1"
    api.ok("stopFunction", json={}, **name)
    api.ok("deleteDeployedFunction", query={"version": latest}, **name)
    api.ok("deleteDeployedFunction", **name)

    handler = "function handler(request, { env }) { return { path: request.url, a: env.get('A') } }"
    routed = {"name": "contract-route", "route": "/contract", "methods": ["GET"], "code": handler, "env": {"A": "b"}}
    one = {"id": api.ok("createRoutedFunction", json=routed)["id"]}
    api.no("createRoutedFunction", 409, json=routed)
    api.ok("listRoutedFunctions")
    api.ok("showRoutedFunction", **one)
    api.ok("changeRoutedFunction", json={"methods": ["GET", "POST"]}, **one)
    assert api.ok("invokeRoutedFunction", json={"headers": {"x-a": "b"}}, **one)["body"]["a"] == "b"
    api.ok("showRoutedFunctionStatistics", **one)
    api.ok("showStatistics")
    api.ok("deleteRoutedFunction", **one)

    acting = {"hearth-account": api.account}
    for name in ("listFunctions", "listDeployedFunctions", "listRoutedFunctions", "showStatistics", "listTemplates"):
        api.ok(name, headers=acting)
        api.no(name, 400, headers={"hearth-account": "two words"})

    api.ok("listTemplates")
    api.ok("showTemplate", id="typescript")
    assert api.ok("deployTemplate", json={"name": "from-template"}, id="hello-world")["url"]
    api.no("deployTemplate", 409, json={"name": "from-template"}, id="hello-world")


def broken_documents(api):
    """Whoever holds answers against a document that is not right is told so."""
    whole = api.schemas, api.operations
    wrong_name = {**whole[0], "PageInfo": {**whole[0]["PageInfo"], "required": ["none"]}}
    for what, schemas, operations in [
        ("a member that the document leaves out", without(whole[0], "Queue", "properties", "settings"), whole[1]),
        ("a member that answers do not have", wrong_name, whole[1]),
        ("a member of another type", {**whole[0], "Queue": {"type": "string"}}, whole[1]),
        ("a status that is not there", whole[0], without(whole[1], "listQueues", 2, "responses", "200")),
    ]:
        before = len(api.faults)
        api.schemas, api.operations = schemas, operations
        api.ok("listQueues")
        api.schemas, api.operations = whole
        assert len(api.faults) > before, f"{what} was not seen"
        del api.faults[before:]


def endings(api, worker, record, kv, database, queue):
    """Deletions, and the server as a whole."""
    api.ok("showHealth")
    api.ok("showMetrics")
    api.ok("showOpenAPIDocument")
    api.ok("backUp")
    assert any(found["name"] == "runtime" and found["ok"] for found in api.ok("listNodes")[0]["findings"])
    api.ok("deleteWorkerRecord", **record)
    api.ok("deleteWorker", worker="caller")
    api.ok("deleteService", query={"force": "true"}, **worker)
    api.ok("deleteKVNamespace", namespace=kv)
    api.ok("deleteD1Database", database=database)
    api.ok("deleteBucket", bucket="contract")
    api.ok("deleteQueue", queue=queue)
    for name, (_, _, operation) in api.operations.items():
        if operation["tags"] == ["Unsupported"]:
            api.no(name, 400, data=b"{}", worker="any")
    for name in ("showSippy", "replaceSippy", "deleteSippy", "showLocalUploads", "replaceLocalUploads"):
        api.no(name, 400, bucket="any")


def main():
    api = from_environment()
    kv, database, queue = storage(api)
    worker, record = workers(api, kv, database)
    assets(api, worker)
    pages(api)
    url = hosts(api, worker)
    identity(api)
    signin(api)
    access(api)
    members(api)
    running(api, worker, url)
    functions(api)
    api.refuse_all()
    broken_documents(api)
    endings(api, worker, record, kv, database, queue)
    audited(api)
    assert not api.faults, "\n".join(api.faults)
    assert api.never_succeeded() == [], f"no success was seen of {api.never_succeeded()}"
    print(f"{len(api.operations)} operations are as the document says")


if __name__ == "__main__":
    main()
