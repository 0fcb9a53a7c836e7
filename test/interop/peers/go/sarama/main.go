// Command sarama drives github.com/IBM/sarama for the interop suites: sarama BOOTSTRAP.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"headrace/interop/driver"
)

const readMax = 60 * time.Second

var (
	brokers   = []string{os.Args[1]}
	client    sarama.Client
	admin     sarama.ClusterAdmin
	producers = map[string]sarama.SyncProducer{}
	mutex     sync.Mutex
)

func config() *sarama.Config {
	settings := sarama.NewConfig()
	settings.ClientID = "sarama"
	settings.Version = sarama.MaxVersion
	settings.Consumer.MaxWaitTime = 100 * time.Millisecond
	settings.Consumer.Offsets.AutoCommit.Enable = false
	settings.Consumer.Offsets.Initial = sarama.OffsetOldest
	settings.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	settings.Consumer.Group.Rebalance.Retry.Backoff = 200 * time.Millisecond
	settings.Consumer.Return.Errors = true
	return settings
}

func createTopic(r driver.Request) (any, error) {
	entries := map[string]*string{}
	for name, value := range r.Configs {
		entries[name] = &value
	}
	detail := &sarama.TopicDetail{NumPartitions: int32(r.Partitions), ReplicationFactor: 1, ConfigEntries: entries}
	return nil, admin.CreateTopic(r.Topic, detail, false)
}

func topics(driver.Request) (any, error) {
	listed, err := admin.ListTopics()
	names := []string{}
	for name := range listed {
		names = append(names, name)
	}
	return names, err
}

func partitions(r driver.Request) (any, error) {
	described, err := admin.DescribeTopics([]string{r.Topic})
	if err != nil {
		return nil, err
	}
	return len(described[0].Partitions), nil
}

func configs(r driver.Request) (any, error) {
	entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: r.Topic})
	found := map[string]string{}
	for _, entry := range entries {
		found[entry.Name] = entry.Value
	}
	return found, err
}

func alterConfig(r driver.Request) (any, error) {
	change := sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &r.Value}
	changes := map[string]sarama.IncrementalAlterConfigsEntry{r.Name: change}
	return nil, admin.IncrementalAlterConfig(sarama.TopicResource, r.Topic, changes, false)
}

func producer(codec string) (sarama.SyncProducer, error) {
	mutex.Lock()
	defer mutex.Unlock()
	if found := producers[codec]; found != nil {
		return found, nil
	}
	settings := config()
	settings.Producer.RequiredAcks = sarama.WaitForAll
	settings.Producer.Idempotent = true
	settings.Net.MaxOpenRequests = 1
	settings.Producer.MaxMessageBytes = 2_000_000
	settings.Producer.Return.Successes = true
	settings.Producer.Partitioner = sarama.NewManualPartitioner
	if err := settings.Producer.Compression.UnmarshalText([]byte(codec)); err != nil {
		return nil, err
	}
	made, err := sarama.NewSyncProducer(brokers, settings)
	producers[codec] = made
	return made, err
}

// bytes keeps an absent key or value apart from an empty one.
func bytes(data []byte) sarama.Encoder {
	if data == nil {
		return nil
	}
	return sarama.ByteEncoder(data)
}

func produce(r driver.Request) (any, error) {
	sender, err := producer(r.Compression)
	if err != nil {
		return nil, err
	}
	messages := []*sarama.ProducerMessage{}
	for _, record := range r.Records {
		headers := []sarama.RecordHeader{}
		for _, header := range record.Headers {
			headers = append(headers, sarama.RecordHeader{Key: []byte(header.Name), Value: header.Value})
		}
		messages = append(messages, &sarama.ProducerMessage{
			Topic: r.Topic, Partition: int32(record.Partition), Key: bytes(record.Key), Value: bytes(record.Value),
			Headers: headers, Timestamp: time.UnixMilli(record.Timestamp),
		})
	}
	err = sender.SendMessages(messages)
	var failures sarama.ProducerErrors
	if errors.As(err, &failures) && len(failures) > 0 {
		return nil, failures[0].Err
	}
	return nil, err
}

func offsetAt(r driver.Request) (any, error) {
	return client.GetOffset(r.Topic, int32(r.Partition), r.Timestamp)
}

