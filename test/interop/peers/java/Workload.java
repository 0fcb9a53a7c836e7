// Clients of the transaction workload (test/workload): threads that write in transactions, move records with their offsets
// in a transaction, or read; all of them note what they did and were told as lines of a history. Transactional ids are
// shared by all threads of all processes, so that producers fence each other all the time.

import com.fasterxml.jackson.databind.JsonNode;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

final class Workload {
    private static final int JOIN_MS_MAX = 90_000;
    private static final int MOVED_RECORDS_MAX = 20;

    private final String bootstrap;
    private final String name;
    private final FileOutputStream file;
    private final List<TopicPartition> inputs = new ArrayList<>();
    private final List<TopicPartition> moved = new ArrayList<>();
    private final List<TopicPartition> outputs = new ArrayList<>();
    private final List<TopicPartition> flows = new ArrayList<>();
    private final List<String> ids = new ArrayList<>();
    private final int pauseMs;
    private final List<Integer> timeoutsMs = new ArrayList<>();
    private final AtomicLong lastValue;
    private final AtomicInteger lastClient = new AtomicInteger();
    private final Map<String, Integer> counts = new ConcurrentHashMap<>();
    private final List<Thread> threads = new ArrayList<>();
    private volatile boolean ended;

    Workload(String bootstrap, JsonNode request) throws IOException {
        this.bootstrap = bootstrap;
        name = Driver.text(request, "name");
        file = new FileOutputStream(Driver.text(request, "file"), true);
        request.get("inputs").forEach(key -> inputs.add(partition(key.asText())));
        request.get("moved").forEach(key -> moved.add(partition(key.asText())));
        request.get("outputs").forEach(key -> outputs.add(partition(key.asText())));
        request.path("flows").forEach(key -> flows.add(partition(key.asText())));
        request.get("ids").forEach(id -> ids.add(id.asText()));
        request.get("timeoutsMs").forEach(timeout -> timeoutsMs.add(timeout.asInt()));
        pauseMs = request.get("pauseMs").asInt();
        lastValue = new AtomicLong(request.get("firstValue").asLong());
        long seed = request.get("seed").asLong();
        start("writer", request.get("writers").asInt(), seed, this::write);
        start("mover", request.get("movers").asInt(), seed + 1_000, this::move);
        for (TopicPartition each : flows) start("sender-" + each, 1, seed + 3_000, (process, random) -> send(process, random, each));
        start("member", request.path("members").asInt(0), seed + 4_000, this::belong);
        start("wanderer", request.get("wanderers").asInt(), seed + 2_000, this::wander);
        for (JsonNode isolation : request.get("readers")) {
            start("reader-" + isolation.asText(), 1, seed, (process, random) -> follow(process, isolation.asText()));
        }
    }

    Map<String, Integer> state() {
        return new HashMap<>(counts);
    }

    /** Lets each thread end what it has begun. Answers with what threads threw, if any. */
    Object stop() throws InterruptedException {
        ended = true;
        long deadline = System.currentTimeMillis() + JOIN_MS_MAX;
        List<String> stuck = new ArrayList<>();
        for (Thread thread : threads) {
            thread.join(Math.max(1, deadline - System.currentTimeMillis()));
            if (thread.isAlive()) stuck.add(thread.getName() + " " + List.of(thread.getStackTrace()));
        }
        return Map.of("counts", state(), "stuck", stuck);
    }

    private interface Role {
        void run(String process, Random random) throws Exception;
    }

    private void start(String role, int count, long seed, Role body) {
        for (int index = 0; index < count; index += 1) {
            String process = name + "-" + role + "-" + index;
            Random random = new Random(seed + index);
            Thread thread = new Thread(() -> {
                while (!ended) {
                    try {
                        body.run(process, random);
                    } catch (Exception error) {
                        count("life ended: " + error.getClass().getSimpleName());
                        if (System.getenv("HEADRACE_INTEROP_DEBUG") != null) error.printStackTrace();
                        pause(100);
                    }
                }
            }, process);
            threads.add(thread);
            thread.start();
        }
    }

    // --- What a process does

