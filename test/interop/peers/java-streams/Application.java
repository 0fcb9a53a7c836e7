// A Kafka Streams application with exactly-once processing over flights: java Application BOOTSTRAP STATE_FOLDER THREADS.
// It counts flights by airport, with a changelog; adds up distances in windows of a day; and joins each flight with the
// table of airports. It runs until it is killed, or ends cleanly when stdin does.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.WindowStore;

public final class Application {
    private static final ObjectMapper JSON = new ObjectMapper();

    private Application() {}

    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, args[1]);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, args[2]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "flights");
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        // Every update goes out, so that a count that is left out or comes twice can be seen.
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        settings.put("auto.offset.reset", "earliest");
        // A static member: after a kill it takes its partitions again at once.
        settings.put("group.instance.id", "one");
        settings.put("heartbeat.interval.ms", 500);
        // The table has what it will ever have before the flights begin.
        settings.put("max.task.idle.ms", 1_000);
        settings.put("reconnect.backoff.max.ms", 200);
        settings.put("transaction.timeout.ms", 10_000);
        KafkaStreams streams = new KafkaStreams(topology().build(), settings);
        streams.setUncaughtExceptionHandler(error -> {
            System.err.println("a thread ended: " + error);
            return StreamThreadExceptionResponse.REPLACE_THREAD;
        });
        streams.setStateListener((now, before) -> System.out.println(now));
        streams.start();
        while (System.in.read() >= 0) { }
        streams.close(Duration.ofSeconds(20));
    }

    private static StreamsBuilder topology() {
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, JsonNode> flights = builder
            .stream("flights", Consumed.with(Serdes.String(), Serdes.String()))
            .mapValues(Application::parse);
        KTable<String, String> airports = builder.table("airports", Consumed.with(Serdes.String(), Serdes.String()));

        KStream<String, Long> distances = flights.mapValues(flight -> flight.get("distance").asLong());
        distances.groupByKey(Grouped.with(Serdes.String(), Serdes.Long()))
            .count(Materialized.with(Serdes.String(), Serdes.Long()))
            .toStream()
            .mapValues(String::valueOf)
            .to("counts", Produced.with(Serdes.String(), Serdes.String()));

        // By hour of the day, which is another key than the airport: through a topic of its own.
        flights.selectKey((airport, flight) -> "hour " + flight.get("hour").asInt())
            .mapValues(flight -> flight.get("distance").asLong())
            .groupByKey(Grouped.with("hours", Serdes.String(), Serdes.Long()))
            .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofDays(1), Duration.ofDays(1_000)))
            .reduce(Long::sum, Materialized.<String, Long, WindowStore<Bytes, byte[]>>as("distances-by-day")
                .withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()).withRetention(Duration.ofDays(1_002)))
            .toStream((window, sum) -> window.key() + " @" + window.window().start())
            .mapValues(String::valueOf)
            .to("distances", Produced.with(Serdes.String(), Serdes.String()));

        distances.join(airports, (distance, airport) -> airport + " " + distance,
                Joined.with(Serdes.String(), Serdes.Long(), Serdes.String()))
            .to("joined", Produced.with(Serdes.String(), Serdes.String()));
        return builder;
    }

    private static JsonNode parse(String text) {
        try {
            return JSON.readTree(text);
        } catch (Exception error) {
            throw new IllegalArgumentException(text, error);
        }
    }
}
