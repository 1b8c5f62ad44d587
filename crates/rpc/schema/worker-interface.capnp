# The members of workerd's `worker-interface.capnp` that Hearth speaks. The file's id and the names decide the interface
# ids, the ordinals decide the wire layout; both must stay as workerd has them.
@0xf7958855f6746344;

using Http = import "http-over-capnp.capnp";
using Frankenvalue = import "frankenvalue.capnp".Frankenvalue;
using Tracing = import "trace.capnp";

# A serialized JavaScript value with the capabilities in it.
struct JsValue {
  v8Serialized @0 :Data;
  externals @1 :AnyPointer;
}

# It extends `JsValue.ExternalPusher`, which passes through without being looked at.
interface JsRpcTarget {
  struct CallParams {
    union {
      methodName @0 :Text;
      methodPath @2 :List(Text);
    }
    operation :union {
      callWithArgs @1 :JsValue;
      getProperty @3 :Void;
    }
    resultsStreamHandler :union {
      obsolete4 @4 :Capability;
      externalPusher @5 :Capability;
    }
  }

  struct CallResults {
    result @0 :JsValue;
    callPipeline @1 :JsRpcTarget;
    hasDisposer @2 :Bool;
  }

  call @0 CallParams -> CallResults;
}

interface JsRpcSession {}

interface EventDispatcher @0xf20697475ec1752d {
  getHttpService @0 () -> (http :Http.HttpService);
  sendTraces @1 (traces :List(Tracing.Trace)) -> (result :Tracing.SendTracesRun);
  prewarm @2 (url :Text);
  runScheduled @3 (scheduledTime :Int64, cron :Text) -> (result :AnyPointer);
  runAlarm @4 (scheduledTime :Int64, retryCount :UInt32) -> (result :AnyPointer);
  unused5 @5 ();
  unused6 @6 ();
  unused7 @7 ();
  queue @8 (messages :AnyPointer, queueName :Text, metadata :AnyPointer) -> (result :AnyPointer);
  jsRpcSession @9 () -> (topLevel :JsRpcTarget, session :JsRpcSession);
}

interface WorkerdBootstrap {
  startEvent @0 (cfBlobJson :Text, fromPersistentStub :Bool) -> (dispatcher :EventDispatcher);
}

interface WorkerdDebugPort {
  getEntrypoint @0 (service :Text, entrypoint :Text, props :Frankenvalue) -> (entrypoint :WorkerdBootstrap);
  getActor @1 (service :Text, entrypoint :Text, actorId :Text) -> (actor :WorkerdBootstrap);
}
