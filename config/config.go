// Package config reads tandem.toml: what may stand in it, what holds when it is
// left out, and where in the file a mistake is.
package config

import (
	"path/filepath"
	"time"
)

// Config is a whole configuration: the file's values over the defaults. A zero
// Config is not usable; start from Default or Load.
//
// A field tagged reload:"live" takes effect on a reload; any other needs a restart.
type Config struct {
	Server  Server        `toml:"server"`
	SIP     SIP           `toml:"sip"`
	Media   Media         `toml:"media"`
	Store   Store         `toml:"store"`
	HTTP    HTTP          `toml:"http"`
	Scripts Scripts       `toml:"scripts"`
	DB      map[string]DB `toml:"db" reload:"live"`
	Say     Say           `toml:"say"`
	Mail    Mail          `toml:"mail"`
	Limits  Limits        `toml:"limits"`
	ACL     []ACL         `toml:"acl" reload:"live"`
	Users   []User        `toml:"user" reload:"live"`
	Trunks  []Trunk       `toml:"trunk" reload:"live"`

	file  string
	lines map[string]int // of each key that the file sets, by its path
}

// Server is the process: where its data lies and how it ends.
type Server struct {
	Data  Path     `toml:"data"`
	Node  string   `toml:"node"`                // of the records; "" is the host's name
	Drain Duration `toml:"drain" reload:"live"` // how long calls in progress may take to finish after SIGTERM
}

// SIP is the signalling side.
type SIP struct {
	Listen         []Endpoint `toml:"listen"`
	Domain         string     `toml:"domain"`    // digest realm and host of our addresses; "" see Realm
	Advertise      []Addr     `toml:"advertise"` // at most one an address family
	Local          []Prefix   `toml:"local"`     // peers in these see the address of the route to them
	TLSCert        Path       `toml:"tls_cert" reload:"live"`
	TLSKey         Path       `toml:"tls_key" reload:"live"`
	TLSCA          Path       `toml:"tls_ca" reload:"live"`       // authorities believed about hosts, beside the system's, and about clients, which are then asked for a certificate
	WSOrigins      []string   `toml:"ws_origins" reload:"live"`   // of pages that may open a WebSocket; "*" is all
	DNS            []Server53 `toml:"dns"`                        // name servers; none: the system's
	Digest         []string   `toml:"digest"`                     // "sha-256", "md5", in the order they are offered
	AuthInCall     []string   `toml:"auth_in_call" reload:"live"` // methods that need credentials within a user's call, too
	ServiceRoute   []string   `toml:"service_route"`              // URIs of proxies that registered phones are to send requests by
	SessionExpires Duration   `toml:"session_expires"`
}

// Realm is the digest realm.
func (s SIP) Realm() string {
	if s.Domain == "" {
		return "tandem"
	}
	return s.Domain
}

// Media is the audio side.
type Media struct {
	Ports   PortRange `toml:"ports"`
	Codecs  []string  `toml:"codecs"`
	Prefer  string    `toml:"prefer"`  // whose order of codecs decides: theirs, ours
	Timeout Duration  `toml:"timeout"` // 0 = off
}

// Store is where call records and users are kept.
type Store struct {
	URL       StoreURL `toml:"url"`
	Events    bool     `toml:"events"`
	Trace     bool     `toml:"trace"`                   // whole messages in the timelines
	Retention Duration `toml:"retention" reload:"live"` // 0 keeps records for ever
	Spool     Size     `toml:"spool"`                   // bound of the files for records that the store does not take in time; 0: none
}

// HTTP is the API's listener.
type HTTP struct {
	Listen HostPort `toml:"listen"`
	Token  Secret   `toml:"token" reload:"live"`
	// ReadToken lets its bearer look at everything and change nothing.
	ReadToken Secret   `toml:"read_token" reload:"live"`
	Hosts     []string `toml:"hosts" reload:"live"` // names a Host header may carry besides addresses and localhost
}

// Scripts is the Lua side.
type Scripts struct {
	Dir      Path           `toml:"dir"`
	Watch    bool           `toml:"watch"`
	CallCPU  Duration       `toml:"call_cpu"`
	Memory   Size           `toml:"memory"`
	Settings map[string]any `toml:"settings" reload:"live"` // for config.get
	HTTP     ScriptsHTTP    `toml:"http"`
}

// ScriptsHTTP bounds what Lua's http module may reach.
type ScriptsHTTP struct {
	Allow []Prefix `toml:"allow" reload:"live"`
}

// DB is a database that scripts reach as db.named(name).
type DB struct {
	URL         Secret   `toml:"url" reload:"live"`         // "sqlite:PATH" or "postgres://user:password@host/name"
	Timeout     Duration `toml:"timeout" reload:"live"`     // of one statement; 0: 5 s
	Connections int      `toml:"connections" reload:"live"` // at once; 0: 8
}

