// Command kafka-go drives github.com/segmentio/kafka-go for the interop suites: kafka-go BOOTSTRAP.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/segmentio/kafka-go"

	"headrace/interop/driver"
)

const (
	callMax  = 60 * time.Second
	retryMax = 10 * time.Second

	commitRecords  = 100
	commitInterval = 20 * time.Millisecond
)

var (
	brokers = []string{os.Args[1]}
	// topics come and go in the suites: metadata kept for 6 s, the default, would hide them
	transport = &kafka.Transport{ClientID: "kafka-go", MetadataTTL: 50 * time.Millisecond}
	client    = &kafka.Client{Addr: kafka.TCP(os.Args[1]), Timeout: 30 * time.Second, Transport: transport}
	codecs    = map[string]kafka.Compression{
		"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
	}
)

func background() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), callMax)
}

// retrying repeats a request that failed with one of Kafka's retriable errors, as this library leaves that to its user.
func retrying(operation func(driver.Request) (any, error)) func(driver.Request) (any, error) {
	return func(r driver.Request) (any, error) {
		for deadline := time.Now().Add(retryMax); ; time.Sleep(50 * time.Millisecond) {
			result, err := operation(r)
			var failure kafka.Error
			if !errors.As(err, &failure) || !failure.Temporary() || time.Now().After(deadline) {
				return result, err
			}
		}
	}
}

func createTopic(r driver.Request) (any, error) {
	context, cancel := background()
	defer cancel()
	topic := kafka.TopicConfig{Topic: r.Topic, NumPartitions: r.Partitions, ReplicationFactor: 1}
	for name, value := range r.Configs {
		topic.ConfigEntries = append(topic.ConfigEntries, kafka.ConfigEntry{ConfigName: name, ConfigValue: value})
	}
	answer, err := client.CreateTopics(context, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{topic}})
	if err != nil {
		return nil, err
	}
	return nil, answer.Errors[r.Topic]
}

func deleteTopic(r driver.Request) (any, error) {
	context, cancel := background()
	defer cancel()
	answer, err := client.DeleteTopics(context, &kafka.DeleteTopicsRequest{Topics: []string{r.Topic}})
	if err != nil {
		return nil, err
	}
	return nil, answer.Errors[r.Topic]
}

func metadata(topics ...string) (*kafka.MetadataResponse, error) {
	context, cancel := background()
	defer cancel()
	return client.Metadata(context, &kafka.MetadataRequest{Topics: topics})
}

func topics(driver.Request) (any, error) {
	answer, err := metadata()
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, topic := range answer.Topics {
		names = append(names, topic.Name)
	}
	return names, nil
}

func partitions(r driver.Request) (any, error) {
	answer, err := metadata(r.Topic)
	if err != nil {
		return nil, err
	}
	return len(answer.Topics[0].Partitions), answer.Topics[0].Error
}

func configs(r driver.Request) (any, error) {
	context, cancel := background()
	defer cancel()
	answer, err := client.DescribeConfigs(context, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: r.Topic}},
	})
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, entry := range answer.Resources[0].ConfigEntries {
		found[entry.ConfigName] = entry.ConfigValue
	}
	return found, answer.Resources[0].Error
}

func alterConfig(r driver.Request) (any, error) {
	context, cancel := background()
	defer cancel()
	answer, err := client.IncrementalAlterConfigs(context, &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: r.Topic,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{{
				Name: r.Name, Value: r.Value, ConfigOperation: kafka.ConfigOperationSet,
			}},
		}},
	})
	if err != nil {
		return nil, err
	}
	return nil, answer.Resources[0].Error
}

func produce(r driver.Request) (any, error) {
	context, cancel := background()
	defer cancel()
	writer := &kafka.Writer{
		Addr: kafka.TCP(brokers...), Topic: r.Topic, RequiredAcks: kafka.RequireAll, Compression: codecs[r.Compression],
		BatchTimeout: 5 * time.Millisecond, BatchBytes: 2_000_000, Transport: transport,
		Balancer: kafka.BalancerFunc(func(message kafka.Message, _ ...int) int { return message.WriterData.(int) }),
	}
	defer writer.Close()
	messages := []kafka.Message{}
	for _, record := range r.Records {
		headers := []kafka.Header{}
		for _, header := range record.Headers {
			headers = append(headers, kafka.Header{Key: header.Name, Value: header.Value})
		}
		messages = append(messages, kafka.Message{
			Key: record.Key, Value: record.Value, Headers: headers, Time: time.UnixMilli(record.Timestamp),
			WriterData: record.Partition,
		})
	}
	err := writer.WriteMessages(context, messages...)
	var failures kafka.WriteErrors
	if errors.As(err, &failures) {
		for _, failure := range failures {
			if failure != nil {
				return nil, failure
			}
		}
	}
	return nil, err
}

func offsetOf(topic string, partition int, timestamp int64) (int64, error) {
	context, cancel := background()
	defer cancel()
	answer, err := client.ListOffsets(context, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{topic: {{Partition: partition, Timestamp: timestamp}}},
	})
	if err != nil {
		return 0, err
	}
	found := answer.Topics[topic][0]
	if timestamp == kafka.FirstOffset {
		return found.FirstOffset, found.Error
	}
	for offset := range found.Offsets {
		return offset, found.Error
	}
	return -1, found.Error
}

func offsetAt(r driver.Request) (any, error) { return offsetOf(r.Topic, r.Partition, r.Timestamp) }

