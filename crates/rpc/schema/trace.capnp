# What workerd records of one invocation. Ordinals and types are workerd's (`Trace` in its `worker-interface.capnp`, and
# `EventOutcome`); what Hearth does not read is an opaque pointer. The file's id is ours.
@0xb7e2f4098c6d1a53;

using HttpMethod = import "http-over-capnp.capnp".HttpMethod;

struct Trace {
  logs @0 :List(Log);
  exceptions @1 :List(Exception);
  outcome @2 :EventOutcome;
  scriptName @4 :Text;
  eventTimestampNs @5 :Int64;
  eventInfo :union {
    none @3 :Void;
    fetch @6 :Fetch;
    scheduled @7 :Scheduled;
    alarm @9 :Alarm;
    custom @13 :AnyPointer;
    queue @15 :Queue;
    email @16 :Email;
    trace @18 :Tail;
    hibernatableWebSocket @20 :HibernatableWebSocket;
    jsRpc @21 :JsRpc;
    connect @29 :AnyPointer;
  }
  response @8 :Response;
  cpuTime @10 :UInt64;
  wallTime @11 :UInt64;
  dispatchNamespace @12 :Text;
  scriptTags @14 :List(Text);
  diagnosticChannelEvents @17 :List(DiagnosticChannelEvent);
  scriptVersion @19 :ScriptVersion;
  entrypoint @22 :Text;
  scriptId @23 :Text;
  truncated @24 :Bool;
  executionModel @25 :ExecutionModel;
  obsolete26 @26 :AnyPointer;
  durableObjectId @27 :Text;
  tailAttributes @28 :AnyPointer;

  struct Log {
    timestampNs @0 :Int64;
    level @1 :Level;
    message @2 :Text;
    errorInfo @3 :List(ErrorSlot);
    truncated @4 :Bool;

    enum Level {
      debug @0;
      info @1;
      log @2;
      warn @3;
      error @4;
    }
  }

  struct ErrorSlot {
    union {
      none @0 :Void;
      info @1 :ErrorInfo;
    }
  }

  struct ErrorInfo {
    name @0 :Text;
    message @1 :Text;
    stack @2 :Text;
  }

  struct Exception {
    timestampNs @0 :Int64;
    name @1 :Text;
    message @2 :Text;
    stack @3 :Text;
  }

  struct Fetch {
    method @0 :HttpMethod;
    url @1 :Text;
    cfJson @2 :Text;
    headers @3 :List(Header);

    struct Header {
      name @0 :Text;
      value @1 :Text;
    }
  }

  struct JsRpc {
    methodName @0 :Text;
  }

  struct Scheduled {
    scheduledTime @0 :Float64;
    cron @1 :Text;
  }

  struct Alarm {
    scheduledTimeMs @0 :Int64;
  }

  struct Queue {
    queueName @0 :Text;
    batchSize @1 :UInt32;
  }

  struct Email {
    mailFrom @0 :Text;
    rcptTo @1 :Text;
    rawSize @2 :UInt32;
  }

  struct Tail {
    traces @0 :List(Item);

    struct Item {
      scriptName @0 :Text;
    }
  }

  struct HibernatableWebSocket {
    type :union {
      message @0 :Void;
      close :group {
        code @1 :UInt16;
        wasClean @2 :Bool;
      }
      error @3 :Void;
    }
  }

  struct Response {
    statusCode @0 :UInt16;
  }

  struct DiagnosticChannelEvent {
    timestampNs @0 :Int64;
    channel @1 :Text;
    message @2 :Data;
  }

  struct ScriptVersion {
    id :group {
      upper @0 :UInt64;
      lower @1 :UInt64;
    }
    tag @2 :Text;
    message @3 :Text;
  }

  enum ExecutionModel {
    stateless @0;
    durableObject @1;
    workflow @2;
  }
}

enum EventOutcome {
  unknown @0;
  ok @1;
  exception @2;
  exceededCpu @3;
  killSwitch @4;
  daemonDown @5;
  scriptNotFound @6;
  canceled @7;
  exceededMemory @8;
  loadShed @9;
  responseStreamDisconnected @10;
  internalError @11;
  exceededWallTime @12;
  aborted @13;
}

struct SendTracesRun {
  outcome @0 :EventOutcome;
}
