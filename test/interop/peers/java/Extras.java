// What only the Java client can be asked: the whole admin surface, consumer controls, transactions, and an endless
// idempotent producer for the restart suites.

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

final class Extras {
    private final Driver driver;
    private volatile Flow flow;

    Extras(Driver driver) {
        this.driver = driver;
        Map<String, Driver.Operation> operations = driver.operations;
        operations.put("brokerConfigs",
            r -> driver.configs(new ConfigResource(ConfigResource.Type.BROKER, Driver.text(r, "broker"))));
        operations.put("describeConfig", this::describeConfig);
        operations.put("changeConfig", this::changeConfig);
        operations.put("createPartitions", this::createPartitions);
        operations.put("listOffsets", this::listOffsets);
        operations.put("deleteRecords", this::deleteRecords);
        operations.put("logDirs", this::logDirs);
        operations.put("groups", this::groups);
        operations.put("group", this::group);
        operations.put("alterGroupOffsets", this::alterGroupOffsets);
        operations.put("deleteGroupOffsets", this::deleteGroupOffsets);
        operations.put("deleteGroup", r -> driver.admin.deleteConsumerGroups(List.of(Driver.text(r, "group"))).all().get());
        operations.put("producers", this::producers);
        operations.put("features", this::features);
        operations.put("quorum", this::quorum);
        operations.put("cluster", this::cluster);
        operations.put("alterReplicaLogDirs", this::alterReplicaLogDirs);
        operations.put("pauseAndResume", this::pauseAndResume);
        operations.put("transactions", this::transactions);
        operations.put("share", this::share);
        operations.put("flowStart", r -> {
            flow = new Flow(driver.bootstrap, Driver.text(r, "topic"), r.get("partitions").asInt());
            return null;
        });
        operations.put("flowState", r -> flow.state());
        operations.put("flowMissing", r -> flow.missing());
        operations.put("flowStop", r -> flow.stop());
    }

    private Object describeConfig(JsonNode request) throws Exception {
        ConfigResource resource = resource(request);
        ConfigEntry entry = driver.admin.describeConfigs(List.of(resource)).all().get().get(resource)
            .get(Driver.text(request, "name"));
        Map<String, Object> found = new HashMap<>();
        if (entry != null) {
            found.put("value", entry.value());
            found.put("source", entry.source().name());
            found.put("readOnly", entry.isReadOnly());
            found.put("type", entry.type().name());
        }
        return found;
    }

    private Object changeConfig(JsonNode request) throws Exception {
        ConfigEntry entry = new ConfigEntry(Driver.text(request, "name"), Driver.text(request, "value"));
        AlterConfigOp.OpType operation = AlterConfigOp.OpType.valueOf(Driver.text(request, "operation"));
        driver.admin.incrementalAlterConfigs(Map.of(resource(request), List.of(new AlterConfigOp(entry, operation)))).all().get();
        return null;
    }

    private static ConfigResource resource(JsonNode request) {
        return new ConfigResource(
            ConfigResource.Type.valueOf(Driver.text(request, "kind")), request.get("resource").asText());
    }

    private Object createPartitions(JsonNode request) throws Exception {
        NewPartitions wanted = NewPartitions.increaseTo(request.get("count").asInt());
        driver.admin.createPartitions(Map.of(Driver.text(request, "topic"), wanted)).all().get();
        return null;
    }

    private Object listOffsets(JsonNode request) throws Exception {
        TopicPartition partition = Driver.partition(request);
        Map<String, OffsetSpec> specs = new LinkedHashMap<>();
        specs.put("earliest", OffsetSpec.earliest());
        specs.put("latest", OffsetSpec.latest());
        specs.put("maxTimestamp", OffsetSpec.maxTimestamp());
        specs.put("earliestLocal", OffsetSpec.earliestLocal());
        specs.put("latestTiered", OffsetSpec.latestTiered());
        specs.put("earliestPendingUpload", OffsetSpec.earliestPendingUpload());
        specs.put("timestamp", OffsetSpec.forTimestamp(request.get("timestamp").asLong()));
        Map<String, Object> found = new LinkedHashMap<>();
        for (Map.Entry<String, OffsetSpec> spec : specs.entrySet()) {
            try {
                ListOffsetsResultInfo info = driver.admin.listOffsets(Map.of(partition, spec.getValue()))
                    .partitionResult(partition).get();
                found.put(spec.getKey(), List.of(info.offset(), info.timestamp()));
            } catch (Exception error) {
                found.put(spec.getKey(), Driver.describe(error));
            }
        }
        return found;
    }