func read(r driver.Request) (any, error) {
	context, cancel := background()
	defer cancel()
	start := int64(kafka.FirstOffset)
	if offset, given := r.From.(float64); given {
		start = int64(offset)
	} else if r.From == nil {
		found, err := offsetOf(r.Topic, r.Partition, r.Timestamp)
		if err != nil {
			return nil, err
		}
		start = found
	}
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: brokers, Topic: r.Topic, Partition: r.Partition, MaxWait: 100 * time.Millisecond, MaxBytes: 10 << 20,
	})
	defer reader.Close()
	if err := reader.SetOffset(start); err != nil {
		return nil, err
	}
	found := []driver.Record{}
	for len(found) < r.Count {
		message, err := reader.ReadMessage(context)
		if err != nil {
			return nil, err
		}
		record := driver.Record{
			Partition: message.Partition, Offset: message.Offset, Key: message.Key, Value: message.Value,
			Headers: []driver.Header{}, Timestamp: message.Time.UnixMilli(),
		}
		for _, header := range message.Headers {
			record.Headers = append(record.Headers, driver.Header{Name: header.Key, Value: header.Value})
		}
		found = append(found, record)
	}
	return found, nil
}

func next(parent context.Context, reader *kafka.Reader) (kafka.Message, error) {
	context, cancel := context.WithTimeout(parent, commitInterval)
	defer cancel()
	return reader.ReadMessage(context)
}

// work consumes one assigned partition for as long as the generation lasts; records count once their offset is committed.
func work(group *kafka.Generation, member *driver.Member, topic string, assigned kafka.PartitionAssignment) {
	group.Start(func(context context.Context) {
		reader := kafka.NewReader(kafka.ReaderConfig{
			Brokers: brokers, Topic: topic, Partition: assigned.ID, MaxWait: 100 * time.Millisecond,
		})
		defer reader.Close()
		if err := reader.SetOffset(assigned.Offset); err != nil {
			fmt.Fprintln(os.Stderr, "offset:", err)
			return
		}
		pending := []kafka.Message{}
		for context.Err() == nil {
			message, err := next(context, reader)
			if err == nil {
				pending = append(pending, message)
			}
			if len(pending) == 0 || (err == nil && len(pending) < commitRecords) {
				continue
			}
			end := pending[len(pending)-1].Offset + 1
			if err := group.CommitOffsets(map[string]map[int]int64{topic: {assigned.ID: end}}); err != nil {
				fmt.Fprintln(os.Stderr, "commit:", err)
				return
			}
			for _, each := range pending {
				member.Take(assigned.ID, each.Offset, each.Value)
			}
			pending = pending[:0]
		}
	})
}

func join(r driver.Request) (*driver.Member, error) {
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: r.Group, Brokers: brokers, Topics: []string{r.Topic}, StartOffset: kafka.FirstOffset,
		HeartbeatInterval: 300 * time.Millisecond, SessionTimeout: 10 * time.Second,
		JoinGroupBackoff: 200 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	member := &driver.Member{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			generation, err := group.Next(context.Background())
			if errors.Is(err, kafka.ErrGroupClosed) {
				return
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, "group:", err)
				continue
			}
			held := []int{}
			for _, assigned := range generation.Assignments[r.Topic] {
				held = append(held, assigned.ID)
				work(generation, member, r.Topic, assigned)
			}
			member.Hold(held)
			generation.Start(func(context context.Context) {
				<-context.Done()
				member.Hold(nil)
			})
		}
	}()
	member.Leave = func() error {
		err := group.Close()
		<-ended
		return err
	}
	return member, nil
}

func commit(r driver.Request) (any, error) {
	context, cancel := background()
	defer cancel()
	offsets := []kafka.OffsetCommit{}
	for _, each := range r.Offsets {
		offsets = append(offsets, kafka.OffsetCommit{Partition: each.Partition, Offset: each.Offset, Metadata: each.Metadata})
	}
	answer, err := client.OffsetCommit(context, &kafka.OffsetCommitRequest{
		GroupID: r.Group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{r.Topic: offsets},
	})
	if err != nil {
		return nil, err
	}
	for _, each := range answer.Topics[r.Topic] {
		if each.Error != nil {
			return nil, each.Error
		}
	}
	return nil, nil
}

func committed(r driver.Request) (any, error) {
	context, cancel := background()
	defer cancel()
	described, err := metadata(r.Topic)
	if err != nil {
		return nil, err
	}
	// The library answers from its cache, which may not know a new topic yet; retrying asks again.
	if described.Topics[0].Error != nil {
		return nil, described.Topics[0].Error
	}
	wanted := []int{}
	for partition := range described.Topics[0].Partitions {
		wanted = append(wanted, partition)
	}
	answer, err := client.OffsetFetch(context, &kafka.OffsetFetchRequest{
		GroupID: r.Group, Topics: map[string][]int{r.Topic: wanted},
	})
	if err != nil {
		return nil, err
	}
	found := []driver.Committed{}
	for _, each := range answer.Topics[r.Topic] {
		if each.Error != nil {
			return nil, each.Error
		}
		if each.CommittedOffset >= 0 {
			found = append(found, driver.Committed{
				Partition: each.Partition, Offset: each.CommittedOffset, Metadata: each.Metadata,
			})
		}
	}
	return found, answer.Error
}

func main() {
	operations := driver.Operations{
		"createTopic": createTopic, "deleteTopic": deleteTopic, "topics": topics, "partitions": partitions,
		"configs": configs, "alterConfig": alterConfig, "produce": retrying(produce), "read": read, "offsetAt": retrying(offsetAt),
		"commit": retrying(commit), "committed": retrying(committed),
	}
	(&driver.Members{}).Operations(operations, join)
	driver.Serve(operations)
}