// Say is who reads text aloud: a web service, a program, or the program when the service fails.
type Say struct {
	// Command is a program and its arguments, in which {voice}, {file} and {text} stand for
	// themselves. Without {text} the text comes by standard input; without {file} the sound
	// is taken from standard output.
	Command  []string `toml:"command" reload:"live"`
	URL      Secret   `toml:"url" reload:"live"` // asked by GET, with {voice} and {text}; it may hold a key
	Voice    string   `toml:"voice" reload:"live"`
	Language string   `toml:"language" reload:"live"` // of recorded words
	Timeout  Duration `toml:"timeout" reload:"live"`
	Cache    Size     `toml:"cache" reload:"live"` // of what was spoken, below the data folder
}

// Mail is the server that takes what scripts send with mail.send.
type Mail struct {
	Host     string   `toml:"host" reload:"live"` // "": none
	Port     int      `toml:"port" reload:"live"` // 0: 587, 465 with tls "on", 25 with "off"
	Username string   `toml:"username" reload:"live"`
	Password Secret   `toml:"password" reload:"live"`
	From     string   `toml:"from" reload:"live"`
	TLS      string   `toml:"tls" reload:"live"`    // starttls, on, off
	TLSCA    Path     `toml:"tls_ca" reload:"live"` // authorities to believe instead of the system's
	Timeout  Duration `toml:"timeout" reload:"live"`
}

// Limits bounds what is taken on; 0 is no limit.
type Limits struct {
	Calls          int       `toml:"calls" reload:"live"`
	CallsPerSecond int       `toml:"calls_per_second" reload:"live"`
	Emergency      []string  `toml:"emergency" reload:"live"` // numbers that pass every limit and rule
	PerSource      PerSource `toml:"per_source" reload:"live"`
	Scanners       []string  `toml:"scanners" reload:"live"` // User-Agents that get no answer; * and ? stand for anything
}

// PerSource bounds one source that is neither trusted nor a trunk.
type PerSource struct {
	CallsPerSecond     int      `toml:"calls_per_second"`
	RegistersPerMinute int      `toml:"registers_per_minute"`
	AuthFailures       int      `toml:"auth_failures"`
	Ban                Duration `toml:"ban"`
}

// ACL is one entry of the access list: deny is looked at before allow.
type ACL struct {
	Allow []Prefix `toml:"allow"`
	Deny  []Prefix `toml:"deny"`
}

// User is one who registers and calls with a password.
type User struct {
	Name     string   `toml:"name"`
	Password Secret   `toml:"password"`
	Display  string   `toml:"display"`
	Digest   []string `toml:"digest"` // the algorithms the user may answer with; none: those of [sip]
	SRTP     string   `toml:"srtp"`
	DTMF     string   `toml:"dtmf"`
	Codecs   []string `toml:"codecs"`
}

// Default is what holds without a file.
func Default() *Config {
	return &Config{
		Server: Server{Data: "data", Drain: Duration(time.Minute)},
		SIP: SIP{
			Listen: mustAll[Endpoint]("udp://0.0.0.0:5060", "tcp://0.0.0.0:5060"),
			Local: mustAll[Prefix]("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
				"127.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128"),
			Digest:         []string{"sha-256", "md5"},
			SessionExpires: Duration(30 * time.Minute),
		},
		Media: Media{
			Ports:   PortRange{Min: 10000, Max: 32767},
			Codecs:  []string{"opus", "g722", "pcmu", "pcma"},
			Prefer:  "theirs",
			Timeout: Duration(time.Minute),
		},
		Store: Store{URL: "sqlite:data/tandem.db", Events: true, Retention: Duration(90 * day), Spool: 256 << 20},
		HTTP:  HTTP{Listen: HostPort{Host: "127.0.0.1", Port: 8080}},
		Scripts: Scripts{
			Dir: "scripts", Watch: true,
			CallCPU: Duration(2 * time.Second), Memory: 64 << 20,
		},
		Say:  Say{Language: "en", Timeout: Duration(10 * time.Second), Cache: 256 << 20},
		Mail: Mail{TLS: "starttls", Timeout: Duration(30 * time.Second)},
		Limits: Limits{
			Calls: 5000, CallsPerSecond: 500,
			Emergency: []string{"112", "911", "999"},
			PerSource: PerSource{CallsPerSecond: 20, RegistersPerMinute: 60, AuthFailures: 5, Ban: Duration(10 * time.Minute)},
		},
	}
}

// File is the path the configuration was read from; "" for the built-in one.
func (c *Config) File() string { return c.file }

// Set tells whether the file names the key, such as "store.url".
func (c *Config) Set(key string) bool { return c.lines[key] > 0 }

// SetData moves the data folder, and with it the store unless the file names one.
func (c *Config) SetData(dir string) {
	c.Server.Data = Path(dir)
	if !c.Set("store.url") {
		c.Store.URL = StoreURL("sqlite:" + filepath.Join(dir, "tandem.db"))
	}
}
