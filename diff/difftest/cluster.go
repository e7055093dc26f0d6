package difftest

import (
	"net"
	"strconv"
	"testing"
)

// slots is how many slots a cluster has.
const slots = 16384

// A Cluster is a Redis Cluster of three masters, which share its slots, and a replica of each. It ends with the test.
type Cluster struct {
	URL string // as redisstore takes it: redis-cluster://127.0.0.1:PORT?addr=…, of all masters

	tb    testing.TB
	nodes []*Redis // the first three are the masters to begin with; n+3 is the replica of n
}

// StartCluster starts six Redis, makes a cluster of them, and returns once it takes writes and every replica follows.
func StartCluster(tb testing.TB) *Cluster {
	tb.Helper()
	const masters = 3
	c := &Cluster{tb: tb}
	var ports []string // of the bus on which the nodes talk among themselves
	for range 2 * masters {
		// The bus would be at the port above by 10,000, which a free port may not leave room for.
		ports = append(ports, strconv.Itoa(freePort(tb)))
		c.nodes = append(c.nodes, StartRedis(tb, "--cluster-enabled", "yes", "--cluster-port", ports[len(ports)-1],
			"--cluster-node-timeout", "2000"))
	}
	for i, node := range c.nodes {
		ask(tb, node, "CLUSTER", "SET-CONFIG-EPOCH", i+1) // two that are equal would have to be sorted out first
		if i < masters {
			ask(tb, node, "CLUSTER", "ADDSLOTSRANGE", i*slots/masters, (i+1)*slots/masters-1)
		}
		if i > 0 {
			host, port, _ := net.SplitHostPort(node.Addr) // it is ours
			ask(tb, c.nodes[0], "CLUSTER", "MEET", host, port, ports[i])
		}
	}
	for _, node := range c.nodes {
		settle(tb, node, "a node", []any{"CLUSTER", "INFO"}, "cluster_known_nodes:6")
	}
	for i, node := range c.nodes[masters:] {
		id, _ := ask(tb, c.nodes[i], "CLUSTER", "MYID").(string)
		// A node that has been heard of may not have been spoken to yet: then this one does not know it.
		settle(tb, node, "a node", []any{"CLUSTER", "NODES"}, id)
		ask(tb, node, "CLUSTER", "REPLICATE", id)
	}
	for i, node := range c.nodes {
		settle(tb, node, "a node", []any{"CLUSTER", "INFO"}, "cluster_state:ok")
		if i >= masters {
			settle(tb, node, "a replica", []any{"INFO", "replication"}, "master_link_status:up")
		}
	}
	c.URL = "redis-cluster://" + c.nodes[0].Addr + "?addr=" + c.nodes[1].Addr + "&addr=" + c.nodes[2].Addr
	return c
}

// KillMasterOf kills the master that has the slot of key, and returns once its replica has taken its place.
func (c *Cluster) KillMasterOf(key string) {
	c.tb.Helper()
	slot, _ := ask(c.tb, c.nodes[0], "CLUSTER", "KEYSLOT", key).(int64)
	for i, node := range c.nodes[:3] {
		if int(slot) < (i+1)*slots/3 {
			node.Kill()
			settle(c.tb, c.nodes[i+3], "a replica", []any{"INFO", "replication"}, "role:master")
			for j, other := range c.nodes {
				if j != i {
					settle(c.tb, other, "a node", []any{"CLUSTER", "INFO"}, "cluster_state:ok")
				}
			}
			return
		}
	}
}
