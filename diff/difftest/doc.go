// Package difftest helps to test what stands on a [diff.Store], and the stores themselves.
//
// [TestStore] is what a store must pass. [Memory] is a store that can be told to fail, to lose a reply and to go back
// to an earlier day. [StartRedis] runs a real redis-server that can be killed.
package difftest
