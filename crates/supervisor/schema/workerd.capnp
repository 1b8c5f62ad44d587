@0xc1f0a7d26b9e4853;
# The part of workerd's configuration that Hearth writes. Ordinals and types are workerd's (`workerd.capnp` of the
# pinned npm package); a contract test starts the pinned binary with what is built from here. Cap'n Proto lays a
# struct out by ordinal, so members stand here up to the highest one used, and none after it.

struct Config {
  services @0 :List(Service);
  sockets @1 :List(Socket);
  v8Flags @2 :List(Text);
  extensions @3 :List(Extension);
  autogates @4 :List(Text);
  structuredLogging @5 :Bool = false;
  logging @6 :LoggingOptions;
}

struct LoggingOptions {
  structuredLogging @0 :Bool = false;
}

struct Socket {
  name @0 :Text;
  address @1 :Text;
  union {
    http @2 :HttpOptions;
    https :group {
      options @3 :HttpOptions;
      tlsOptions @4 :AnyPointer;
    }
  }
  service @5 :ServiceDesignator;
}

struct Service {
  name @0 :Text;
  union {
    unspecified @1 :Void;
    worker @2 :Worker;
    network @3 :AnyPointer;
    external @4 :ExternalServer;
    disk @5 :DiskDirectory;
  }
}

struct ServiceDesignator {
  name @0 :Text;
  entrypoint @1 :Text;
  props :union {
    empty @2 :Void;
    json @3 :Text;
  }
}

struct Worker {
  union {
    modules @0 :List(Module);
    serviceWorkerScript @1 :Text;
    inherit @2 :Text;
  }

  struct Module {
    name @0 :Text;
    union {
      esModule @1 :Text;
      commonJsModule @2 :Text;
      text @3 :Text;
      data @4 :Data;
      wasm @5 :Data;
      json @6 :Text;
      obsolete @7 :Text;
      pythonModule @8 :Text;
      obsoletePythonRequirement @9 :Text;
      bundled @11 :Text;
    }
    namedExports @10 :List(Text);
  }

  compatibilityDate @3 :Text;
  compatibilityFlags @4 :List(Text);
  bindings @5 :List(Binding);

  struct Binding {
    name @0 :Text;
    union {
      unspecified @1 :Void;
      parameter :group {
        type @2 :AnyPointer;
        optional @3 :Bool;
      }
      text @4 :Text;
      data @5 :Data;
      json @6 :Text;
      wasmModule @7 :Data;
      cryptoKey @8 :AnyPointer;
      service @9 :ServiceDesignator;
      durableObjectNamespace @10 :DurableObjectNamespaceDesignator;
      kvNamespace @11 :ServiceDesignator;
      r2Bucket @12 :ServiceDesignator;
      obsolete0 @13 :ServiceDesignator;
      wrapped @14 :WrappedBinding;
      queue @15 :ServiceDesignator;
    }

    struct DurableObjectNamespaceDesignator {
      className @0 :Text;
      serviceName @1 :Text;
    }
  }

  struct DurableObjectNamespaceDesignator {
    className @0 :Text;
    serviceName @1 :Text;
  }

  struct WrappedBinding {
    moduleName @0 :Text;
    entrypoint @1 :Text = "default";
    innerBindings @2 :List(Binding);
  }

  globalOutbound @6 :ServiceDesignator = (name = "internet");
  cacheApiOutbound @11 :ServiceDesignator;

  durableObjectNamespaces @7 :List(DurableObjectNamespace);
  struct DurableObjectNamespace {
    className @0 :Text;
    union {
      uniqueKey @1 :Text;
      ephemeralLocal @2 :Void;
    }
    preventEviction @3 :Bool;
    enableSql @4 :Bool;
  }

  durableObjectUniqueKeyModifier @8 :Text;
  durableObjectStorage :union {
    none @9 :Void;
    inMemory @10 :Void;
    localDisk @12 :Text;
  }

  moduleFallback @13 :Text;
  tails @14 :List(ServiceDesignator);
  streamingTails @15 :List(ServiceDesignator);
  containerEngine :union {
    none @16 :Void;
    localDocker @17 :AnyPointer;
  }
  accessBlobHeader @18 :Text;
  accessBindingService @19 :ServiceDesignator;
  workflowsEngine @20 :WorkflowsEngine;
}

struct WorkflowsEngine {
  actorClass @0 :ServiceDesignator;
  workflows @1 :List(Workflow);

  struct Workflow {
    className @0 :Text;
    name @1 :Text;
    bindingService @2 :ServiceDesignator;
  }
}

struct ExternalServer {
  address @0 :Text;
  union {
    http @1 :HttpOptions;
    https :group {
      options @2 :HttpOptions;
      tlsOptions @3 :AnyPointer;
      certificateHost @4 :Text;
    }
  }
}

struct DiskDirectory {
  path @0 :Text;
  writable @1 :Bool = false;
  allowDotfiles @2 :Bool = false;
}

struct HttpOptions {
  style @0 :Style = host;
  enum Style {
    host @0;
    proxy @1;
  }
  forwardedProtoHeader @1 :Text;
  cfBlobHeader @2 :Text;
  injectRequestHeaders @3 :List(Header);
  injectResponseHeaders @4 :List(Header);
  struct Header {
    name @0 :Text;
    value @1 :Text;
  }
  capnpConnectHost @5 :Text;
}

struct Extension {
  modules @0 :List(Module);
  struct Module {
    name @0 :Text;
    internal @1 :Bool = false;
    esModule @2 :Text;
  }
}
