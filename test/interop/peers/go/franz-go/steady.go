package main

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"headrace/interop/driver"
)

const faultsMax = 20

// steady is a stream of records at fixed times, as Steady.java: how long each took from when it was due until it was
// acknowledged. Everything is as the client comes: acks=all, idempotent.
type steady struct {
	mutex       sync.Mutex
	latenciesMs []float64
	failed      int
	faults      []string
	cancel      context.CancelFunc
	ended       chan struct{}
	client      *kgo.Client
}

var stream *steady

func steadyStart(r driver.Request) (any, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(seeds()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(kgo.AllISRAcks()))
	if err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(context.Background())
	stream = &steady{cancel: cancel, ended: make(chan struct{}), client: client, latenciesMs: []float64{}, faults: []string{}}
	go stream.send(running, r)
	return nil, nil
}

func (s *steady) send(running context.Context, r driver.Request) {
	defer close(s.ended)
	value := make([]byte, r.ValueBytes)
	interval := time.Second / time.Duration(r.RecordsPerSecond)
	begin := time.Now()
	for number := 0; running.Err() == nil; number++ {
		due := begin.Add(time.Duration(number) * interval)
		time.Sleep(time.Until(due))
		record := &kgo.Record{Topic: r.Topic, Partition: int32(number % r.Partitions), Value: value}
		s.client.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
			s.mutex.Lock()
			defer s.mutex.Unlock()
			if err == nil {
				s.latenciesMs = append(s.latenciesMs, float64(time.Since(due))/1e6)
				return
			}
			s.failed++
			if len(s.faults) < faultsMax {
				s.faults = append(s.faults, err.Error())
			}
		})
	}
}

// take tells what there was since the last time.
func (s *steady) take() map[string]any {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	taken := s.latenciesMs
	s.latenciesMs = []float64{}
	return map[string]any{"latenciesMs": taken, "failed": s.failed, "faults": append([]string{}, s.faults...)}
}

func steadyTake(driver.Request) (any, error) { return stream.take(), nil }

func steadyStop(driver.Request) (any, error) {
	stream.cancel()
	<-stream.ended
	ctx, cancel := context.WithTimeout(context.Background(), 2*callMax)
	defer cancel()
	if err := stream.client.Flush(ctx); err != nil {
		return nil, err
	}
	stream.client.Close()
	return stream.take(), nil
}
