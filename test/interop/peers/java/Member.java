// One member of a consumer group, with a thread of its own. It commits what it polls; what it has taken is what it has
// committed. Records that could not be committed are dropped when their partition goes.

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

final class Member implements ConsumerRebalanceListener {
    private static final Map<String, String> STRATEGIES = Map.of(
        "range", "org.apache.kafka.clients.consumer.RangeAssignor",
        "roundrobin", "org.apache.kafka.clients.consumer.RoundRobinAssignor",
        "sticky", "org.apache.kafka.clients.consumer.StickyAssignor",
        "cooperative-sticky", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");

    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Thread thread;
    private final TreeSet<Integer> held = new TreeSet<>();
    private final List<Object> taken = new ArrayList<>();
    private final List<String> events = new ArrayList<>();
    private List<ConsumerRecord<byte[], byte[]>> pending = new ArrayList<>();
    private volatile boolean ended;
    private volatile String failure;

    Member(String bootstrap, JsonNode request) {
        Map<String, Object> settings = new HashMap<>(Map.of(
            "bootstrap.servers", bootstrap, "client.id", "java-member-" + Driver.text(request, "member"),
            "group.id", Driver.text(request, "group"), "enable.auto.commit", false, "auto.offset.reset", "earliest",
            "fetch.max.wait.ms", 100,
            "key.deserializer", ByteArrayDeserializer.class, "value.deserializer", ByteArrayDeserializer.class));
        if ("consumer".equals(Driver.text(request, "protocol"))) {
            settings.put("group.protocol", "consumer");
            String assignor = Driver.text(request, "assignor");
            if (assignor != null) settings.put("group.remote.assignor", assignor);
        } else {
            settings.put("session.timeout.ms", 10_000);
            settings.put("heartbeat.interval.ms", 500);
            String strategy = Driver.text(request, "strategy");
            settings.put("partition.assignment.strategy", STRATEGIES.get(strategy == null ? "range" : strategy));
        }
        String instance = Driver.text(request, "instance");
        if (instance != null) settings.put("group.instance.id", instance);
        consumer = new KafkaConsumer<>(settings);
        consumer.subscribe(List.of(Driver.text(request, "topic")), this);
        thread = new Thread(this::work);
        thread.start();
    }

    synchronized Object state() {
        if (failure != null) throw new IllegalStateException(failure);
        return Map.of("assignment", List.copyOf(held), "taken", List.copyOf(taken), "events", List.copyOf(events));
    }

    Object leave() throws InterruptedException {
        ended = true;
        thread.join();
        return null;
    }

    private void work() {
        try {
            while (!ended) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) pending.add(record);
                commit();
            }
        } catch (Throwable error) {
            failure = Driver.describe(error);
        } finally {
            consumer.close();
            synchronized (this) {
                held.clear();
            }
        }
    }

    private void commit() {
        if (pending.isEmpty()) return;
        Map<TopicPartition, OffsetAndMetadata> ends = new HashMap<>();
        for (ConsumerRecord<byte[], byte[]> record : pending) {
            ends.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
        }
        try {
            consumer.commitSync(ends);
        } catch (KafkaException error) {
            System.err.println("commit: " + error);
            return;
        }
        synchronized (this) {
            for (ConsumerRecord<byte[], byte[]> record : pending) {
                String value = record.value() == null ? "" : new String(record.value(), StandardCharsets.UTF_8);
                taken.add(List.of(record.partition(), record.offset(), value));
            }
        }
        pending = new ArrayList<>();
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> given) {
        change("assigned", given, true);
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> gone) {
        commit();
        onPartitionsGone("revoked", gone);
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> gone) {
        onPartitionsGone("lost", gone);
    }

    private void onPartitionsGone(String event, Collection<TopicPartition> gone) {
        pending.removeIf(record -> gone.contains(new TopicPartition(record.topic(), record.partition())));
        change(event, gone, false);
    }

    private synchronized void change(String event, Collection<TopicPartition> partitions, boolean given) {
        TreeSet<Integer> changed = new TreeSet<>();
        for (TopicPartition each : partitions) changed.add(each.partition());
        events.add(event + " " + changed);
        if (given) held.addAll(changed);
        else held.removeAll(changed);
    }
}