    /** One life of a transactional producer: some transactions under one of the ids. */
    private void write(String process, Random random) throws Exception {
        String id = ids.get(random.nextInt(ids.size()));
        try (KafkaProducer<byte[], byte[]> producer = producer(id, random);
             KafkaConsumer<byte[], byte[]> consumer = consumer("read_committed", null)) {
            String epoch = initialise(process, producer, id);
            String reader = process + "-" + lastClient.incrementAndGet();
            List<TopicPartition> mine = some(inputs, random);
            consumer.assign(mine);
            consumer.seekToEnd(mine);
            noteAssign(process, reader, consumer, "read_committed");
            for (int count = 1 + random.nextInt(40); count > 0 && !ended; count -= 1) {
                if (!transact(process, new Transaction(id, epoch, reader, producer, consumer), random)) return;
                pause(random.nextInt(2 * pauseMs + 1));
            }
        }
    }

    private record Transaction(
        String id, String epoch, String reader, KafkaProducer<byte[], byte[]> producer,
        KafkaConsumer<byte[], byte[]> consumer) {}

    /** One transaction of sends and polls; false when this producer is at its end. */
    private boolean transact(String process, Transaction by, Random random) throws Exception {
        List<Map<String, Object>> plan = new ArrayList<>();
        for (int count = 1 + random.nextInt(4); count > 0; count -= 1) {
            if (random.nextInt(4) == 0) plan.add(pollStep(null));
            else plan.add(sendStep(inputs.get(random.nextInt(inputs.size())), lastValue.incrementAndGet(), null));
        }
        Map<String, Object> about = new LinkedHashMap<>(Map.of(
            "f", "txn", "id", by.id, "producer", by.epoch, "consumer", by.reader));
        note(process, "invoke", with(about, "steps", plan));
        Steps done = new Steps();
        int fate = random.nextInt(100);
        try {
            by.producer.beginTransaction();
            for (Map<String, Object> step : plan) {
                if (step.get("send") instanceof List<?> send) done.send(by.producer, send);
                else done.poll(poll(by.consumer, 5));
                if (random.nextInt(10) == 0) pause(random.nextInt(4 * pauseMs + 1));
            }
            by.producer.flush();
            done.acknowledged();
        } catch (RuntimeException | java.util.concurrent.ExecutionException error) {
            return giveUp(process, by, about, done, error);
        }
        return finish(process, by, about, done, fate);
    }

    /** Commits, in some cases aborts or just leaves it open. */
    private boolean finish(String process, Transaction by, Map<String, Object> about, Steps done, int fate) throws IOException {
        if (fate < 2) {
            count("left open");
            note(process, "fail", with(about, "steps", done.list(), "error", "left open"));
            by.producer.close(Duration.ZERO);
            return false;
        }
        if (fate < 15) {
            try {
                by.producer.abortTransaction();
                note(process, "fail", with(about, "steps", done.list()));
                count("aborted");
                return true;
            } catch (RuntimeException error) {
                count("abort: " + error.getClass().getSimpleName());
                note(process, "fail", with(about, "steps", done.list(), "error", Driver.describe(error)));
                return false;
            }
        }
        long commitAtUs = nowUs();
        try {
            by.producer.commitTransaction();
            note(process, "ok", with(about, "steps", done.list(), "commitAtUs", commitAtUs));
            count("committed");
            return true;
        } catch (RuntimeException error) {
            count("commit: " + error.getClass().getSimpleName());
            note(process, "info", with(
                about, "steps", done.list(), "commitAtUs", commitAtUs, "error", Driver.describe(error)));
            return false;
        }
    }

    /** Nobody has asked to commit it, so it is not committed, whatever the answer to the abort. */
    private boolean giveUp(String process, Transaction by, Map<String, Object> about, Steps done, Exception error)
        throws IOException {
        count("send: " + rootName(error));
        boolean isUsable = true;
        try {
            by.producer.abortTransaction();
        } catch (RuntimeException second) {
            isUsable = false;
        }
        note(process, "fail", with(about, "steps", done.list(), "error", Driver.describe(error)));
        return isUsable;
    }

