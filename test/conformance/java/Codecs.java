import java.io.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.zip.GZIPOutputStream;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.compress.Lz4BlockOutputStream;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.utils.internals.BufferSupplier;
import org.apache.kafka.common.utils.internals.ByteBufferOutputStream;

/**
 * Kafka's codecs, record batches and tables of errors and APIs as an oracle. A request on stdin: int32 size, UTF operation, then its arguments; the
 * answer on stdout: int32 size, a byte that is 0 when it went well, then bytes (of an error: its text).
 */
public class Codecs {
  static final byte MAGIC = 2;

  public static void main(String[] args) throws Exception {
    PrintStream out = System.out;
    System.setOut(System.err);
    DataInputStream in = new DataInputStream(new BufferedInputStream(System.in, 1 << 16));
    DataOutputStream answer = new DataOutputStream(new BufferedOutputStream(out, 1 << 16));
    while (true) {
      int size;
      try {
        size = in.readInt();
      } catch (EOFException end) {
        return;
      }
      byte[] frame = in.readNBytes(size);
      byte[] reply;
      int fault = 0;
      try {
        reply = handle(new DataInputStream(new ByteArrayInputStream(frame)));
      } catch (Exception | Error error) {
        fault = 1;
        reply = error.toString().getBytes(StandardCharsets.UTF_8);
      }
      answer.writeInt(reply.length + 1);
      answer.writeByte(fault);
      answer.write(reply);
      answer.flush();
    }
  }

  static byte[] handle(DataInputStream in) throws Exception {
    String operation = in.readUTF();
    switch (operation) {
      case "compress": {
        Compression compression = Compression.of(in.readUTF()).build();
        ByteBufferOutputStream into = new ByteBufferOutputStream(1024);
        try (OutputStream stream = compression.wrapForOutput(into, MAGIC)) {
          stream.write(in.readAllBytes());
        }
        into.buffer().flip();
        byte[] bytes = new byte[into.buffer().remaining()];
        into.buffer().get(bytes);
        return bytes;
      }
      case "decompress": {
        Compression compression = Compression.of(in.readUTF()).build();
        ByteBuffer buffer = ByteBuffer.wrap(in.readAllBytes());
        try (InputStream stream = compression.wrapForInput(buffer, MAGIC, BufferSupplier.NO_CACHING)) {
          return stream.readAllBytes();
        }
      }
      case "lz4": {
        int blockSize = in.readInt();
        int level = in.readInt();
        boolean blockChecksum = in.readBoolean();
        ByteArrayOutputStream into = new ByteArrayOutputStream();
        try (OutputStream stream = new Lz4BlockOutputStream(into, blockSize, level, blockChecksum, false)) {
          stream.write(in.readAllBytes());
        }
        return into.toByteArray();
      }
      case "errors": {
        StringBuilder text = new StringBuilder();
        for (Errors error : Errors.values()) {
          boolean isRetriable = error.exception() instanceof org.apache.kafka.common.errors.RetriableException;
          text.append(error.code()).append(' ').append(error.name()).append(' ').append(isRetriable).append('\n');
        }
        return text.toString().getBytes(StandardCharsets.UTF_8);
      }
      case "apis": {
        StringBuilder text = new StringBuilder();
        for (ApiKeys api : ApiKeys.values()) {
          if (!api.hasValidVersion()) continue;
          text.append(api.id).append(' ').append(api.name).append(' ').append(api.inScope(ApiMessageType.ListenerType.BROKER));
          for (short version = api.oldestVersion(); version <= api.latestVersion(false); version++) {
            text.append(' ').append(version).append('/').append(api.requestHeaderVersion(version));
            text.append('/').append(api.responseHeaderVersion(version));
          }
          text.append('\n');
        }
        return text.toString().getBytes(StandardCharsets.UTF_8);
      }
      case "dump":
        return dump(in.readAllBytes()).getBytes(StandardCharsets.UTF_8);
      case "batch":
        return batch(in.readLong(), in.readUTF());
      default:
        throw new IllegalArgumentException(operation);
    }
  }

