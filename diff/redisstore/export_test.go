package redisstore

// For tests that look at Redis past the store.
var (
	MetaKey   = metaKey
	BucketKey = bucketKey
	LeaseKey  = leaseKey
	TokenKey  = tokenKey
	BucketOf  = bucketOf
)
