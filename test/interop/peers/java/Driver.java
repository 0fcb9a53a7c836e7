// Apache Kafka's own Java client as a peer of the interop suites: java Driver BOOTSTRAP. The program answers JSON requests
// (see process-peer.ts); what every client does is here, what only this one does is in Extras.java.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class Driver {
    interface Operation {
        Object run(JsonNode request) throws Exception;
    }

    static final ObjectMapper JSON = new ObjectMapper();
    static final long READ_MS_MAX = 60_000;

    final String bootstrap;
    final Admin admin;
    final Map<String, Operation> operations = new HashMap<>();
    private final Map<String, KafkaProducer<byte[], byte[]>> producers = new ConcurrentHashMap<>();
    private final Map<String, Member> members = new ConcurrentHashMap<>();

    private Driver(String bootstrap) {
        this.bootstrap = bootstrap;
        admin = Admin.create(Map.of("bootstrap.servers", bootstrap, "client.id", "java-admin"));
        operations.put("createTopic", this::createTopic);
        operations.put("deleteTopic", r -> admin.deleteTopics(List.of(text(r, "topic"))).all().get());
        operations.put("topics", r -> admin.listTopics().names().get());
        operations.put("partitions", r -> partitionCount(text(r, "topic")));
        operations.put("configs", r -> configs(new ConfigResource(ConfigResource.Type.TOPIC, text(r, "topic"))));
        operations.put("alterConfig", this::alterConfig);
        operations.put("produce", this::produce);
        operations.put("read", this::read);
        operations.put("offsetAt", this::offsetAt);
        operations.put("commit", this::commit);
        operations.put("committed", this::committed);
        operations.put("join", r -> {
            members.put(text(r, "member"), new Member(bootstrap, r));
            return null;
        });
        operations.put("member", r -> members.get(text(r, "member")).state());
        operations.put("leave", r -> members.get(text(r, "member")).leave());
    }

    public static void main(String[] args) throws Exception {
        Driver driver = new Driver(args[0]);
        new Extras(driver);
        new Transactions(driver);
        Pipe.operations(driver);
        Steady.operations(driver);
        driver.serve();
    }

    private void serve() throws Exception {
        ExecutorService pool = Executors.newCachedThreadPool();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            JsonNode request = JSON.readTree(line);
            pool.submit(() -> answer(request));
        }
        pool.shutdown();
        pool.awaitTermination(10, TimeUnit.SECONDS);
        producers.values().forEach(producer -> producer.close(Duration.ofSeconds(2)));
        admin.close(Duration.ofSeconds(2));
        System.exit(0);
    }

    private void answer(JsonNode request) {
        Map<String, Object> answer = new HashMap<>();
        answer.put("id", request.get("id"));
        try {
            answer.put("result", operations.get(text(request, "op")).run(request));
        } catch (Throwable error) {
            answer.put("error", describe(error));
        }
        try {
            byte[] line = (JSON.writeValueAsString(answer) + "\n").getBytes(StandardCharsets.UTF_8);
            synchronized (System.out) {
                System.out.write(line);
                System.out.flush();
            }
        } catch (Exception error) {
            error.printStackTrace();
        }
    }

    static String describe(Throwable error) {
        Throwable cause = error instanceof ExecutionException && error.getCause() != null ? error.getCause() : error;
        StringBuilder text = new StringBuilder();
        for (Throwable one = cause; one != null; one = one.getCause()) {
            if (one != cause) text.append("; because of ");
            text.append(one.getClass().getSimpleName()).append(": ").append(one.getMessage());
        }
        return text.toString();
    }

    static String text(JsonNode request, String field) {
        return request.hasNonNull(field) ? request.get(field).asText() : null;
    }

    static byte[] bytes(JsonNode node) {
        return node == null || node.isNull() ? null : Base64.getDecoder().decode(node.asText());
    }

    static String base64(byte[] data) {
        return data == null ? null : Base64.getEncoder().encodeToString(data);
    }

    static TopicPartition partition(JsonNode request) {
        return new TopicPartition(text(request, "topic"), request.get("partition").asInt());
    }

    int partitionCount(String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
    }

    private Object createTopic(JsonNode request) throws Exception {
        Map<String, String> configs = new HashMap<>();
        request.get("configs").properties().forEach(entry -> configs.put(entry.getKey(), entry.getValue().asText()));
        NewTopic topic = new NewTopic(
            text(request, "topic"), Optional.of(request.get("partitions").asInt()), Optional.empty());
        admin.createTopics(List.of(topic.configs(configs))).all().get();
        return null;
    }

    Map<String, String> configs(ConfigResource resource) throws Exception {
        Map<String, String> found = new LinkedHashMap<>();
        admin.describeConfigs(List.of(resource)).all().get().get(resource).entries()
            .forEach(entry -> found.put(entry.name(), entry.value()));
        return found;
    }

    private Object alterConfig(JsonNode request) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, text(request, "topic"));
        ConfigEntry entry = new ConfigEntry(text(request, "name"), text(request, "value"));
        AlterConfigOp change = new AlterConfigOp(entry, AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(change))).all().get();
        return null;
    }

    KafkaProducer<byte[], byte[]> producer(String compression) {
        return producers.computeIfAbsent(compression, codec -> new KafkaProducer<>(Map.of(
            "bootstrap.servers", bootstrap, "client.id", "java-" + codec, "acks", "all", "enable.idempotence", true,
            "compression.type", codec, "linger.ms", 20, "max.request.size", 2_000_000,
            "key.serializer", ByteArraySerializer.class, "value.serializer", ByteArraySerializer.class)));
    }

    private Object produce(JsonNode request) throws Exception {
        KafkaProducer<byte[], byte[]> producer = producer(text(request, "compression"));
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (JsonNode record : request.get("records")) {
            List<Header> headers = new ArrayList<>();
            record.get("headers").forEach(
                header -> headers.add(new RecordHeader(header.get(0).asText(), bytes(header.get(1)))));
            sent.add(producer.send(new ProducerRecord<>(
                text(request, "topic"), record.get("partition").asInt(), record.get("timestamp").asLong(),
                bytes(record.get("key")), bytes(record.get("value")), headers)));
        }
        producer.flush();
        List<Long> offsets = new ArrayList<>();
        for (Future<RecordMetadata> each : sent) offsets.add(each.get().offset());
        return offsets;
    }

    KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(Map.of(
            "bootstrap.servers", bootstrap, "client.id", "java-reader", "enable.auto.commit", false,
            "auto.offset.reset", "earliest", "fetch.max.wait.ms", 100,
            "key.deserializer", ByteArrayDeserializer.class, "value.deserializer", ByteArrayDeserializer.class));
        settings.putAll(more);
        return new KafkaConsumer<>(settings);
    }

    private Object read(JsonNode request) throws Exception {
        TopicPartition partition = partition(request);
        int count = request.get("count").asInt();
        List<Object> found = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            consumer.assign(List.of(partition));
            if (request.hasNonNull("timestamp")) consumer.seek(partition, (Long) offsetAt(request));
            else if (request.get("from").isNumber()) consumer.seek(partition, request.get("from").asLong());
            else consumer.seekToBeginning(List.of(partition));
            long deadline = System.currentTimeMillis() + READ_MS_MAX;
            while (found.size() < count) {
                if (System.currentTimeMillis() > deadline) {
                    throw new IllegalStateException(found.size() + " of " + count + " records within " + READ_MS_MAX + " ms");
                }
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    if (found.size() < count) found.add(readable(record));
                }
            }
        }
        return found;
    }

    private static Map<String, Object> readable(ConsumerRecord<byte[], byte[]> record) {
        List<Object> headers = new ArrayList<>();
        record.headers().forEach(header -> {
            List<Object> pair = new ArrayList<>();
            pair.add(header.key());
            pair.add(base64(header.value()));
            headers.add(pair);
        });
        Map<String, Object> fields = new HashMap<>();
        fields.put("offset", record.offset());
        fields.put("key", base64(record.key()));
        fields.put("value", base64(record.value()));
        fields.put("headers", headers);
        fields.put("timestamp", record.timestamp());
        return fields;
    }

    private Object offsetAt(JsonNode request) {
        TopicPartition partition = partition(request);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            var found = consumer.offsetsForTimes(Map.of(partition, request.get("timestamp").asLong())).get(partition);
            return found == null ? -1L : found.offset();
        }
    }

    private Object commit(JsonNode request) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (JsonNode each : request.get("offsets")) {
            offsets.put(
                new TopicPartition(text(request, "topic"), each.get("partition").asInt()),
                new OffsetAndMetadata(each.get("offset").asLong(), each.get("metadata").asText()));
        }
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of("group.id", text(request, "group")))) {
            consumer.assign(offsets.keySet());
            consumer.commitSync(offsets);
        }
        return null;
    }

    private Object committed(JsonNode request) throws Exception {
        List<Object> found = new ArrayList<>();
        admin.listConsumerGroupOffsets(text(request, "group")).partitionsToOffsetAndMetadata().get().forEach((partition, each) -> {
            if (each != null && partition.topic().equals(text(request, "topic"))) {
                found.add(Map.of("partition", partition.partition(), "offset", each.offset(), "metadata", each.metadata()));
            }
        });
        return found;
    }
}
