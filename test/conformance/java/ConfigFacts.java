import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.common.config.AbstractConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.coordinator.group.GroupConfig;
import org.apache.kafka.coordinator.group.GroupCoordinatorConfig;
import org.apache.kafka.coordinator.group.modern.share.ShareGroupConfig;
import org.apache.kafka.metadata.KafkaConfigSchema;
import org.apache.kafka.server.config.AbstractKafkaConfig;
import org.apache.kafka.server.config.ConfigSynonym;
import org.apache.kafka.server.config.DynamicBrokerConfig;
import org.apache.kafka.server.config.DynamicConfig;
import org.apache.kafka.server.config.ServerTopicConfigSynonyms;
import org.apache.kafka.server.metrics.ClientMetricsConfigs;
import org.apache.kafka.storage.internals.log.LogConfig;

/**
 * Asks Kafka's own classes what configurations exist and what values they take, for configs.test.ts. Without
 * arguments: the facts as one JSON object. With "probe": reads lines "kind TAB name TAB value" (or "kind TAB
 * name=value;name=value" for values that are judged together) from standard input and answers each with "ok
 * TAB canonical text" or "no TAB message" ("\n" and "\t" escaped).
 */
public class ConfigFacts {
    public static void main(String[] args) throws Exception {
        if (args.length > 0 && args[0].equals("probe")) probe();
        else if (args.length > 0 && args[0].equals("resolve")) resolve();
        else facts();
    }

    static Map<String, ConfigDef.ConfigKey> keys(String kind) throws Exception {
        switch (kind) {
            case "topic": return LogConfig.configKeys();
            case "group": return GroupConfig.CONFIG_DEF.configKeys();
            case "broker": return AbstractKafkaConfig.CONFIG_DEF.configKeys();
            case "client-metrics": return ClientMetricsConfigs.configDef().configKeys();
            default: throw new IllegalArgumentException(kind);
        }
    }

    static void facts() throws Exception {
        StringBuilder out = new StringBuilder("{");
        for (String kind : List.of("topic", "group", "broker", "client-metrics")) {
            out.append(quote(kind)).append(":[");
            List<String> items = new ArrayList<>();
            for (ConfigDef.ConfigKey key : new TreeMap<>(keys(kind)).values()) items.add(describe(key));
            out.append(String.join(",\n", items)).append("],\n");
        }
        out.append("\"dynamic\":").append(strings(DynamicBrokerConfig.dynamicConfigUpdateModes())).append(",\n");
        Map<String, String> topicSynonyms = new TreeMap<>();
        for (Map.Entry<String, List<ConfigSynonym>> e : ServerTopicConfigSynonyms.ALL_TOPIC_CONFIG_SYNONYMS.entrySet()) {
            List<String> names = new ArrayList<>();
            for (ConfigSynonym s : e.getValue()) names.add(s.name() + "*" + s.converter().apply("1"));
            topicSynonyms.put(e.getKey(), String.join(",", names));
        }
        out.append("\"topicSynonyms\":").append(strings(topicSynonyms)).append(",\n");
        Map<String, String> brokerSynonyms = new TreeMap<>();
        for (String name : AbstractKafkaConfig.CONFIG_DEF.names()) {
            brokerSynonyms.put(name, String.join(",", DynamicBrokerConfig.brokerConfigSynonyms(name, true)));
        }
        out.append("\"brokerSynonyms\":").append(strings(brokerSynonyms)).append(",\n");
        Map<String, String> groupSynonyms = new TreeMap<>();
        GroupConfig.ALL_GROUP_CONFIG_SYNONYMS.forEach((k, v) -> groupSynonyms.put(k, v.orElse("")));
        out.append("\"groupSynonyms\":").append(strings(groupSynonyms)).append(",\n");
        out.append("\"dynamicOnly\":[");
        List<String> dynamicOnly = new ArrayList<>();
        for (ConfigDef.ConfigKey key : new TreeMap<>(dynamicBrokerKeys()).values()) {
            if (!AbstractKafkaConfig.CONFIG_DEF.names().contains(key.name)) dynamicOnly.add(describe(key));
        }
        out.append(String.join(",\n", dynamicOnly)).append("]}");
        System.out.println(out);
    }

    static Map<String, ConfigDef.ConfigKey> dynamicBrokerKeys() throws Exception {
        for (Field field : DynamicConfig.Broker.class.getDeclaredFields()) {
            field.setAccessible(true);
            Object value = field.get(null);
            if (value instanceof ConfigDef) return ((ConfigDef) value).configKeys();
        }
        throw new IllegalStateException("DynamicConfig.Broker has no ConfigDef");
    }