  /** The header and the records of each batch, a line each. */
  static String dump(byte[] bytes) {
    StringBuilder text = new StringBuilder();
    HexFormat hex = HexFormat.of();
    for (MutableRecordBatch batch : MemoryRecords.readableRecords(ByteBuffer.wrap(bytes)).batches()) {
      batch.ensureValid();
      text.append(String.join(" ", "batch", "" + batch.baseOffset(), "" + batch.lastOffset(), "" + batch.sizeInBytes(),
          "" + batch.partitionLeaderEpoch(), batch.compressionType().name, batch.timestampType().name, "" + batch.maxTimestamp(),
          "" + batch.producerId(), "" + batch.producerEpoch(), "" + batch.baseSequence(), "" + batch.lastSequence(),
          "" + batch.isTransactional(), "" + batch.isControlBatch(), "" + batch.countOrNull(),
          batch.deleteHorizonMs().isPresent() ? "" + batch.deleteHorizonMs().getAsLong() : "none")).append('\n');
      for (org.apache.kafka.common.record.internal.Record record : batch) {
        text.append(String.join(" ", "record", "" + record.offset(), "" + record.timestamp(), "" + record.sizeInBytes(),
            print(record.key()), print(record.value())));
        for (Header header : record.headers()) {
          text.append(' ').append(hex.formatHex(header.key().getBytes(StandardCharsets.UTF_8))).append('=');
          text.append(print(header.value() == null ? null : ByteBuffer.wrap(header.value())));
        }
        text.append('\n');
      }
    }
    return text.toString();
  }

  static String print(ByteBuffer buffer) {
    if (buffer == null) return "null";
    byte[] bytes = new byte[buffer.remaining()];
    buffer.duplicate().get(bytes);
    return "'" + HexFormat.of().formatHex(bytes) + "'";
  }

  /** A random batch and, after it, its dump; the size of the batch comes first. */
  static byte[] batch(long seed, String type) throws IOException {
    Random random = new Random(seed);
    boolean isTransactional = random.nextBoolean();
    long producerId = isTransactional || random.nextBoolean() ? random.nextInt(100000) : -1;
    MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(512), MAGIC, Compression.of(type).build(),
        random.nextInt(4) == 0 ? org.apache.kafka.common.record.TimestampType.LOG_APPEND_TIME : org.apache.kafka.common.record.TimestampType.CREATE_TIME,
        random.nextLong() & 0xffffffffffL, 1700000000000L + random.nextInt(), producerId,
        (short) (producerId < 0 ? -1 : random.nextInt(32768)), producerId < 0 ? -1 : random.nextInt() & 0x7fffffff, isTransactional, random.nextInt(100));
    for (int n = 1 + random.nextInt(20); n > 0; n--) {
      Header[] headers = new Header[random.nextInt(3)];
      for (int i = 0; i < headers.length; i++) headers[i] = new RecordHeader("hé" + i, bytes(random));
      builder.append(1700000000000L + random.nextInt(), bytes(random), bytes(random), headers);
    }
    ByteBuffer buffer = builder.build().buffer();
    byte[] made = new byte[buffer.remaining()];
    buffer.get(made);
    ByteArrayOutputStream into = new ByteArrayOutputStream();
    DataOutputStream out = new DataOutputStream(into);
    out.writeInt(made.length);
    out.write(made);
    out.write(dump(made).getBytes(StandardCharsets.UTF_8));
    return into.toByteArray();
  }

  static byte[] bytes(Random random) {
    int kind = random.nextInt(6);
    if (kind == 0) return null;
    byte[] bytes = new byte[kind == 1 ? 0 : random.nextInt(kind == 2 ? 5000 : 100)];
    if (random.nextBoolean()) random.nextBytes(bytes);
    return bytes;
  }
}
