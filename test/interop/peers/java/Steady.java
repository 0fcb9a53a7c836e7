// A stream of records at fixed times, whatever the brokers do: record n is due at n times the interval and goes to partition
// n modulo their count. Tells how long each took from when it was due until it was acknowledged, and after a mark how long
// each partition waited for the first record that was due later. Everything but acks=all is as the client comes.

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

final class Steady {
    private static final int FAULTS_MAX = 20;

    private final String topic;
    private final int partitions;
    private final long intervalNanos;
    private final byte[] value;
    private final KafkaProducer<byte[], byte[]> producer;
    private final Thread thread = new Thread(this::send);
    private final List<Double> latenciesMs = new ArrayList<>();
    private final List<String> faults = new ArrayList<>();
    /** After the mark, by partition; NaN: none yet. */
    private final double[] resumedMs;
    private long markNanos = Long.MAX_VALUE;
    private int failed;
    private volatile boolean ended;

    static void operations(Driver driver) {
        Steady[] current = new Steady[1];
        driver.operations.put("steadyStart", request -> {
            current[0] = new Steady(driver, request);
            current[0].thread.start();
            return null;
        });
        driver.operations.put("steadyMark", request -> current[0].mark());
        driver.operations.put("steadyResumed", request -> current[0].resumed());
        driver.operations.put("steadyTake", request -> current[0].take());
        driver.operations.put("steadyStop", request -> current[0].stop());
    }

    private Steady(Driver driver, JsonNode request) {
        topic = Driver.text(request, "topic");
        partitions = request.get("partitions").asInt();
        intervalNanos = 1_000_000_000L / request.get("recordsPerSecond").asInt();
        value = new byte[request.get("valueBytes").asInt()];
        resumedMs = new double[partitions];
        producer = new KafkaProducer<>(Map.of(
            "bootstrap.servers", driver.bootstrap, "acks", "all",
            "key.serializer", ByteArraySerializer.class, "value.serializer", ByteArraySerializer.class));
    }

    private void send() {
        long begin = System.nanoTime();
        for (long number = 0; !ended; number += 1) {
            long due = begin + number * intervalNanos;
            for (long left = due - System.nanoTime(); left > 0; left = due - System.nanoTime()) LockSupport.parkNanos(left);
            int partition = (int) (number % partitions);
            producer.send(new ProducerRecord<>(topic, partition, null, value), (metadata, error) -> {
                acknowledged(partition, due, error);
            });
        }
    }

    private synchronized void acknowledged(int partition, long due, Exception error) {
        if (error != null) {
            failed += 1;
            if (faults.size() < FAULTS_MAX) faults.add(Driver.describe(error));
            return;
        }
        long now = System.nanoTime();
        latenciesMs.add((now - due) / 1e6);
        if (due >= markNanos && Double.isNaN(resumedMs[partition])) resumedMs[partition] = (now - markNanos) / 1e6;
    }

    private synchronized Object mark() {
        java.util.Arrays.fill(resumedMs, Double.NaN);
        markNanos = System.nanoTime();
        return null;
    }

    /** What there was since the last time. */
    private synchronized Object take() {
        List<Double> taken = List.copyOf(latenciesMs);
        latenciesMs.clear();
        return Map.of("latenciesMs", taken, "failed", failed, "faults", List.copyOf(faults));
    }

    /** Of the partitions that have gone on since the mark. */
    private synchronized Object resumed() {
        List<Double> resumed = new ArrayList<>();
        for (double each : resumedMs) if (!Double.isNaN(each)) resumed.add(each);
        return resumed;
    }

    private Object stop() throws InterruptedException {
        ended = true;
        thread.join();
        producer.close();
        return take();
    }
}
