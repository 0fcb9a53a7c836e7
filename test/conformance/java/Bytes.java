import java.io.*;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.Readable;
import org.apache.kafka.common.protocol.types.*;
import org.apache.kafka.common.record.internal.MemoryRecords;

/**
 * Kafka's own message classes as an oracle. A request on stdin: int32 size, UTF class name, int16 version, int64 seed,
 * int32 count, then count times int32 size and a message's bytes. The answer on stdout: int32 size, then for each of
 * those Kafka's bytes after decoding and encoding, then count messages that Kafka made at random; a size below 0 is that
 * of an error's text.
 */
public class Bytes {
  static final long EXACT = 1L << 53;
  static final String[] LETTERS = {"a", "Z", "0", "-", " ", "\0", "é", "Ж", "€", "中", "😀"};

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
      byte[] reply = handle(new DataInputStream(new ByteArrayInputStream(frame)));
      answer.writeInt(reply.length);
      answer.write(reply);
      answer.flush();
    }
  }

  static byte[] handle(DataInputStream in) throws Exception {
    Class<?> type = Class.forName(in.readUTF());
    short version = in.readShort();
    Random random = new Random(in.readLong());
    int count = in.readInt();
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    DataOutputStream out = new DataOutputStream(bytes);
    Constructor<?> read = type.getConstructor(Readable.class, short.class);
    for (int i = 0; i < count; i++) {
      byte[] given = in.readNBytes(in.readInt());
      reply(out, read, version, given);
    }
    Schema[] schemas = (Schema[]) type.getField("SCHEMAS").get(null);
    for (int i = 0; i < count; i++) {
      Struct struct = struct(schemas[version], random);
      ByteBuffer buffer = ByteBuffer.allocate(schemas[version].sizeOf(struct));
      schemas[version].write(buffer, struct);
      // Through the class as well: it leaves out tagged fields that have their defaults.
      reply(out, read, version, buffer.array());
    }
    return bytes.toByteArray();
  }

  static void reply(DataOutputStream out, Constructor<?> read, short version, byte[] given) throws IOException {
    try {
      ByteBuffer buffer = ByteBuffer.wrap(given);
      Message message = (Message) read.newInstance(new ByteBufferAccessor(buffer), version);
      if (buffer.hasRemaining()) throw new IllegalStateException(buffer.remaining() + " bytes left over");
      byte[] again = MessageUtil.byteBufferToArray(MessageUtil.toByteBufferAccessor(message, version).buffer());
      out.writeInt(again.length);
      out.write(again);
    } catch (Exception error) {
      Throwable cause = error instanceof InvocationTargetException ? error.getCause() : error;
      byte[] text = cause.toString().getBytes(StandardCharsets.UTF_8);
      out.writeInt(-text.length);
      out.write(text);
    }
  }

  static Struct struct(Schema schema, Random random) {
    Struct struct = new Struct(schema);
    for (BoundField field : schema.fields()) struct.set(field, value(field.def.type, random));
    return struct;
  }

  static Object value(Type type, Random random) {
    if (type.isNullable() && random.nextInt(4) == 0) return null;
    if (type instanceof Schema) return struct((Schema) type, random);
    if (type instanceof TaggedFields) {
      TreeMap<Integer, Object> tags = new TreeMap<>();
      ((TaggedFields) type).fields().forEach((tag, field) -> {
        // Kafka's schema writes a tagged struct that may be null in another way than its class reads it.
        boolean isUnsound = field.type instanceof Schema && field.type.isNullable();
        if (!isUnsound && random.nextInt(3) > 0) tags.put(tag, value(field.type, random));
      });
      return tags;
    }
    if (type.isArray()) {
      Object[] elements = new Object[random.nextInt(4)];
      for (int i = 0; i < elements.length; i++) elements[i] = value(type.arrayElementType().get(), random);
      return elements;
    }
    if (type == Type.BOOLEAN) return random.nextBoolean();
    if (type == Type.INT8) return (byte) random.nextInt();
    if (type == Type.INT16) return (short) random.nextInt();
    if (type == Type.UINT16) return random.nextInt(65536);
    if (type == Type.INT32) return random.nextInt();
    if (type == Type.UNSIGNED_INT32) return random.nextInt() & 0xffffffffL;
    if (type == Type.INT64) return random.nextInt(8) == 0 ? Long.MAX_VALUE : random.nextLong() % EXACT;
    if (type == Type.FLOAT64) return random.nextGaussian();
    if (type == Type.UUID) return new Uuid(random.nextLong(), random.nextLong());
    if (type == Type.STRING || type == Type.COMPACT_STRING || type == Type.NULLABLE_STRING || type == Type.COMPACT_NULLABLE_STRING) {
      StringBuilder text = new StringBuilder();
      for (int n = random.nextInt(10); n > 0; n--) text.append(LETTERS[random.nextInt(LETTERS.length)]);
      return text.toString();
    }
    byte[] bytes = new byte[random.nextInt(40)];
    random.nextBytes(bytes);
    if (type == Type.RECORDS || type == Type.COMPACT_RECORDS || type == Type.NULLABLE_RECORDS || type == Type.COMPACT_NULLABLE_RECORDS) {
      return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes));
    }
    return ByteBuffer.wrap(bytes);
  }
}
