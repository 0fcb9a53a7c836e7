// Transactions step by step, for the suites of test/interop: producers by name whose every call is an operation of its own,
// what each isolation level sees, and the reading of everything at the end of a workload.

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;

final class Transactions {
    private final Driver driver;
    private final Map<String, KafkaProducer<byte[], byte[]>> producers = new ConcurrentHashMap<>();
    private volatile Workload workload;

    Transactions(Driver driver) {
        this.driver = driver;
        Map<String, Driver.Operation> operations = driver.operations;
        operations.put("txnOpen", this::open);
        operations.put("txnBegin", r -> call(r, KafkaProducer::beginTransaction));
        operations.put("txnCommit", r -> call(r, KafkaProducer::commitTransaction));
        operations.put("txnAbort", r -> call(r, KafkaProducer::abortTransaction));
        operations.put("txnSend", this::send);
        operations.put("txnOffsets", this::offsets);
        // Without an end of what is open: as if the process were gone.
        operations.put("txnLeave", r -> call(r, producer -> producer.close(Duration.ZERO)));
        operations.put("stableOffset", this::stableOffset);
        operations.put("ends", this::ends);
        operations.put("readAll", this::readAll);
        operations.put("workload", r -> {
            workload = new Workload(driver.bootstrap, r);
            return null;
        });
        operations.put("workloadState", r -> workload.state());
        operations.put("workloadStop", r -> workload.stop());
    }

    private interface Step {
        void on(KafkaProducer<byte[], byte[]> producer);
    }

    private Object call(JsonNode request, Step step) {
        step.on(producers.get(Driver.text(request, "producer")));
        return null;
    }

    /** A producer with a transactional id, initialised. `timeoutMs`: of its transactions. */
    private Object open(JsonNode request) {
        KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(Map.of(
            "bootstrap.servers", driver.bootstrap, "transactional.id", Driver.text(request, "transactionalId"),
            "transaction.timeout.ms", request.get("timeoutMs").asInt(), "linger.ms", 0, "max.block.ms", 20_000,
            "key.serializer", ByteArraySerializer.class, "value.serializer", ByteArraySerializer.class));
        producers.put(Driver.text(request, "producer"), producer);
        producer.initTransactions();
        return null;
    }

    /** Sends texts, with `keys` if they are given, and waits for the answers; answers with the offsets. */
    private Object send(JsonNode request) throws Exception {
        KafkaProducer<byte[], byte[]> producer = producers.get(Driver.text(request, "producer"));
        TopicPartition to = Driver.partition(request);
        JsonNode keys = request.get("keys");
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (JsonNode value : request.get("values")) {
            byte[] key = keys == null ? null : bytes(keys.get(sent.size()));
            sent.add(producer.send(new ProducerRecord<>(to.topic(), to.partition(), key, bytes(value))));
        }
        producer.flush();
        List<Long> offsets = new ArrayList<>();
        for (Future<RecordMetadata> each : sent) offsets.add(each.get().offset());
        return offsets;
    }

    private static byte[] bytes(JsonNode text) {
        return text.isNull() ? null : text.asText().getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }

    private Object offsets(JsonNode request) {
        Map<TopicPartition, OffsetAndMetadata> offsets = Map.of(
            Driver.partition(request), new OffsetAndMetadata(request.get("offset").asLong()));
        producers.get(Driver.text(request, "producer"))
            .sendOffsetsToTransaction(offsets, new ConsumerGroupMetadata(Driver.text(request, "group")));
        return null;
    }

    /** What a group has committed, once no transaction is open that commits more; TimeoutException when it stays open. */
    private Object stableOffset(JsonNode request) {
        TopicPartition partition = Driver.partition(request);
        Map<String, Object> settings = Map.of(
            "isolation.level", "read_committed", "group.id", Driver.text(request, "group"));
        try (KafkaConsumer<byte[], byte[]> consumer = driver.consumer(settings)) {
            consumer.assign(List.of(partition));
            Duration timeout = Duration.ofMillis(request.get("timeoutMs").asLong());
            OffsetAndMetadata found = consumer.committed(java.util.Set.of(partition), timeout).get(partition);
            return found == null ? -1L : found.offset();
        }
    }

    /** The ends of partitions, named as topic-partition, under an isolation level. */
    private Object ends(JsonNode request) throws Exception {
        Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
        for (JsonNode key : request.get("keys")) wanted.put(partition(key.asText()), OffsetSpec.latest());
        Map<String, Long> ends = new LinkedHashMap<>();
        driver.admin.listOffsets(wanted, new ListOffsetsOptions(isolation(request))).all().get()
            .forEach((partition, found) -> ends.put(partition.toString(), found.offset()));
        return ends;
    }

    private static IsolationLevel isolation(JsonNode request) {
        boolean isCommitted = Driver.text(request, "isolation").equals("read_committed");
        return isCommitted ? IsolationLevel.READ_COMMITTED : IsolationLevel.READ_UNCOMMITTED;
    }

    /**
     * Offset, value (null for a tombstone) and key of every record up to the end under an isolation level, by partition;
     * with `count`, how many.
     */
    private Object readAll(JsonNode request) throws Exception {
        List<TopicPartition> partitions = new ArrayList<>();
        for (JsonNode key : request.get("keys")) partitions.add(partition(key.asText()));
        Map<String, List<List<Object>>> found = new LinkedHashMap<>();
        boolean isCount = request.hasNonNull("count");
        long count = 0;
        Map<String, Object> settings = Map.of("isolation.level", Driver.text(request, "isolation"));
        try (KafkaConsumer<byte[], byte[]> consumer = driver.consumer(settings)) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            long deadline = System.currentTimeMillis() + Driver.READ_MS_MAX;
            while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
                if (System.currentTimeMillis() > deadline) throw new IllegalStateException("not at the ends " + ends);
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    count += 1;
                    if (isCount) continue;
                    String key = record.key() == null ? "" : text(record.key());
                    found.computeIfAbsent(record.topic() + "-" + record.partition(), each -> new ArrayList<>())
                        .add(Arrays.asList(record.offset(), text(record.value()), key));
                }
            }
        }
        return isCount ? count : found;
    }

    private static TopicPartition partition(String key) {
        int dash = key.lastIndexOf('-');
        return new TopicPartition(key.substring(0, dash), Integer.parseInt(key.substring(dash + 1)));
    }
}
