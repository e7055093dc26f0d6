package config

import (
	"cmp"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A Config is a whole configuration, checked, with its defaults filled in. Load makes it.
type Config struct {
	// Accounts are the Cliniko accounts to follow, one at least, each with a name of its own.
	Accounts []Account
	// Resources holds what is set for single resources, in every account. A resource that is not in it has its
	// defaults.
	Resources map[schemas.Resource]Resource
	// Baseline is what the first look at existing records does. Default: BaselineSilent.
	Baseline Baseline
	// Sweep is the search for hard deletes and missed changes.
	Sweep Sweep
	// NATS is where events go.
	NATS NATS
	// State is where fingerprints and marks are kept.
	State State
	// Events is how much an event holds.
	Events Events
	// DataDir is the folder of everything that the bridge keeps on disk: the embedded NATS server, the embedded
	// store, the fingerprint key that was made. It need not exist yet. Default: "data" beside the configuration file.
	DataDir string
	// Admin is the HTTP server for operators.
	Admin Admin

	file  string         // that it was read from, "" if from the environment
	lines map[string]int // the line of each path that file gives
}

// Fault is a fault of the configuration that only the machine could tell: a port that is taken, a folder that cannot be
// written to. It has its place like those that Load finds.
func (c *Config) Fault(path, text string) Faults {
	if c.file == "" {
		path = cmp.Or(variables[path], path)
	}
	return Faults{{File: c.file, Line: c.lines[path], Path: path, Text: text}}
}

// Given says whether the file gives path, "nats.listen" for one, or leaves it to its default.
func (c *Config) Given(path string) bool { return c.lines[path] > 0 }

// An Account is one Cliniko account: one key, one budget of requests.
type Account struct {
	// Name is the account's name in events, keys and metrics: a-z, 0-9 and "-". Default: "default".
	Name string
	// APIKey is the key of a user of the account, as Cliniko gave it: with its shard at the end, "…-au1". Required.
	APIKey Secret
	// APIKeyFile is the path of the file that APIKey was read from, which may be written anew while the bridge runs; see
	// Rotation. "" if it came from elsewhere.
	APIKeyFile string
	// UserAgent is what Cliniko asks of every client: a name and an email, "Northside Bridge (ops@northside.example)".
	// Required.
	UserAgent string
	// BaseURL is where the API is, without a slash at the end: "https://api.au1.cliniko.com/v1". It is https, or
	// http on a loopback address. Default: "", the address that belongs to the key's shard.
	BaseURL string
	// API is the edition of the API that the account answers with. Default: APIAuto.
	API API
	// RequestsPerMinute is how many of the 200 requests a minute that Cliniko allows the user are ours: 1 to 200.
	// Default: 180.
	RequestsPerMinute int
	// Resources are those to follow, each once. Default: nil, all that the account serves.
	Resources []schemas.Resource
}

// An API is an edition of Cliniko's API, or the wish to find it out.
type API string

// The editions.
const (
	APIAuto API = "auto" // ask the account
	API2017 API = "2017"
	API2025 API = "2025"
)

// A Resource is what may be set for one resource.
type Resource struct {
	// Schedule is when to poll: a robfig/cron spec with an optional seconds field, or a descriptor such as
	// "@every 15s". Times of day are UTC unless it begins with CRON_TZ=. Default: "", the catalogue's.
	Schedule string
	// Days is how many days ahead to ask for available times: 1 to 7, which is the API's limit. For
	// available_times alone. Default: 7; it is 0 for every other resource.
	Days int
}

// A Baseline is what the first look at existing records does.
type Baseline string

// The baselines.
const (
	BaselineSilent  Baseline = "silent"  // remember what exists, tell nothing
	BaselinePublish Baseline = "publish" // tell each existing record as a snapshot
)

// A Sweep is how hard deletes and missed changes are looked for.
type Sweep struct {
	// Schedule is when: as Resource.Schedule. Default: "0 30 3 * * *", half past three in the night, UTC.
	Schedule string
	// ConfirmAfter is the time between the two 404 answers that make a deletion: a second or more. Default: 1m.
	ConfirmAfter time.Duration
	// Limit is the share of a resource's records that one sweep may tell as deleted, 0 to 1; more waits for an
	// operator. It is never under 20 records. Written "5%". Default: 0.05.
	Limit float64
}

// NATS is where events go: a server, or one inside the process.
type NATS struct {
	// URL is the server, or several with commas between: nats, tls, ws or wss. It is secret as it may hold a password.
	// Default: empty, an embedded server that keeps its streams under DataDir.
	URL Secret
	// Listen is the address of the embedded server, host:port. It asks for no password, so that an address off
	// loopback opens the events to the network. "" if there is a URL. Default: "127.0.0.1:4222".
	Listen string
	// CredsFile is the path of a NATS credentials file. Only with URL. Default: "", none.
	CredsFile string
	// NKeyFile is the path of a file that holds the seed of a NATS user, "SU…". Only with URL, and not beside CredsFile.
	// Default: "", none.
	NKeyFile string
	// TLS is what a TLS connection needs beyond the system's certificates. Only with URL.
	TLS TLS
	// Stream is the stream's name: letters, digits, "_" and "-". It is made if it does not exist. Default: "CLINIKO".
	Stream string
	// Subject is the template of an event's subject. Each of its tokens is plain text or one whole placeholder:
	// {account}, {resource}, {verb} or {id}. It has {resource} and {verb}, and {account} if there are several
	// accounts. Default: "cliniko.{resource}.{verb}".
	Subject string
	// MaxAge is how long the stream keeps an event: a minute or more. Default: 720h, thirty days.
	MaxAge time.Duration
	// Replicas is how many servers of a cluster keep the stream: 1 to 5; 1 with the embedded server. Default: 1.
	Replicas int
}

// TLS holds paths of PEM files, each "" if it is not given. They are read anew for each connection.
type TLS struct {
	CAFile   string // certificates to trust in place of the system's
	CertFile string // the bridge's own certificate; always with KeyFile
	KeyFile  string
}

// State is where fingerprints and marks are kept.
type State struct {
	// RedisURL is the Redis server: redis or rediss. It is secret as it may hold a password. Default: empty,
	// a file under DataDir.
	RedisURL Secret
	// TLS is what a TLS connection needs beyond the system's certificates. Only with a RedisURL of rediss.
	TLS TLS
	// FingerprintKey keys the hashes of records, so that they reveal nothing: 32 characters or more. Required with
	// RedisURL; without, it may be empty, and FingerprintKey makes one.
	FingerprintKey Secret
}

// Events is how much an event holds.
type Events struct {
	// Data is full or thin. Default: DataFull.
	Data Data
}

// Data is how much of a record an event holds.
type Data string

// The forms of an event.
const (
	DataFull Data = "full" // the record as the API gave it
	DataThin Data = "thin" // its id and the names of changed fields
)

// Admin is the HTTP server for operators.
type Admin struct {
	// Listen is its address, host:port; port 0 takes a free one. Off loopback it needs a Token.
	// Default: "127.0.0.1:8321".
	Listen string
	// Token is what a request that makes the bridge do something must bring: "Authorization: Bearer …". One word of
	// 16 characters or more. Default: empty, and such a request needs none.
	Token Secret
	// TokenFile is the path of the file that Token was read from, which may be written anew while the bridge runs; see
	// Rotation. "" if it came from elsewhere.
	TokenFile string
}

// Defaults that the environment and the file share.
const (
	defaultAccount = "default"
	defaultListen  = "127.0.0.1:4222"
	defaultAdmin   = "127.0.0.1:8321"
	defaultSubject = "cliniko.{resource}.{verb}"
	defaultDataDir = "data"
)

func defaults() *Config {
	return &Config{
		Resources: map[schemas.Resource]Resource{},
		Baseline:  BaselineSilent,
		Sweep:     Sweep{Schedule: "0 30 3 * * *", ConfirmAfter: time.Minute, Limit: 0.05},
		NATS: NATS{
			Listen: defaultListen, Stream: "CLINIKO", Subject: defaultSubject, MaxAge: 720 * time.Hour, Replicas: 1,
		},
		Events: Events{Data: DataFull},
		Admin:  Admin{Listen: defaultAdmin},
	}
}

func newAccount() Account {
	return Account{Name: defaultAccount, API: APIAuto, RequestsPerMinute: 180}
}