func read(r driver.Request) (any, error) {
	start := sarama.OffsetOldest
	if offset, given := r.From.(float64); given {
		start = int64(offset)
	} else if r.From == nil {
		found, err := client.GetOffset(r.Topic, int32(r.Partition), r.Timestamp)
		if err != nil {
			return nil, err
		}
		start = found
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(r.Topic, int32(r.Partition), start)
	if err != nil {
		return nil, err
	}
	defer partition.AsyncClose()
	found := []driver.Record{}
	timeout := time.After(readMax)
	for len(found) < r.Count {
		select {
		case message := <-partition.Messages():
			record := driver.Record{
				Partition: int(message.Partition), Offset: message.Offset, Key: message.Key, Value: message.Value,
				Headers: []driver.Header{}, Timestamp: message.Timestamp.UnixMilli(),
			}
			for _, header := range message.Headers {
				record.Headers = append(record.Headers, driver.Header{Name: string(header.Key), Value: header.Value})
			}
			found = append(found, record)
		case failure := <-partition.Errors():
			return nil, failure
		case <-timeout:
			return nil, fmt.Errorf("%d of %d records within %s", len(found), r.Count, readMax)
		}
	}
	return found, nil
}

// claims commits what has arrived; what its member has taken is what it has committed.
type claims struct {
	member *driver.Member
	topic  string
}

func (c claims) Setup(session sarama.ConsumerGroupSession) error {
	held := []int{}
	for _, partition := range session.Claims()[c.topic] {
		held = append(held, int(partition))
	}
	c.member.Hold(held)
	return nil
}

func (c claims) Cleanup(sarama.ConsumerGroupSession) error {
	c.member.Hold(nil)
	return nil
}

func (c claims) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			pending := []*sarama.ConsumerMessage{message}
			for waiting := len(claim.Messages()); waiting > 0; waiting-- {
				pending = append(pending, <-claim.Messages())
			}
			session.MarkMessage(pending[len(pending)-1], "")
			session.Commit()
			for _, each := range pending {
				c.member.Take(int(each.Partition), each.Offset, each.Value)
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func join(r driver.Request) (*driver.Member, error) {
	settings := config()
	if r.Strategy == sarama.StickyBalanceStrategyName {
		settings.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategySticky()}
	}
	group, err := sarama.NewConsumerGroup(brokers, r.Group, settings)
	if err != nil {
		return nil, err
	}
	context, cancel := context.WithCancel(context.Background())
	member := &driver.Member{}
	ended := make(chan struct{})
	go func() {
		for failure := range group.Errors() {
			fmt.Fprintln(os.Stderr, "group:", failure)
		}
	}()
	go func() {
		defer close(ended)
		for context.Err() == nil {
			if err := group.Consume(context, []string{r.Topic}, claims{member, r.Topic}); err != nil {
				fmt.Fprintln(os.Stderr, "consume:", err)
			}
		}
	}()
	member.Leave = func() error {
		cancel()
		<-ended
		return group.Close()
	}
	return member, nil
}

func commit(r driver.Request) (any, error) {
	manager, err := sarama.NewOffsetManagerFromClient(r.Group, client)
	if err != nil {
		return nil, err
	}
	for _, each := range r.Offsets {
		partition, err := manager.ManagePartition(r.Topic, int32(each.Partition))
		if err != nil {
			return nil, err
		}
		partition.MarkOffset(each.Offset, each.Metadata)
		defer partition.AsyncClose()
	}
	manager.Commit()
	return nil, nil
}

func committed(r driver.Request) (any, error) {
	answer, err := admin.ListConsumerGroupOffsets(r.Group, nil)
	if err != nil {
		return nil, err
	}
	found := []driver.Committed{}
	for partition, block := range answer.Blocks[r.Topic] {
		if block.Offset >= 0 {
			found = append(found, driver.Committed{Partition: int(partition), Offset: block.Offset, Metadata: block.Metadata})
		}
	}
	return found, nil
}

func main() {
	if os.Getenv("HEADRACE_INTEROP_DEBUG") != "" {
		sarama.Logger = log.New(os.Stderr, "sarama ", log.LstdFlags)
	}
	var err error
	if client, err = sarama.NewClient(brokers, config()); err != nil {
		log.Fatal(err)
	}
	if admin, err = sarama.NewClusterAdmin(brokers, config()); err != nil {
		log.Fatal(err)
	}
	operations := driver.Operations{
		"createTopic": createTopic, "topics": topics, "partitions": partitions, "configs": configs,
		"alterConfig": alterConfig, "produce": produce, "read": read, "offsetAt": offsetAt, "commit": commit,
		"committed":   committed,
		"deleteTopic": func(r driver.Request) (any, error) { return nil, admin.DeleteTopic(r.Topic) },
	}
	(&driver.Members{}).Operations(operations, join)
	driver.Serve(operations)
	for _, each := range producers {
		each.Close()
	}
	admin.Close()
	client.Close()
}
