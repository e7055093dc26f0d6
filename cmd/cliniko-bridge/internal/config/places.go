package config

// Places reads from the environment where things are, and needs no account: NATS_URL, DATA_DIR, ADMIN_LISTEN and
// ADMIN_TOKEN. It is for commands that speak with another process, or listen to what it publishes.
func Places(getenv func(string) string) (*Config, error) {
	r := &reader{getenv: getenv}
	c := defaults()
	c.DataDir = defaultDataDir
	r.variable("NATS_URL", "", set(r, &c.NATS.URL, parseNATSURL))
	r.variable("DATA_DIR", "", func(v value) { c.DataDir = v.text })
	r.variable("ADMIN_LISTEN", "", set(r, &c.Admin.Listen, listen(defaultAdmin)))
	r.variable("ADMIN_TOKEN", "", set(r, &c.Admin.Token, parseToken))
	if len(r.faults) > 0 {
		return nil, r.faults
	}
	return c, nil
}
