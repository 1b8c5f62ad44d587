# Cap'n Proto's byte stream interface (`capnp/compat/byte-stream.capnp`).
@0x8f5d14e1c273738d;

interface ByteStream {
  write @0 (bytes :Data) -> stream;
  end @1 ();
}
