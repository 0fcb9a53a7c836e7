package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"headrace/interop/driver"
)

const pipedRecordsMax = 20

// pipe moves what comes into one topic to another: each transaction holds some outputs and the offsets of their inputs.
type pipe struct {
	request   driver.Request
	turns     int
	mutex     sync.Mutex
	committed int
	aborted   int
	cancel    context.CancelFunc
	ended     chan struct{}
}

var pipes = map[string]*pipe{}

func piping(r driver.Request) *pipe {
	mutex.Lock()
	defer mutex.Unlock()
	return pipes[r.Pipe]
}

func pipeStart(r driver.Request) (any, error) {
	running, cancel := context.WithCancel(context.Background())
	made := &pipe{request: r, cancel: cancel, ended: make(chan struct{})}
	mutex.Lock()
	pipes[r.Pipe] = made
	mutex.Unlock()
	go func() {
		defer close(made.ended)
		for running.Err() == nil {
			if err := made.live(running); err != nil && running.Err() == nil {
				fmt.Fprintln(os.Stderr, "pipe:", err)
			}
		}
	}()
	return nil, nil
}

// live has a session of its own, which is at its end when a transaction fails. Rebalances are not held up between a poll and
// the end of its transaction: the session aborts what a rebalance has overtaken.
func (p *pipe) live(running context.Context) error {
	timeout := time.Duration(p.request.TimeoutMs) * time.Millisecond
	session, err := kgo.NewGroupTransactSession(options(append(membership(p.request), kgo.ConsumeTopics(p.request.Input),
		kgo.TransactionalID(p.request.TransactionalID), kgo.TransactionTimeout(timeout),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)...)
	if err != nil {
		return err
	}
	defer session.Close()
	for running.Err() == nil {
		fetches := session.PollRecords(running, pipedRecordsMax)
		for _, each := range fetches.Errors() {
			fmt.Fprintln(os.Stderr, "poll:", each.Err)
		}
		if records := fetches.Records(); len(records) > 0 {
			if err := p.move(session, records); err != nil {
				return err
			}
		}
	}
	return nil
}

// move writes one output for each record, and ends the transaction; an aborted one has its inputs come again.
func (p *pipe) move(session *kgo.GroupTransactSession, records []*kgo.Record) error {
	p.turns += 1
	isKept := p.request.AbortEvery == 0 || p.turns%p.request.AbortEvery != 0
	if err := session.Begin(); err != nil {
		return err
	}
	outputs := []*kgo.Record{}
	for _, each := range records {
		value := append([]byte("piped "), each.Value...)
		outputs = append(outputs, &kgo.Record{Topic: p.request.Output, Partition: each.Partition, Key: each.Key, Value: value})
	}
	ctx, cancel := within()
	defer cancel()
	err := session.ProduceSync(ctx, outputs...).FirstErr()
	committed, endErr := session.End(ctx, kgo.TransactionEndTry(isKept && err == nil))
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if committed {
		p.committed += 1
	} else {
		p.aborted += 1
	}
	if err == nil {
		err = endErr
	}
	return err
}

func pipeState(r driver.Request) (any, error) {
	found := piping(r)
	found.mutex.Lock()
	defer found.mutex.Unlock()
	return map[string]int{"committed": found.committed, "aborted": found.aborted}, nil
}

// pipeStop ends what has begun, and leaves the group.
func pipeStop(r driver.Request) (any, error) {
	found := piping(r)
	found.cancel()
	<-found.ended
	return pipeState(r)
}
