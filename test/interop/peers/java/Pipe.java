// A pipe moves what comes into one topic to another, as a member of a group: each transaction holds some outputs and the
// offsets of their inputs. Some transactions are aborted on purpose; their inputs then come again.

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;

final class Pipe {
    private static final int PIPED_RECORDS_MAX = 20;
    private static final byte[] MARK = "piped ".getBytes(StandardCharsets.UTF_8);
    private static final Map<String, Pipe> PIPES = new ConcurrentHashMap<>();

    private final Driver driver;
    private final JsonNode request;
    private final Thread thread = new Thread(this::work);
    private volatile int committed;
    private volatile int aborted;
    private volatile boolean ended;
    private int turns;

    static void operations(Driver driver) {
        driver.operations.put("pipeStart", request -> {
            Pipe pipe = new Pipe(driver, request);
            PIPES.put(Driver.text(request, "pipe"), pipe);
            pipe.thread.start();
            return null;
        });
        driver.operations.put("pipeState", request -> PIPES.get(Driver.text(request, "pipe")).state());
        driver.operations.put("pipeStop", request -> PIPES.get(Driver.text(request, "pipe")).stop());
    }

    private Pipe(Driver driver, JsonNode request) {
        this.driver = driver;
        this.request = request;
    }

    private Map<String, Integer> state() {
        return Map.of("committed", committed, "aborted", aborted);
    }

    private Map<String, Integer> stop() throws InterruptedException {
        ended = true;
        thread.join();
        return state();
    }

    private void work() {
        while (!ended) {
            try {
                live();
            } catch (KafkaException | ExecutionException | InterruptedException error) {
                System.err.println("pipe: " + Driver.describe(error));
            }
        }
    }

    /** With clients of its own: after an abort the next life takes up from what is committed. */
    private void live() throws ExecutionException, InterruptedException {
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(Map.of(
                "bootstrap.servers", driver.bootstrap, "transactional.id", Driver.text(request, "transactionalId"),
                "transaction.timeout.ms", request.get("timeoutMs").asInt(), "linger.ms", 0,
                "key.serializer", ByteArraySerializer.class, "value.serializer", ByteArraySerializer.class));
             KafkaConsumer<byte[], byte[]> consumer = driver.consumer(membership())) {
            producer.initTransactions();
            consumer.subscribe(List.of(Driver.text(request, "input")));
            while (!ended) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(100));
                if (!records.isEmpty() && !move(producer, consumer, records)) return;
            }
        }
    }

    private Map<String, Object> membership() {
        Map<String, Object> settings = new HashMap<>(Map.of(
            "group.id", Driver.text(request, "group"), "isolation.level", "read_committed",
            "max.poll.records", PIPED_RECORDS_MAX));
        if ("consumer".equals(Driver.text(request, "protocol"))) settings.put("group.protocol", "consumer");
        else settings.putAll(Map.of("session.timeout.ms", 6_000, "heartbeat.interval.ms", 300));
        return settings;
    }

    /** Writes one output for each record, and ends the transaction; false when it was aborted. */
    private boolean move(
        KafkaProducer<byte[], byte[]> producer, KafkaConsumer<byte[], byte[]> consumer,
        ConsumerRecords<byte[], byte[]> records) throws ExecutionException, InterruptedException {
        turns += 1;
        Map<TopicPartition, OffsetAndMetadata> ends = new HashMap<>();
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        int abortEvery = request.get("abortEvery").asInt();
        producer.beginTransaction();
        try {
            for (ConsumerRecord<byte[], byte[]> record : records) {
                ByteArrayOutputStream value = new ByteArrayOutputStream();
                value.writeBytes(MARK);
                value.writeBytes(record.value());
                sent.add(producer.send(new ProducerRecord<>(
                    Driver.text(request, "output"), record.partition(), record.key(), value.toByteArray())));
                ends.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
            }
            producer.sendOffsetsToTransaction(ends, consumer.groupMetadata());
            for (Future<RecordMetadata> each : sent) each.get();
            if (abortEvery == 0 || turns % abortEvery != 0) {
                producer.commitTransaction();
                committed += 1;
                return true;
            }
        } catch (KafkaException | ExecutionException error) {
            System.err.println("move: " + Driver.describe(error));
        }
        producer.abortTransaction();
        aborted += 1;
        return false;
    }
}
