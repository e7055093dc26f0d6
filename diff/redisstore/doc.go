// Package redisstore is a [diff.Store] in Redis, for bridges that share accounts out among replicas.
//
// Records are held in hashes of about a hundred, which Redis packs tightly: with 84-byte entries and 19-digit ids a
// record takes less than 110 bytes of memory, where a key for each record takes about 200. It needs
// hash-max-listpack-value raised to 128; see [Facts]. How many buckets a resource has is chosen at its first commit
// and kept for ever in its meta hash: a bucket is found from an id alone, so a process only remembers that number
// and checks it on every call.
//
// One commit is one Lua script, so that the lease, the state and all that is written are looked at and changed in one
// step. All keys of an account carry its name as their hash tag, so that they live on one node of a cluster.
//
// Redis 5 or newer is required: scripts that ask for the time and then write.
package redisstore
