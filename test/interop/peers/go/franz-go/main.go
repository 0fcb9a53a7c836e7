// Command franz-go drives github.com/twmb/franz-go for the interop suites: franz-go BOOTSTRAP. What every client does is
// here and in groups.go, transactions in transactions.go and pipe.go.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"headrace/interop/driver"
)

const (
	callMax = 60 * time.Second
	// Waits of a fetch end soon, so that nothing waits for a broker that has nothing to say.
	fetchMax = 100 * time.Millisecond
)

var (
	admin     *kadm.Client
	producers = map[string]*kgo.Client{}
	mutex     sync.Mutex
	codecs    = map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
)

// seeds are the addresses to begin with.
func seeds() []string { return strings.Split(os.Args[1], ",") }

// options are those of every client, and more.
func options(more ...kgo.Opt) []kgo.Opt {
	all := []kgo.Opt{
		kgo.SeedBrokers(seeds()...), kgo.ClientID("franz-go"), kgo.FetchMaxWait(fetchMax), kgo.MetadataMinAge(fetchMax),
	}
	if os.Getenv("HEADRACE_INTEROP_DEBUG") != "" {
		all = append(all, kgo.WithLogger(kgo.BasicLogger(os.Stderr, kgo.LogLevelDebug, stamp)))
	}
	return append(append(all, security()...), more...)
}

// stamp tells the lines of several processes apart.
func stamp() string { return fmt.Sprintf("%s %d ", time.Now().Format("15:04:05.000"), os.Getpid()) }

func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), callMax)
}

func createTopic(r driver.Request) (any, error) {
	ctx, cancel := within()
	defer cancel()
	configs := map[string]*string{}
	for name, value := range r.Configs {
		configs[name] = &value
	}
	_, err := admin.CreateTopic(ctx, int32(r.Partitions), -1, configs, r.Topic)
	return nil, err
}

func deleteTopic(r driver.Request) (any, error) {
	ctx, cancel := within()
	defer cancel()
	_, err := admin.DeleteTopic(ctx, r.Topic)
	return nil, err
}

func topics(driver.Request) (any, error) {
	ctx, cancel := within()
	defer cancel()
	listed, err := admin.ListTopics(ctx)
	return listed.Names(), err
}

func partitions(r driver.Request) (any, error) {
	ctx, cancel := within()
	defer cancel()
	listed, err := admin.ListTopics(ctx, r.Topic)
	if err != nil {
		return nil, err
	}
	return len(listed[r.Topic].Partitions), listed[r.Topic].Err
}

func configs(r driver.Request) (any, error) {
	ctx, cancel := within()
	defer cancel()
	described, err := admin.DescribeTopicConfigs(ctx, r.Topic)
	if err != nil {
		return nil, err
	}
	found := map[string]*string{}
	for _, each := range described[0].Configs {
		found[each.Key] = each.Value
	}
	return found, described[0].Err
}

func alterConfig(r driver.Request) (any, error) {
	ctx, cancel := within()
	defer cancel()
	change := kadm.AlterConfig{Op: kadm.SetConfig, Name: r.Name, Value: &r.Value}
	altered, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{change}, r.Topic)
	if err != nil {
		return nil, err
	}
	return nil, altered[0].Err
}

func producer(codec string) (*kgo.Client, error) {
	mutex.Lock()
	defer mutex.Unlock()
	if found := producers[codec]; found != nil {
		return found, nil
	}
	made, err := kgo.NewClient(options(
		kgo.ProducerBatchCompression(codecs[codec]), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(2_000_000), kgo.ProducerLinger(20*time.Millisecond))...)
	producers[codec] = made
	return made, err
}

func produce(r driver.Request) (any, error) {
	sender, err := producer(r.Compression)
	if err != nil {
		return nil, err
	}
	records := []*kgo.Record{}
	for _, each := range r.Records {
		record := &kgo.Record{
			Topic: r.Topic, Partition: int32(each.Partition), Key: each.Key, Value: each.Value,
			Timestamp: time.UnixMilli(each.Timestamp),
		}
		for _, header := range each.Headers {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: header.Name, Value: header.Value})
		}
		records = append(records, record)
	}
	ctx, cancel := within()
	defer cancel()
	return nil, sender.ProduceSync(ctx, records...).FirstErr()
}

// offsetAt answers -1 when there is no record at or after the time; the library answers with the end.
func offsetAt(r driver.Request) (any, error) {
	ctx, cancel := within()
	defer cancel()
	listed, err := admin.ListOffsetsAfterMilli(ctx, r.Timestamp, r.Topic)
	if err != nil {
		return nil, err
	}
	found := listed[r.Topic][int32(r.Partition)]
	if found.Timestamp < 0 {
		return int64(-1), found.Err
	}
	return found.Offset, found.Err
}

func read(r driver.Request) (any, error) {
	start := kgo.NewOffset().AtStart()
	if offset, given := r.From.(float64); given {
		start = kgo.NewOffset().At(int64(offset))
	} else if r.From == nil {
		start = kgo.NewOffset().AfterMilli(r.Timestamp)
	}
	partition := map[string]map[int32]kgo.Offset{r.Topic: {int32(r.Partition): start}}
	consumer, err := kgo.NewClient(options(kgo.ConsumePartitions(partition))...)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	ctx, cancel := within()
	defer cancel()
	found := []driver.Record{}
	for len(found) < r.Count {
		fetches := consumer.PollRecords(ctx, r.Count-len(found))
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("%d of %d records: %w", len(found), r.Count, err)
		}
		for _, each := range fetches.Records() {
			found = append(found, readable(each))
		}
	}
	return found, nil
}

func readable(record *kgo.Record) driver.Record {
	headers := []driver.Header{}
	for _, header := range record.Headers {
		headers = append(headers, driver.Header{Name: header.Key, Value: header.Value})
	}
	return driver.Record{
		Partition: int(record.Partition), Offset: record.Offset, Key: record.Key, Value: record.Value,
		Headers: headers, Timestamp: record.Timestamp.UnixMilli(),
	}
}

func main() {
	client, err := kgo.NewClient(options()...)
	if err != nil {
		log.Fatal(err)
	}
	admin = kadm.NewClient(client)
	operations := driver.Operations{
		"createTopic": createTopic, "deleteTopic": deleteTopic, "topics": topics, "partitions": partitions,
		"configs": configs, "alterConfig": alterConfig, "produce": produce, "read": read, "offsetAt": offsetAt,
		"commit": commit, "committed": committed,
		"txnOpen": txnOpen, "txnBegin": txnBegin, "txnSend": txnSend, "txnCommit": txnEnd(kgo.TryCommit),
		"txnAbort": txnEnd(kgo.TryAbort), "txnLeave": txnLeave, "ends": ends, "readAll": readAll,
		"pipeStart": pipeStart, "pipeState": pipeState, "pipeStop": pipeStop,
		"steadyStart": steadyStart, "steadyTake": steadyTake, "steadyStop": steadyStop,
	}
	(&driver.Members{}).Operations(operations, join)
	driver.Serve(operations)
	for _, each := range producers {
		each.Close()
	}
	client.Close()
}
