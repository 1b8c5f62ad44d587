# Cap'n Proto's HTTP interface (`capnp/compat/http-over-capnp.capnp`).
@0xb665280aaff2e632;

using ByteStream = import "byte-stream.capnp".ByteStream;

interface HttpService {
  startRequest @0 (request :HttpRequest, context :ClientRequestContext) -> (requestBody :ByteStream, context :AnyPointer);
  request @1 (request :HttpRequest, context :ClientRequestContext) -> (requestBody :ByteStream);

  interface ClientRequestContext {
    startResponse @0 (response :HttpResponse) -> (body :ByteStream);
    startWebSocket @1 (headers :List(HttpHeader), upSocket :WebSocket) -> (downSocket :WebSocket);
  }
}

interface WebSocket {
  sendText @0 (text :Text) -> stream;
  sendData @1 (data :Data) -> stream;
  close @2 (code :UInt16, reason :Text);
}

struct HttpRequest {
  method @0 :HttpMethod;
  url @1 :Text;
  headers @2 :List(HttpHeader);
  bodySize :union {
    unknown @3 :Void;
    fixed @4 :UInt64;
  }
}

struct HttpResponse {
  statusCode @0 :UInt16;
  statusText @1 :Text;
  headers @2 :List(HttpHeader);
  bodySize :union {
    unknown @3 :Void;
    fixed @4 :UInt64;
  }
}

enum HttpMethod {
  get @0;
  head @1;
  post @2;
  put @3;
  delete @4;
  patch @5;
  purge @6;
  options @7;
  trace @8;
  copy @9;
  lock @10;
  mkcol @11;
  move @12;
  propfind @13;
  proppatch @14;
  search @15;
  unlock @16;
  acl @17;
  report @18;
  mkactivity @19;
  checkout @20;
  merge @21;
  msearch @22;
  notify @23;
  subscribe @24;
  unsubscribe @25;
  query @26;
  ban @27;
}

struct HttpHeader {
  union {
    common :group {
      name @0 :UInt16;
      union {
        commonValue @1 :UInt16;
        value @2 :Text;
      }
    }
    uncommon @3 :NameValue;
  }

  struct NameValue {
    name @0 :Text;
    value @1 :Text;
  }
}
