package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"headrace/interop/driver"
)

var balancers = map[string]kgo.GroupBalancer{
	"range": kgo.RangeBalancer(), "roundrobin": kgo.RoundRobinBalancer(), "sticky": kgo.StickyBalancer(),
	"cooperative-sticky": kgo.CooperativeStickyBalancer(),
}

// membership is how a member joins: by the consumer protocol, or by a classic assignor.
func membership(r driver.Request) []kgo.Opt {
	found := []kgo.Opt{
		kgo.ConsumerGroup(r.Group), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
	}
	if r.Instance != "" {
		found = append(found, kgo.InstanceID(r.Instance))
	}
	if r.Protocol == "consumer" {
		return append(found, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	}
	found = append(found, kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(300*time.Millisecond))
	if balancer := balancers[r.Strategy]; balancer != nil {
		found = append(found, kgo.Balancers(balancer))
	}
	return found
}

// holding is the set of partitions that a member holds; the callbacks tell what comes and goes.
type holding struct {
	mutex  sync.Mutex
	held   map[int32]bool
	member *driver.Member
}

func (h *holding) change(topic string, isHeld bool) func(context.Context, *kgo.Client, map[string][]int32) {
	return func(_ context.Context, _ *kgo.Client, changed map[string][]int32) {
		h.mutex.Lock()
		defer h.mutex.Unlock()
		for _, each := range changed[topic] {
			if isHeld {
				h.held[each] = true
			} else {
				delete(h.held, each)
			}
		}
		all := []int{}
		for each := range h.held {
			all = append(all, int(each))
		}
		h.member.Hold(all)
	}
}

// join starts a member that commits what each poll has brought; what it has taken is what it has committed.
func join(r driver.Request) (*driver.Member, error) {
	member := &driver.Member{}
	holding := &holding{held: map[int32]bool{}, member: member}
	gone := holding.change(r.Topic, false)
	client, err := kgo.NewClient(options(append(membership(r), kgo.ConsumeTopics(r.Topic), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(holding.change(r.Topic, true)), kgo.OnPartitionsRevoked(gone),
		kgo.OnPartitionsLost(gone))...)...)
	if err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for running.Err() == nil {
			records := client.PollRecords(running, 500).Records()
			if err := client.CommitRecords(context.Background(), records...); err != nil {
				fmt.Fprintln(os.Stderr, "commit:", err)
			} else {
				for _, each := range records {
					member.Take(int(each.Partition), each.Offset, each.Value)
				}
			}
			client.AllowRebalance()
		}
	}()
	member.Leave = func() error {
		cancel()
		<-ended
		client.CloseAllowingRebalance()
		member.Hold(nil)
		return nil
	}
	return member, nil
}

func commit(r driver.Request) (any, error) {
	ctx, cancel := within()
	defer cancel()
	offsets := kadm.Offsets{}
	for _, each := range r.Offsets {
		offsets.Add(kadm.Offset{
			Topic: r.Topic, Partition: int32(each.Partition), At: each.Offset, LeaderEpoch: -1, Metadata: each.Metadata,
		})
	}
	return nil, admin.CommitAllOffsets(ctx, r.Group, offsets)
}

func committed(r driver.Request) (any, error) {
	ctx, cancel := within()
	defer cancel()
	answer, err := admin.FetchOffsets(ctx, r.Group)
	found := []driver.Committed{}
	for partition, each := range answer[r.Topic] {
		if each.At >= 0 {
			found = append(found, driver.Committed{Partition: int(partition), Offset: each.At, Metadata: each.Metadata})
		}
	}
	return found, err
}
