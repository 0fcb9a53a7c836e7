// A stream of numbered records that runs while brokers are killed: one idempotent producer with acks=all, and one consumer
// that reads everything from the start and checks as it goes. Number n goes to partition n modulo their count.

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

final class Flow {
    private static final long CATCH_UP_MS_MAX = 60_000;
    private static final int FAULTS_MAX = 20;

    private final String topic;
    private final int partitions;
    private final Map<Long, Long> acknowledged = new ConcurrentHashMap<>();
    private final Map<Long, Long> seen = new ConcurrentHashMap<>();
    private final List<String> faults = new ArrayList<>();
    private final AtomicLong sent = new AtomicLong();
    private final KafkaProducer<byte[], byte[]> producer;
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Thread sending = new Thread(this::send);
    private final Thread reading = new Thread(this::read);
    private volatile boolean sendingEnded;
    private volatile boolean readingEnded;

    Flow(String bootstrap, String topic, int partitions) {
        this.topic = topic;
        this.partitions = partitions;
        producer = new KafkaProducer<>(Map.of(
            "bootstrap.servers", bootstrap, "acks", "all", "enable.idempotence", true, "linger.ms", 1,
            "delivery.timeout.ms", 120_000, "request.timeout.ms", 5_000, "reconnect.backoff.max.ms", 200,
            "retry.backoff.ms", 20,
            "key.serializer", ByteArraySerializer.class, "value.serializer", ByteArraySerializer.class));
        consumer = new KafkaConsumer<>(Map.of(
            "bootstrap.servers", bootstrap, "enable.auto.commit", false, "auto.offset.reset", "none",
            "fetch.max.wait.ms", 50, "request.timeout.ms", 5_000, "reconnect.backoff.max.ms", 200,
            "key.deserializer", ByteArrayDeserializer.class, "value.deserializer", ByteArrayDeserializer.class));
        sending.start();
        reading.start();
    }

    /** The numbers acknowledged by now that the consumer does not see at the acknowledged offset in good time. */
    Object missing() throws InterruptedException {
        Map<Long, Long> wanted = new HashMap<>(acknowledged);
        long deadline = System.currentTimeMillis() + CATCH_UP_MS_MAX;
        while (!wanted.isEmpty()) {
            wanted.entrySet().removeIf(each -> each.getValue().equals(seen.get(each.getKey())));
            if (System.currentTimeMillis() > deadline) break;
            Thread.sleep(20);
        }
        List<String> missing = new ArrayList<>();
        wanted.forEach((number, offset) -> {
            if (missing.size() < FAULTS_MAX) missing.add(number + " at " + offset + ", seen at " + seen.get(number));
        });
        return missing;
    }

    synchronized Object state() {
        return Map.of(
            "sent", sent.get(), "acknowledged", acknowledged.size(), "seen", seen.size(), "faults", List.copyOf(faults));
    }

    Object stop() throws InterruptedException {
        sendingEnded = true;
        sending.join();
        producer.flush();
        producer.close();
        Object missing = missing();
        readingEnded = true;
        reading.join();
        return Map.of("missing", missing, "state", state());
    }

    private void send() {
        while (!sendingEnded) {
            long number = sent.getAndIncrement();
            int partition = (int) (number % partitions);
            byte[] value = Long.toString(number).getBytes(StandardCharsets.UTF_8);
            producer.send(new ProducerRecord<>(topic, partition, null, value), (metadata, error) -> {
                if (error == null) acknowledged.put(number, metadata.offset());
                else fault(number + " is not acknowledged: " + Driver.describe(error));
            });
            pause();
        }
    }

    private void read() {
        List<TopicPartition> all = new ArrayList<>();
        for (int partition = 0; partition < partitions; partition += 1) all.add(new TopicPartition(topic, partition));
        long[] last = new long[partitions];
        java.util.Arrays.fill(last, -1);
        try {
            consumer.assign(all);
            consumer.seekToBeginning(all);
            while (!readingEnded) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(50))) {
                    long number = Long.parseLong(new String(record.value(), StandardCharsets.UTF_8));
                    Long before = seen.put(number, record.offset());
                    if (before != null) fault(number + " is seen at " + before + " and at " + record.offset());
                    if (number <= last[record.partition()]) fault(number + " comes after " + last[record.partition()]);
                    last[record.partition()] = number;
                }
            }
        } catch (RuntimeException error) {
            fault("the consumer ended: " + Driver.describe(error));
        } finally {
            consumer.close(Duration.ofSeconds(2));
        }
    }

    private synchronized void fault(String what) {
        if (faults.size() < FAULTS_MAX) faults.add(what);
    }

    private static void pause() {
        try {
            Thread.sleep(1);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }
}
