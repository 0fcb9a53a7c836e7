// Package driver is the request loop of a Go peer: JSON lines in, JSON lines out (see process-peer.ts).
package driver

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"sync"
)

const lineBytesMax = 256 << 20

// Header is a pair of a name and a value, which may be absent.
type Header struct {
	Name  string
	Value []byte
}

func (h Header) MarshalJSON() ([]byte, error) { return json.Marshal([]any{h.Name, h.Value}) }

func (h *Header) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&h.Name, &h.Value})
}

// Record travels in both directions; Offset means something in answers only.
type Record struct {
	Partition int      `json:"partition"`
	Offset    int64    `json:"offset"`
	Key       []byte   `json:"key"`
	Value     []byte   `json:"value"`
	Headers   []Header `json:"headers"`
	Timestamp int64    `json:"timestamp"`
}

// Committed is one partition's committed offset.
type Committed struct {
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
	Metadata  string `json:"metadata"`
}

// Request holds the arguments of every operation.
type Request struct {
	ID          int               `json:"id"`
	Op          string            `json:"op"`
	Topic       string            `json:"topic"`
	Partitions  int               `json:"partitions"`
	Partition   int               `json:"partition"`
	Configs     map[string]string `json:"configs"`
	Name        string            `json:"name"`
	Value       string            `json:"value"`
	Compression string            `json:"compression"`
	Records     []Record          `json:"records"`
	From        any               `json:"from"`
	Timestamp   int64             `json:"timestamp"`
	Count       int               `json:"count"`
	Group       string            `json:"group"`
	Member      any               `json:"member"`
	Strategy    string            `json:"strategy"`
	Protocol    string            `json:"protocol"`
	Instance    string            `json:"instance"`
	Offsets     []Committed       `json:"offsets"`
	Steady
	Transactions
}

// Steady holds what a stream at fixed times is like.
type Steady struct {
	RecordsPerSecond int `json:"recordsPerSecond"`
	ValueBytes       int `json:"valueBytes"`
}

// Transactions holds the arguments of the operations on transactions.
type Transactions struct {
	Producer        string   `json:"producer"`
	TransactionalID string   `json:"transactionalId"`
	TimeoutMs       int      `json:"timeoutMs"`
	Values          []string `json:"values"`
	Keys            []string `json:"keys"`
	Isolation       string   `json:"isolation"`
	Pipe            string   `json:"pipe"`
	Input           string   `json:"input"`
	Output          string   `json:"output"`
	AbortEvery      int      `json:"abortEvery"`
}

// Operations maps an operation's name to what it does.
type Operations map[string]func(Request) (any, error)

// Serve answers each line in a goroutine of its own until stdin ends.
func Serve(operations Operations) {
	var output sync.Mutex
	var running sync.WaitGroup
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), lineBytesMax)
	for lines.Scan() {
		var request Request
		if err := json.Unmarshal(lines.Bytes(), &request); err != nil {
			fmt.Fprintln(os.Stderr, "request:", err)
			os.Exit(1)
		}
		running.Add(1)
		go func() {
			defer running.Done()
			result, err := operations[request.Op](request)
			answer := map[string]any{"id": request.ID, "result": result}
			if err != nil {
				answer = map[string]any{"id": request.ID, "error": err.Error()}
			}
			text, _ := json.Marshal(answer)
			output.Lock()
			defer output.Unlock()
			os.Stdout.Write(append(text, '\n'))
		}()
	}
	running.Wait()
}

// Taken is [partition, offset, value].
type Taken [3]any

// Member is what a group's member holds and has taken; its methods may be called from any goroutine.
type Member struct {
	mutex sync.Mutex
	held  []int
	taken []Taken
	Leave func() error
}

// Hold replaces the partitions that the member holds.
func (m *Member) Hold(partitions []int) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.held = append([]int{}, partitions...)
	sort.Ints(m.held)
}

// Take notes a record whose offset is committed.
func (m *Member) Take(partition int, offset int64, value []byte) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.taken = append(m.taken, Taken{partition, offset, string(value)})
}

// Members keeps the members of this process and answers the operations on them.
type Members struct {
	mutex sync.Mutex
	byID  map[any]*Member
}

// Operations answers join, member and leave; join starts a member.
func (m *Members) Operations(into Operations, join func(Request) (*Member, error)) {
	m.byID = map[any]*Member{}
	into["join"] = func(request Request) (any, error) {
		member, err := join(request)
		if err != nil {
			return nil, err
		}
		m.mutex.Lock()
		defer m.mutex.Unlock()
		m.byID[request.Member] = member
		return nil, nil
	}
	into["member"] = func(request Request) (any, error) {
		member := m.find(request)
		member.mutex.Lock()
		defer member.mutex.Unlock()
		taken := append([]Taken{}, member.taken...)
		return map[string]any{"assignment": append([]int{}, member.held...), "taken": taken}, nil
	}
	into["leave"] = func(request Request) (any, error) { return nil, m.find(request).Leave() }
}

func (m *Members) find(request Request) *Member {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.byID[request.Member]
}