    private Object deleteRecords(JsonNode request) throws Exception {
        TopicPartition partition = Driver.partition(request);
        RecordsToDelete before = RecordsToDelete.beforeOffset(request.get("offset").asLong());
        return driver.admin.deleteRecords(Map.of(partition, before)).lowWatermarks().get(partition).get().lowWatermark();
    }

    private Object logDirs(JsonNode request) throws Exception {
        Map<String, Object> found = new TreeMap<>();
        driver.admin.describeLogDirs(List.of(request.get("broker").asInt())).allDescriptions().get()
            .values().forEach(directories -> directories.forEach((path, directory) -> {
                Map<String, Long> sizes = new TreeMap<>();
                directory.replicaInfos().forEach((partition, replica) -> sizes.put(partition.toString(), replica.size()));
                found.put(path, sizes);
            }));
        return found;
    }

    private Object groups(JsonNode request) throws Exception {
        Map<String, String> found = new TreeMap<>();
        driver.admin.listGroups().all().get().forEach(group -> found.put(
            group.groupId(), group.type().map(Object::toString).orElse("?") + " "
                + group.groupState().map(Object::toString).orElse("?")));
        return found;
    }

    private Object group(JsonNode request) throws Exception {
        var group = driver.admin.describeConsumerGroups(List.of(Driver.text(request, "group"))).all().get()
            .get(Driver.text(request, "group"));
        List<Object> members = new ArrayList<>();
        group.members().forEach(member -> {
            TreeSet<Integer> partitions = new TreeSet<>();
            member.assignment().topicPartitions().forEach(each -> partitions.add(each.partition()));
            members.add(Map.of(
                "client", member.clientId(), "instance", member.groupInstanceId().orElse(""), "partitions", partitions));
        });
        return Map.of(
            "state", group.groupState().toString(), "type", group.type().toString(),
            "assignor", group.partitionAssignor(), "members", members, "coordinator", group.coordinator().id());
    }

    private Object alterGroupOffsets(JsonNode request) throws Exception {
        OffsetAndMetadata offset = new OffsetAndMetadata(request.get("offset").asLong(), "altered");
        driver.admin.alterConsumerGroupOffsets(Driver.text(request, "group"), Map.of(Driver.partition(request), offset)).all().get();
        return null;
    }

    private Object deleteGroupOffsets(JsonNode request) throws Exception {
        Set<TopicPartition> partitions = Set.of(Driver.partition(request));
        driver.admin.deleteConsumerGroupOffsets(Driver.text(request, "group"), partitions).all().get();
        return null;
    }

    private Object producers(JsonNode request) throws Exception {
        TopicPartition partition = Driver.partition(request);
        List<Object> found = new ArrayList<>();
        driver.admin.describeProducers(List.of(partition)).partitionResult(partition).get().activeProducers().forEach(
            producer -> found.add(Map.of(
                "id", producer.producerId(), "epoch", producer.producerEpoch(), "sequence", producer.lastSequence(),
                "openSince", producer.currentTransactionStartOffset().orElse(-1))));
        return found;
    }

    private Object features(JsonNode request) throws Exception {
        var metadata = driver.admin.describeFeatures().featureMetadata().get();
        Map<String, Object> found = new TreeMap<>();
        metadata.finalizedFeatures().forEach((name, range) -> found.put(name, (int) range.maxVersionLevel()));
        return Map.of("finalized", found, "supported", metadata.supportedFeatures().keySet());
    }

    private Object quorum(JsonNode request) throws Exception {
        var quorum = driver.admin.describeMetadataQuorum().quorumInfo().get();
        List<Integer> voters = new ArrayList<>();
        quorum.voters().forEach(voter -> voters.add(voter.replicaId()));
        return Map.of("leader", quorum.leaderId(), "voters", voters, "epoch", quorum.leaderEpoch());
    }

    private Object cluster(JsonNode request) throws Exception {
        var cluster = driver.admin.describeCluster();
        List<Integer> nodes = new ArrayList<>();
        cluster.nodes().get().forEach(node -> nodes.add(node.id()));
        return Map.of("id", cluster.clusterId().get(), "nodes", nodes, "controller", cluster.controller().get().id());
    }

