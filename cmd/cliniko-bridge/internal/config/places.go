package config

// Places reads from the environment where things are, and needs no account: NATS_URL and DATA_DIR. It is for commands
// that listen to what another process publishes.
func Places(getenv func(string) string) (*Config, error) {
	r := &reader{getenv: getenv}
	c := defaults()
	c.DataDir = defaultDataDir
	r.variable("NATS_URL", "", set(r, &c.NATS.URL, parseNATSURL))
	r.variable("DATA_DIR", "", func(v value) { c.DataDir = v.text })
	if len(r.faults) > 0 {
		return nil, r.faults
	}
	return c, nil
}