    /** One life of a consumer and producer for one input: from what the group has committed, one value for each record. */
    private void move(String process, Random random) throws Exception {
        TopicPartition input = moved.get(random.nextInt(moved.size()));
        String id = "mover-" + input;
        try (KafkaProducer<byte[], byte[]> producer = producer(id, random);
             KafkaConsumer<byte[], byte[]> consumer = consumer("read_committed", "movers")) {
            String epoch = initialise(process, producer, id);
            consumer.assign(List.of(input));
            long position = committed(process, consumer, input);
            String reader = process + "-" + lastClient.incrementAndGet();
            seek(process, reader, consumer, input, position);
            for (int count = 5 + random.nextInt(40); count > 0 && !ended; count -= 1) {
                pause(random.nextInt(2 * pauseMs + 1));
                long from = consumer.position(input);
                Map<String, List<List<Long>>> poll = poll(consumer, 200);
                if (poll.isEmpty()) continue;
                Transaction by = new Transaction(id, epoch, reader, producer, consumer);
                if (!moveOne(process, by, new Moved(input, from, consumer.position(input), poll), random)) return;
                // Its consumer goes on from where an aborted transaction had begun only when it is told to.
                long now = committed(process, consumer, input);
                if (now != consumer.position(input)) seek(process, reader, consumer, input, now);
            }
        }
    }

    private record Moved(TopicPartition input, long from, long to, Map<String, List<List<Long>>> poll) {}

    private boolean moveOne(String process, Transaction by, Moved moved, Random random) throws Exception {
        List<Map<String, Object>> plan = new ArrayList<>(List.of(pollStep(moved.poll)));
        moved.poll.values().forEach(records -> records.forEach(
            record -> plan.add(sendStep(outputs.get(random.nextInt(outputs.size())), lastValue.incrementAndGet(), null))));
        Map<String, Object> about = new LinkedHashMap<>(Map.of(
            "f", "txn", "id", by.id, "producer", by.epoch, "consumer", by.reader, "offsets",
            Map.of("group", "movers", "ranges", Map.of(moved.input.toString(), List.of(moved.from, moved.to)))));
        note(process, "invoke", with(about, "steps", plan));
        Steps done = new Steps();
        done.poll(moved.poll);
        try {
            by.producer.beginTransaction();
            boolean offsetsFirst = random.nextBoolean();
            if (offsetsFirst) sendOffsets(by, moved);
            for (Map<String, Object> step : plan) {
                if (step.get("send") instanceof List<?> send) done.send(by.producer, send);
            }
            by.producer.flush();
            done.acknowledged();
            if (!offsetsFirst) sendOffsets(by, moved);
        } catch (RuntimeException | java.util.concurrent.ExecutionException error) {
            return giveUp(process, by, about, done, error);
        }
        count("moved");
        return finish(process, by, about, done, random.nextInt(100));
    }

    private static void sendOffsets(Transaction by, Moved moved) {
        by.producer.sendOffsetsToTransaction(
            Map.of(moved.input, new OffsetAndMetadata(moved.to)), by.consumer.groupMetadata());
    }