    private Object alterReplicaLogDirs(JsonNode request) throws Exception {
        TopicPartitionReplica replica = new TopicPartitionReplica(
            Driver.text(request, "topic"), request.get("partition").asInt(), request.get("broker").asInt());
        driver.admin.alterReplicaLogDirs(Map.of(replica, Driver.text(request, "directory"))).all().get();
        return null;
    }

    /** Polls with one of two partitions paused; answers what came from each before and after it is resumed. */
    private Object pauseAndResume(JsonNode request) {
        TopicPartition paused = new TopicPartition(Driver.text(request, "topic"), 0);
        TopicPartition other = new TopicPartition(Driver.text(request, "topic"), 1);
        int count = request.get("count").asInt();
        Map<Integer, Integer> before = new HashMap<>(Map.of(0, 0, 1, 0));
        Map<Integer, Integer> after = new HashMap<>(Map.of(0, 0, 1, 0));
        try (KafkaConsumer<byte[], byte[]> consumer = driver.consumer(Map.of("max.poll.records", 50))) {
            consumer.assign(List.of(paused, other));
            consumer.seekToBeginning(consumer.assignment());
            consumer.pause(List.of(paused));
            long deadline = System.currentTimeMillis() + Driver.READ_MS_MAX;
            while (before.get(1) < count && System.currentTimeMillis() < deadline) tally(consumer, before);
            consumer.resume(List.of(paused));
            while (after.get(0) < count && System.currentTimeMillis() < deadline) tally(consumer, after);
        }
        return Map.of("before", before, "after", after);
    }

    private static void tally(KafkaConsumer<byte[], byte[]> consumer, Map<Integer, Integer> counts) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
            counts.merge(record.partition(), 1, Integer::sum);
        }
    }

    /** Commits one transaction, aborts a second, commits a third; answers what read_committed sees of them. */
    private Object transactions(JsonNode request) {
        TopicPartition partition = Driver.partition(request);
        Map<String, Object> settings = new HashMap<>(Map.of(
            "bootstrap.servers", driver.bootstrap, "transactional.id", Driver.text(request, "transactionalId"),
            "key.serializer", ByteArraySerializer.class, "value.serializer", ByteArraySerializer.class));
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings)) {
            producer.initTransactions();
            for (String value : List.of("committed-1", "aborted", "committed-2")) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(
                    partition.topic(), partition.partition(), null, value.getBytes(StandardCharsets.UTF_8)));
                producer.flush();
                if (value.equals("aborted")) producer.abortTransaction();
                else producer.commitTransaction();
            }
        }
        List<String> seen = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = driver.consumer(Map.of("isolation.level", "read_committed"))) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            long deadline = System.currentTimeMillis() + Driver.READ_MS_MAX;
            while (consumer.position(partition) < end && System.currentTimeMillis() < deadline) {
                consumer.poll(Duration.ofMillis(100)).forEach(
                    record -> seen.add(new String(record.value(), StandardCharsets.UTF_8)));
            }
        }
        return seen;
    }

    /**
     * Takes `count` records as a share group: values that end in 7 are released once, those in 9 rejected, the rest accepted.
     * Answers how often each value was delivered, save those delivered once.
     */
    private Object share(JsonNode request) {
        Map<String, Integer> deliveries = new TreeMap<>();
        int open = request.get("count").asInt();
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", driver.bootstrap, "group.id", Driver.text(request, "group"),
            "share.acknowledgement.mode", "explicit",
            "key.deserializer", ByteArrayDeserializer.class, "value.deserializer", ByteArrayDeserializer.class);
        try (KafkaShareConsumer<byte[], byte[]> consumer = new KafkaShareConsumer<>(settings)) {
            consumer.subscribe(List.of(Driver.text(request, "topic")));
            long deadline = System.currentTimeMillis() + Driver.READ_MS_MAX;
            while (open > 0 && System.currentTimeMillis() < deadline) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    String value = new String(record.value(), StandardCharsets.UTF_8);
                    int delivery = deliveries.merge(value, 1, Integer::sum);
                    if (value.endsWith("7") && delivery == 1) {
                        consumer.acknowledge(record, AcknowledgeType.RELEASE);
                        continue;
                    }
                    consumer.acknowledge(record, value.endsWith("9") ? AcknowledgeType.REJECT : AcknowledgeType.ACCEPT);
                    open -= 1;
                }
                consumer.commitSync();
            }
        }
        int distinct = deliveries.size();
        deliveries.values().removeIf(times -> times == 1);
        return Map.of("open", open, "distinct", distinct, "again", deliveries);
    }
}