    static String describe(ConfigDef.ConfigKey key) {
        String text = key.hasDefault() ? ConfigDef.convertToString(key.defaultValue, key.type) : null;
        return "{\"name\":" + quote(key.name) + ",\"type\":" + quote(key.type.name())
            + ",\"required\":" + !key.hasDefault() + ",\"default\":" + quote(text)
            + ",\"importance\":" + quote(key.importance.name()) + ",\"internal\":" + key.internalConfig
            + ",\"valid\":" + quote(key.validator == null ? null : key.validator.toString()) + "}";
    }

    static void probe() throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        StringBuilder out = new StringBuilder();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] parts = line.split("\t", -1);
            if (parts.length == 2) {
                out.append(together(parts[0], parts[1])).append('\n');
                continue;
            }
            ConfigDef.ConfigKey key = keys(parts[0]).get(parts[1]);
            String value = parts[2].replace("\\t", "\t").replace("\\n", "\n");
            String answer;
            try {
                ConfigDef alone = new ConfigDef();
                alone.define(key);
                Object parsed = alone.parse(Map.of(key.name, value)).get(key.name);
                answer = "ok\t" + ConfigDef.convertToString(parsed, key.type);
                if (key.type == ConfigDef.Type.PASSWORD) answer = "ok\t[hidden]";
            } catch (RuntimeException e) {
                answer = "no\t" + e.getMessage();
            }
            out.append(answer.replace("\n", "\\n")).append('\n');
        }
        System.out.print(out);
    }

    /** Answers "static TAB dynamic default TAB dynamic broker TAB topic" with "name=value@SOURCE" of every topic config. */
    static void resolve() throws Exception {
        KafkaConfigSchema schema = new KafkaConfigSchema(
            Map.of(ConfigResource.Type.TOPIC, LogConfig.configDefCopy()),
            ServerTopicConfigSynonyms.ALL_TOPIC_CONFIG_SYNONYMS);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] maps = line.split("\t", -1);
            List<String> items = new ArrayList<>();
            for (ConfigEntry entry : new TreeMap<>(schema.resolveEffectiveTopicConfigs(
                    pairs(maps[0]), pairs(maps[1]), pairs(maps[2]), pairs(maps[3]))).values()) {
                items.add(entry.name() + "=" + entry.value() + "@" + entry.source());
            }
            System.out.println(String.join(";", items));
        }
    }

    static Map<String, String> pairs(String text) {
        Map<String, String> result = new TreeMap<>();
        for (String pair : text.split(";")) {
            if (!pair.isEmpty()) result.put(pair.split("=", 2)[0], pair.split("=", 2)[1]);
        }
        return result;
    }

    /** Validates several configurations of one resource together: "name=value;name=value". */
    static String together(String kind, String text) {
        Map<String, String> configs = pairs(text);
        try {
            switch (kind) {
                case "topic":
                    LogConfig.validate(Map.of(), configs, LogConfig.configKeys().values().stream()
                        .filter(key -> key.defaultValue != null)
                        .collect(Collectors.toMap(key -> key.name, key -> key.defaultValue)), false);
                    break;
                case "group": {
                    AbstractConfig broker = new AbstractConfig(AbstractKafkaConfig.CONFIG_DEF, Map.of(
                        "process.roles", "broker", "node.id", "1", "controller.listener.names", "C"), false);
                    GroupConfig.validate(configs, new GroupCoordinatorConfig(broker), new ShareGroupConfig(broker));
                    break;
                }
                case "client-metrics": ClientMetricsConfigs.validate("name", configs); break;
                default: throw new IllegalArgumentException(kind);
            }
            return "ok";
        } catch (RuntimeException e) {
            return "no\t" + e.getMessage().replace("\n", "\\n");
        }
    }

    static String strings(Map<String, String> map) {
        List<String> items = new ArrayList<>();
        for (Map.Entry<String, String> e : new TreeMap<>(map).entrySet()) {
            items.add(quote(e.getKey()) + ":" + quote(e.getValue()));
        }
        return "{" + String.join(",\n", items) + "}";
    }

    static String quote(String text) {
        if (text == null) return "null";
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') out.append('\\').append(c);
            else if (c < ' ') out.append(String.format("\\u%04x", (int) c));
            else out.append(c);
        }
        return out.append('"').toString();
    }
}
