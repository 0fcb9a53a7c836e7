package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"headrace/interop/driver"
)

// transactional are the producers by name whose every call is an operation of its own.
var transactional = map[string]*kgo.Client{}

func producing(r driver.Request) *kgo.Client {
	mutex.Lock()
	defer mutex.Unlock()
	return transactional[r.Producer]
}

// txnOpen makes a producer with a transactional id and initialises it.
func txnOpen(r driver.Request) (any, error) {
	client, err := kgo.NewClient(options(
		kgo.TransactionalID(r.TransactionalID), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionTimeout(time.Duration(r.TimeoutMs)*time.Millisecond))...)
	if err != nil {
		return nil, err
	}
	mutex.Lock()
	transactional[r.Producer] = client
	mutex.Unlock()
	ctx, cancel := within()
	defer cancel()
	_, _, err = client.ProducerID(ctx)
	return nil, err
}

func txnBegin(r driver.Request) (any, error) { return nil, producing(r).BeginTransaction() }

// txnSend sends texts and waits for the answers; it answers with the offsets.
func txnSend(r driver.Request) (any, error) {
	records := []*kgo.Record{}
	for _, value := range r.Values {
		records = append(records, &kgo.Record{Topic: r.Topic, Partition: int32(r.Partition), Value: []byte(value)})
	}
	ctx, cancel := within()
	defer cancel()
	offsets := []int64{}
	results := producing(r).ProduceSync(ctx, records...)
	for _, each := range results {
		offsets = append(offsets, each.Record.Offset)
	}
	return offsets, results.FirstErr()
}

func txnEnd(how kgo.TransactionEndTry) func(driver.Request) (any, error) {
	return func(r driver.Request) (any, error) {
		ctx, cancel := within()
		defer cancel()
		return nil, producing(r).EndTransaction(ctx, how)
	}
}

// txnLeave does not end what is open: as if the process were gone.
func txnLeave(r driver.Request) (any, error) {
	producing(r).Close()
	return nil, nil
}

// ends are the ends of partitions, named as topic-partition, under an isolation level.
func ends(r driver.Request) (any, error) {
	ctx, cancel := within()
	defer cancel()
	found := map[string]int64{}
	for _, key := range r.Keys {
		topic, partition, err := split(key)
		if err != nil {
			return nil, err
		}
		list := admin.ListEndOffsets
		if r.Isolation == "read_committed" {
			list = admin.ListCommittedOffsets
		}
		listed, err := list(ctx, topic)
		if err != nil {
			return nil, err
		}
		end := listed[topic][partition]
		if end.Err != nil {
			return nil, end.Err
		}
		found[key] = end.Offset
	}
	return found, nil
}

// readAll answers with offset, value and key of every record up to the end under an isolation level, by partition. A
// client has passed a control record or an aborted batch only when something behind it has come, so control records
// are asked for, and the end is that of the last one or of the last record that can be seen.
func readAll(r driver.Request) (any, error) {
	wanted, err := ends(r)
	if err != nil {
		return nil, err
	}
	found := map[string][][]any{}
	for key, end := range wanted.(map[string]int64) {
		if end == 0 {
			continue
		}
		if found[key], err = readTo(key, end, r.Isolation); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func readTo(key string, end int64, isolation string) ([][]any, error) {
	topic, partition, err := split(key)
	if err != nil {
		return nil, err
	}
	level := kgo.ReadUncommitted()
	if isolation == "read_committed" {
		level = kgo.ReadCommitted()
	}
	start := map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}
	consumer, err := kgo.NewClient(options(
		kgo.ConsumePartitions(start), kgo.FetchIsolationLevel(level), kgo.KeepControlRecords())...)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	ctx, cancel := within()
	defer cancel()
	found := [][]any{}
	for position := int64(0); position < end; {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("%s at %d of %d: %w", key, position, end, err)
		}
		for _, each := range fetches.Records() {
			position = each.Offset + 1
			if !each.Attrs.IsControl() {
				found = append(found, []any{each.Offset, string(each.Value), string(each.Key)})
			}
		}
	}
	return found, nil
}

func split(key string) (string, int32, error) {
	dash := strings.LastIndex(key, "-")
	partition, err := strconv.Atoi(key[dash+1:])
	return key[:dash], int32(partition), err
}
