# Cap'n Proto's byte stream interface (`capnp/compat/byte-stream.capnp`).
@0x8f5d14e1c273738d;

interface ByteStream {
  write @0 (bytes :Data) -> stream;
  end @1 ();
  getSubstream @2 (callback :SubstreamCallback, limit :UInt64 = 0xffffffffffffffff) -> (substream :ByteStream);

  interface SubstreamCallback {
    ended @0 (byteCount :UInt64);
    reachedLimit @1 () -> (next :ByteStream);
  }
}