    /** Reads every key from its beginning, and then whatever comes. */
    private void follow(String process, String isolation) throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(isolation, null)) {
            String reader = process + "-" + lastClient.incrementAndGet();
            consumer.assign(all());
            consumer.seekToBeginning(all());
            noteAssign(process, reader, consumer, isolation);
            while (!ended) notePoll(process, reader, poll(consumer, 50));
        }
    }

    /** One life of an idempotent producer without transactions: a few values to one key, and the answers to them. */
    private void send(String process, Random random, TopicPartition to) throws Exception {
        Map<String, Object> settings = producerSettings(random);
        settings.put("delivery.timeout.ms", 120_000);
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings)) {
            for (int count = 200 + random.nextInt(1_000); count > 0 && !ended; count -= 1) {
                List<Map<String, Object>> plan = new ArrayList<>();
                for (int left = 1 + random.nextInt(4); left > 0; left -= 1) {
                    plan.add(sendStep(to, lastValue.incrementAndGet(), null));
                }
                note(process, "invoke", Map.of("f", "send", "steps", plan));
                Steps done = new Steps();
                try {
                    for (Map<String, Object> step : plan) done.send(producer, (List<?>) step.get("send"));
                    producer.flush();
                    done.acknowledged();
                } catch (RuntimeException | java.util.concurrent.ExecutionException error) {
                    count("plain send: " + rootName(error));
                    note(process, "info", Map.of("f", "send", "steps", done.list(), "error", Driver.describe(error)));
                    return;
                }
                note(process, "ok", Map.of("f", "send", "steps", done.list()));
                count("sent plainly");
                pause(random.nextInt(2 * pauseMs + 1));
            }
        }
    }

    /** One life of a member of a group: reads what is assigned to it, and commits what it has read. */
    private void belong(String process, Random random) throws Exception {
        Map<String, Object> settings = consumerSettings("read_committed", "members");
        settings.put("session.timeout.ms", 6_000);
        settings.put("heartbeat.interval.ms", 1_000);
        settings.put("auto.offset.reset", "earliest");
        settings.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor,"
            + "org.apache.kafka.clients.consumer.RoundRobinAssignor");
        settings.remove("max.poll.records");
        String reader = process + "-" + lastClient.incrementAndGet();
        Set<String> topics = new java.util.TreeSet<>();
        flows.forEach(each -> topics.add(each.topic()));
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings)) {
            consumer.subscribe(topics, new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> revoked) {}

                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> assigned) {
                    try {
                        noteAssign(process, reader, consumer, "read_committed");
                        noteOwned(process, reader, consumer);
                    } catch (IOException error) {
                        throw new java.io.UncheckedIOException(error);
                    }
                }
            });
            for (int count = 100 + random.nextInt(2_000); count > 0 && !ended; count -= 1) {
                Map<String, List<List<Long>>> found = poll(consumer, 100);
                notePoll(process, reader, found);
                if (!found.isEmpty()) commit(process, consumer, found);
                pause(random.nextInt(pauseMs + 1));
            }
        }
    }

    private void noteOwned(String process, String reader, KafkaConsumer<byte[], byte[]> consumer) throws IOException {
        List<String> keys = consumer.assignment().stream().map(TopicPartition::toString).sorted().toList();
        note(process, "ok", Map.of(
            "f", "owned", "group", "members", "generation", consumer.groupMetadata().generationId(), "member", reader,
            "keys", keys));
    }

    /** Everything up to the last record of each key. */
    private void commit(String process, KafkaConsumer<byte[], byte[]> consumer, Map<String, List<List<Long>>> read)
        throws IOException {
        Map<String, Long> offsets = new LinkedHashMap<>();
        Map<TopicPartition, OffsetAndMetadata> wanted = new HashMap<>();
        read.forEach((key, records) -> {
            long next = records.get(records.size() - 1).get(0) + 1;
            offsets.put(key, next);
            wanted.put(partition(key), new OffsetAndMetadata(next));
        });
        long sinceUs = nowUs();
        Map<String, Object> about = Map.of("f", "commit", "group", "members", "sinceUs", sinceUs, "offsets", offsets);
        try {
            consumer.commitSync(wanted);
            note(process, "ok", about);
            count("committed as a member");
        } catch (CommitFailedException error) {
            count("member commit: " + rootName(error));
            note(process, "fail", with(about, "error", Driver.describe(error)));
        } catch (RuntimeException error) {
            count("member commit: " + rootName(error));
            note(process, "info", with(about, "error", Driver.describe(error)));
            throw error;
        }
    }

    /** Takes other keys and other places every now and then. */
    private void wander(String process, Random random) throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("read_committed", null)) {
            String reader = process + "-" + lastClient.incrementAndGet();
            while (!ended) {
                List<TopicPartition> mine = some(all(), random);
                consumer.assign(mine);
                Map<TopicPartition, Long> ends = consumer.endOffsets(mine);
                for (TopicPartition each : mine) {
                    long end = ends.get(each);
                    consumer.seek(each, random.nextInt(4) == 0 ? 0 : Math.max(0, end - random.nextInt(300)));
                }
                noteAssign(process, reader, consumer, "read_committed");
                for (int count = 1 + random.nextInt(40); count > 0 && !ended; count -= 1) {
                    notePoll(process, reader, poll(consumer, 50));
                }
            }
        }
    }

    // --- Clients

    private KafkaProducer<byte[], byte[]> producer(String id, Random random) {
        Map<String, Object> settings = producerSettings(random);
        settings.put("transactional.id", id);
        settings.put("transaction.timeout.ms", timeoutsMs.get(random.nextInt(timeoutsMs.size())));
        return new KafkaProducer<>(settings);
    }

    private Map<String, Object> producerSettings(Random random) {
        return new HashMap<>(Map.ofEntries(
            Map.entry("bootstrap.servers", bootstrap),
            Map.entry("client.id", name + "-" + lastClient.incrementAndGet()),
            Map.entry("linger.ms", random.nextInt(3)), Map.entry("request.timeout.ms", 4_000),
            Map.entry("delivery.timeout.ms", 15_000), Map.entry("max.block.ms", 15_000),
            Map.entry("reconnect.backoff.max.ms", 200), Map.entry("retry.backoff.ms", 20),
            Map.entry("key.serializer", ByteArraySerializer.class),
            Map.entry("value.serializer", ByteArraySerializer.class)));
    }

    private KafkaConsumer<byte[], byte[]> consumer(String isolation, String group) {
        return new KafkaConsumer<>(consumerSettings(isolation, group));
    }

    private Map<String, Object> consumerSettings(String isolation, String group) {
        Map<String, Object> settings = new HashMap<>(Map.of(
            "bootstrap.servers", bootstrap, "isolation.level", isolation, "enable.auto.commit", false,
            "auto.offset.reset", "none", "fetch.max.wait.ms", 50, "request.timeout.ms", 4_000,
            "default.api.timeout.ms", 15_000, "reconnect.backoff.max.ms", 200,
            "key.deserializer", ByteArrayDeserializer.class, "value.deserializer", ByteArrayDeserializer.class));
        if (group != null) {
            settings.put("group.id", group);
            settings.put("max.poll.records", MOVED_RECORDS_MAX);
        }
        return settings;
    }

    private String initialise(String process, KafkaProducer<byte[], byte[]> producer, String id) throws IOException {
        String epoch = id + "#" + process + "-" + lastClient.incrementAndGet();
        note(process, "invoke", Map.of("f", "init", "id", id, "producer", epoch));
        producer.initTransactions();
        note(process, "ok", Map.of("f", "init", "id", id, "producer", epoch));
        return epoch;
    }

    private long committed(String process, KafkaConsumer<byte[], byte[]> consumer, TopicPartition input) throws IOException {
        long sinceUs = nowUs();
        OffsetAndMetadata found = consumer.committed(Set.of(input)).get(input);
        long offset = found == null ? 0 : found.offset();
        note(process, "ok", Map.of(
            "f", "committed", "group", "movers", "sinceUs", sinceUs, "offsets", Map.of(input.toString(), offset)));
        return offset;
    }

    private void seek(
        String process, String reader, KafkaConsumer<byte[], byte[]> consumer, TopicPartition input, long position)
        throws IOException {
        consumer.seek(input, position);
        noteAssign(process, reader, consumer, "read_committed");
    }

    private static Map<String, List<List<Long>>> poll(KafkaConsumer<byte[], byte[]> consumer, int waitMs) {
        Map<String, List<List<Long>>> found = new LinkedHashMap<>();
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(waitMs))) {
            long value = Long.parseLong(new String(record.value(), StandardCharsets.UTF_8));
            found.computeIfAbsent(record.topic() + "-" + record.partition(), key -> new ArrayList<>())
                .add(List.of(record.offset(), value));
        }
        return found;
    }

    // --- Notes

    private static final class Steps {
        private final List<Map<String, Object>> steps = new ArrayList<>();
        private final Map<Integer, Future<RecordMetadata>> open = new LinkedHashMap<>();

        void poll(Map<String, List<List<Long>>> found) {
            steps.add(pollStep(found));
        }

        void send(KafkaProducer<byte[], byte[]> producer, List<?> send) {
            TopicPartition to = partition((String) send.get(0));
            byte[] value = send.get(1).toString().getBytes(StandardCharsets.UTF_8);
            steps.add(Map.of("send", send));
            open.put(steps.size() - 1, producer.send(new ProducerRecord<>(to.topic(), to.partition(), null, value)));
        }

        void acknowledged() throws InterruptedException, java.util.concurrent.ExecutionException {
            for (Future<RecordMetadata> each : open.values()) each.get();
        }

        /** With the offsets that have been acknowledged. */
        List<Map<String, Object>> list() {
            List<Map<String, Object>> found = new ArrayList<>(steps);
            open.forEach((index, future) -> {
                if (!future.isDone()) return;
                List<Object> send = new ArrayList<>((List<?>) steps.get(index).get("send"));
                try {
                    send.add(future.get().offset());
                } catch (InterruptedException | java.util.concurrent.ExecutionException error) {
                    return;
                }
                found.set(index, Map.of("send", send));
            });
            return found;
        }
    }

    private static Map<String, Object> pollStep(Map<String, List<List<Long>>> found) {
        Map<String, Object> step = new HashMap<>();
        step.put("poll", found);
        return step;
    }

    private static Map<String, Object> sendStep(TopicPartition to, long value, Long offset) {
        return Map.of("send", offset == null ? List.of(to.toString(), value) : List.of(to.toString(), value, offset));
    }

    private void noteAssign(
        String process, String reader, KafkaConsumer<byte[], byte[]> consumer, String isolation) throws IOException {
        Map<String, Long> positions = new LinkedHashMap<>();
        for (TopicPartition each : consumer.assignment()) positions.put(each.toString(), consumer.position(each));
        note(process, "ok", Map.of(
            "f", "assign", "consumer", reader, "isolation", isolation, "positions", positions));
    }

    private void notePoll(String process, String reader, Map<String, List<List<Long>>> poll) throws IOException {
        if (!poll.isEmpty()) note(process, "ok", Map.of("f", "poll", "consumer", reader, "poll", poll));
    }

    /** Written at once and not kept in a buffer: the process may be killed. */
    private void note(String process, String type, Map<String, Object> fields) throws IOException {
        Map<String, Object> line = new LinkedHashMap<>();
        synchronized (file) {
            line.put("atUs", nowUs());
            line.put("process", process);
            line.put("type", type);
            line.putAll(fields);
            file.write((Driver.JSON.writeValueAsString(line) + "\n").getBytes(StandardCharsets.UTF_8));
        }
    }

    /** The system's monotonic clock, which all processes of a machine share. */
    private static long nowUs() {
        return System.nanoTime() / 1_000;
    }

    private static Map<String, Object> with(Map<String, Object> fields, Object... more) {
        Map<String, Object> all = new LinkedHashMap<>(fields);
        for (int index = 0; index < more.length; index += 2) all.put((String) more[index], more[index + 1]);
        return all;
    }

    private void count(String what) {
        counts.merge(what, 1, Integer::sum);
    }

    private static String rootName(Throwable error) {
        return (error.getCause() == null ? error : error.getCause()).getClass().getSimpleName();
    }

    private List<TopicPartition> all() {
        List<TopicPartition> all = new ArrayList<>(inputs);
        all.addAll(outputs);
        all.addAll(flows);
        return all;
    }

    private static List<TopicPartition> some(Collection<TopicPartition> from, Random random) {
        List<TopicPartition> shuffled = new ArrayList<>(from);
        java.util.Collections.shuffle(shuffled, random);
        return shuffled.subList(0, 1 + random.nextInt(shuffled.size()));
    }

    private static TopicPartition partition(String key) {
        int dash = key.lastIndexOf('-');
        return new TopicPartition(key.substring(0, dash), Integer.parseInt(key.substring(dash + 1)));
    }

    private static void pause(int ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }
}
