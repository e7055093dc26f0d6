package redisstore

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Facts are settings of the server that matter to the store. Where the user may not ask (an ACL without INFO or
// CONFIG, as hosted Redis often has it), a fact keeps its zero value.
type Facts struct {
	Version        string // "7.0.15"
	EvictionPolicy string // maxmemory-policy: "noeviction"
	AppendOnly     string // "yes" or "no": whether writes go to an append-only file
	Replica        bool   // it is a replica, which takes no writes; false of a node of a cluster, where the client looks for masters
	Full           bool   // it has reached maxmemory and throws nothing away: it takes no writes
	// ConfigAllowed says that CONFIG GET may be asked, which the next two need.
	ConfigAllowed bool
	// ListpackValue is the longest entry in bytes that Redis keeps packed: hash-max-listpack-value, before Redis 7
	// hash-max-ziplist-value. The default is 64.
	ListpackValue int
	// ListpackEntries is how many records a bucket holds packed. The default is 512.
	ListpackEntries int
}

// The values that the store wants of Redis.
const (
	wantListpackValue   = 128
	wantListpackEntries = 512
)

// Check asks the server for its settings. It returns an error only if the server cannot be reached or refuses the
// user. In a cluster it asks one node.
func (s *Store) Check(ctx context.Context) (Facts, error) {
	if err := s.client.Ping(ctx).Err(); err != nil {
		return Facts{}, err
	}
	var f Facts
	if text, err := s.client.Info(ctx).Result(); err == nil {
		info := parseInfo(text)
		f.Version = info["redis_version"]
		f.EvictionPolicy = info["maxmemory_policy"]
		f.Replica = info["role"] == "slave" && info["redis_mode"] != "cluster"
		used, _ := strconv.ParseUint(info["used_memory"], 10, 64)
		limit, _ := strconv.ParseUint(info["maxmemory"], 10, 64) // 0 if there is none, or it was not told
		f.Full = limit > 0 && used > limit && f.EvictionPolicy == "noeviction"
		switch info["aof_enabled"] {
		case "0":
			f.AppendOnly = "no"
		case "1":
			f.AppendOnly = "yes"
		}
	}
	// One pattern for both names: Redis 7 knows the new and the old, Redis 6 only the old.
	if settings, err := s.client.ConfigGet(ctx, "hash-max-*").Result(); err == nil {
		f.ConfigAllowed = true
		for name, value := range settings {
			n, err := strconv.Atoi(value)
			if err != nil {
				continue
			}
			switch name {
			case "hash-max-listpack-value", "hash-max-ziplist-value":
				f.ListpackValue = n
			case "hash-max-listpack-entries", "hash-max-ziplist-entries":
				f.ListpackEntries = n
			}
		}
	}
	return f, nil
}

// parseInfo reads the lines "name:value" of INFO.
func parseInfo(text string) map[string]string {
	info := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok {
			info[name] = value
		}
	}
	return info
}

// Advice says in a sentence each what an operator should change, the worst first. What is not known is passed over.
func (f Facts) Advice() []string {
	var advice []string
	if strings.HasPrefix(f.EvictionPolicy, "volatile-") {
		advice = append(advice, fmt.Sprintf("maxmemory-policy is %s: Redis may throw away leases and what was spent of the budget; "+
			"set it to noeviction", f.EvictionPolicy))
	}
	if f.AppendOnly == "no" {
		advice = append(advice, "appendonly is no: after a restart of Redis all is read back from the stream; set it to yes")
	}
	if f.ListpackValue != 0 && f.ListpackValue < wantListpackValue {
		advice = append(advice, fmt.Sprintf(
			"hash-max-listpack-value is %d: a record takes about half as much memory again; set it to %d", f.ListpackValue, wantListpackValue))
	}
	if f.ListpackEntries != 0 && f.ListpackEntries < wantListpackEntries {
		advice = append(advice, fmt.Sprintf(
			"hash-max-listpack-entries is %d: a record may take about half as much memory again; set it to %d",
			f.ListpackEntries, wantListpackEntries))
	}
	return advice
}
