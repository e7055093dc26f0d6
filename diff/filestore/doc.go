// Package filestore is a [diff.Store] in one file, for a bridge that runs alone and wants no Redis.
//
// The file is a bbolt database: a B+tree that is synced to the disk at every commit, so that a commit that returned
// survives a power cut. One process may have it open.
//
//	<account>                     bucket
//	    token                     the last token of the account's lease, 8 bytes, big endian
//	    notes                     bucket: name → 8 bytes of expiry (Unix milliseconds, 0: never), then the value
//	    resources                 bucket
//	        <resource>            bucket
//	            state             the state, as the last commit set it
//	            tracked           how many records there are, 8 bytes, big endian
//	            shapes            bucket: number, 4 bytes, big endian → shape
//	            records           bucket: id → entry
//
// The lock on the file keeps every other process away, so who holds a lease, and who is on a list, is kept in memory alone: after the file is
// opened again every older lease is void, as its holder was this process's predecessor or this process itself. Tokens
// are in the file and rise on.
package filestore
