# The part of Cap'n Proto's `rpc.capnp` that holds an exception with its details, which the capnp-rpc crate's own
# description of the protocol leaves out. Only read and written in place: the file's id is ours.
@0xd1c8f2a6b3e94757;

struct Message {
  union {
    unimplemented @0 :AnyPointer;
    abort @1 :AnyPointer;
    call @2 :AnyPointer;
    return @3 :Return;
    finish @4 :AnyPointer;
    resolve @5 :Resolve;
  }
}

struct Return {
  answerId @0 :UInt32;
  releaseParamCaps @1 :Bool = true;
  union {
    results @2 :AnyPointer;
    exception @3 :Exception;
    canceled @4 :Void;
    resultsSentElsewhere @5 :Void;
    takeFromOtherQuestion @6 :UInt32;
  }
}

struct Resolve {
  promiseId @0 :UInt32;
  union {
    cap @1 :CapDescriptor;
    exception @2 :Exception;
  }
}

struct CapDescriptor {
  union {
    none @0 :Void;
    senderHosted @1 :UInt32;
    senderPromise @2 :UInt32;
  }
}

struct Exception {
  reason @0 :Text;
  obsoleteIsCallersFault @1 :Bool;
  obsoleteDurability @2 :UInt16;
  type @3 :UInt16;
  trace @4 :Text;
  details @5 :List(Detail);

  struct Detail {
    detailId @0 :UInt64;
    data @1 :Data;
  }
}
