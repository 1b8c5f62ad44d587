# One instance of a cluster whose bucket is Hearth's. The test fills in what stands in capitals.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker.js", esModule = embed "worker.js")],
      compatibilityDate = "2026-11-01",
      durableObjectNamespaces = [(className = "Counter", uniqueKey = "counter", enableSql = true)],
      durableObjectStorage = (localDisk = "do-storage"),
      bindings = [(name = "COUNTER", durableObjectNamespace = "Counter")],
    )),
    (name = "do-storage", disk = (writable = true)),
  ],
  sockets = [(name = "http", address = "ADDRESS", http = (), service = "main")],
  cluster = (
    bucket = "s3://cluster/prefix",
    bucketOptions = [
      "aws_endpoint=ENDPOINT",
      "aws_region=auto",
      "aws_access_key_id=ACCESS_KEY",
      "aws_secret_access_key=SECRET_KEY",
    ],
    key = "a secret that only members of this cluster know",
    address = "127.0.0.1:0",
  ),
);
