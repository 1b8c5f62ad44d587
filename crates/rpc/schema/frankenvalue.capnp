# How workerd carries a value such as `ctx.props` that was made outside of a JavaScript context.
@0xcc3b225cb3101aba;

struct Frankenvalue {
  union {
    emptyObject @0 :Void;
    json @1 :Text;
    v8Serialized @2 :Data;
  }
  properties @3 :List(Frankenvalue);
  name @4 :Text;
  capTableSize @5 :UInt32;
  capTable @6 :AnyPointer;
}
