package config

// fromEnvironment reads the configuration of a single account from the environment: what is not in it has its
// default. Its variables are
//
//	CLINIKO_API_KEY      accounts[0].api_key      required
//	CLINIKO_USER_AGENT   accounts[0].user_agent   required
//	CLINIKO_BASE_URL     accounts[0].base_url
//	NATS_URL             nats.url
//	REDIS_URL            state.redis_url
//	FINGERPRINT_KEY      state.fingerprint_key    required with REDIS_URL
//	DATA_DIR             data_dir
//	ADMIN_LISTEN         admin.listen
//	ADMIN_TOKEN          admin.token
//
// A variable that is set and empty counts as not set. Faults come in this order.
func fromEnvironment(getenv func(string) string) (*Config, error) {
	r := &reader{getenv: getenv}
	c := defaults()
	c.DataDir = defaultDataDir
	a := newAccount()
	r.variable("CLINIKO_API_KEY", "the account's API key", set(r, &a.APIKey, parseAPIKey))
	r.variable("CLINIKO_USER_AGENT", "NAME (EMAIL), such as Northside Bridge (ops@northside.example)",
		set(r, &a.UserAgent, parseUserAgent))
	r.variable("CLINIKO_BASE_URL", "", set(r, &a.BaseURL, parseBaseURL))
	r.variable("NATS_URL", "", set(r, &c.NATS.URL, parseNATSURL))
	r.variable("REDIS_URL", "", set(r, &c.State.RedisURL, parseRedisURL))
	keyFor := ""
	if getenv("REDIS_URL") != "" {
		keyFor = "32 characters or more, the same for every bridge on this Redis: openssl rand -hex 32 makes one"
	}
	r.variable("FINGERPRINT_KEY", keyFor, set(r, &c.State.FingerprintKey, parseFingerprintKey))
	r.variable("DATA_DIR", "", func(v value) { c.DataDir = v.text })
	r.variable("ADMIN_LISTEN", "", set(r, &c.Admin.Listen, listen(defaultAdmin)))
	r.variable("ADMIN_TOKEN", "", set(r, &c.Admin.Token, parseToken))
	if fault := openToAll(c.Admin.Listen); fault != "" && getenv("ADMIN_TOKEN") == "" {
		r.fault(0, "ADMIN_LISTEN", fault)
	}
	if len(r.faults) > 0 {
		return nil, r.faults
	}
	if !c.NATS.URL.IsZero() {
		c.NATS.Listen = ""
	}
	c.Accounts = []Account{a}
	return c, nil
}

// variables are the names of what the machine can refuse.
var variables = map[string]string{"data_dir": "DATA_DIR", "admin.listen": "ADMIN_LISTEN"}

// variable reads one variable. required says what to set it to, and is "" if it may be missing.
func (r *reader) variable(name, required string, read func(value)) {
	text := r.getenv(name)
	switch {
	case text != "":
		read(value{text: text, path: name, hidden: true})
	case required != "":
		r.fault(0, name, "is not set; set it to "+required)
	}
}
