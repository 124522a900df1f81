package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// securedPlace is a Kafka, a Redis and a PostgreSQL that take nobody without a
// certificate, a user and a password, and let this user do what the README says
// that it needs. The bed itself looks at them through doors that are open.
type securedPlace struct {
	*realPlace
	t         *testing.T
	pg        *server.Postgres
	authority *server.Authority
	dir       string // servers/ has the certificates of the servers, node/ what the node reads
	redisTLS  int    // port
}

func newSecured(t *testing.T) *securedPlace {
	t.Helper()
	s := &securedPlace{t: t, dir: t.TempDir(), redisTLS: server.FreePorts(t, 1)[0]}
	s.renew()
	s.equip()
	theirs := func(name string) string { return filepath.Join(s.dir, "servers", name) }
	listener := func(word string) string { return "listener.name.client0." + word }
	servers := &servers{
		kafka: server.StartKafka(t, server.KafkaConfig{Clients: 1, Properties: map[string]string{
			"listener.security.protocol.map":                  "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,CLIENT0:SASL_SSL",
			"sasl.enabled.mechanisms":                         "SCRAM-SHA-512",
			"authorizer.class.name":                           "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
			"super.users":                                     "User:ANONYMOUS",
			listener("scram-sha-512.sasl.jaas.config"):        "org.apache.kafka.common.security.scram.ScramLoginModule required;",
			listener("ssl.keystore.type"):                     "PEM",
			listener("ssl.keystore.location"):                 theirs("own.pem"),
			listener("ssl.truststore.type"):                   "PEM",
			listener("ssl.truststore.location"):               theirs("ca.crt"),
			listener("ssl.client.auth"):                       "required",
			listener("ssl.endpoint.identification.algorithm"): "",
		}}),
		redis: server.StartRedis(t, server.RedisConfig{Args: []string{
			"--tls-port", strconv.Itoa(s.redisTLS), "--tls-cert-file", theirs("own.crt"), "--tls-key-file", theirs("own.key"),
			"--tls-ca-cert-file", theirs("ca.crt"), "--tls-auth-clients", "yes",
		}}),
	}
	s.realPlace = servers.place(2)
	s.pg = server.StartPostgres(t, server.PostgresConfig{})
	s.pg.Must("create role writer login; grant create on database kline to writer")
	s.pg.Admit("host all writer all reject")
	s.pg.Admit("hostssl all writer 127.0.0.1/32 scram-sha-256 clientcert=verify-ca")
	s.pg.Secure(filepath.Join(s.dir, "servers"))
	s.change("first-secret")
	s.tell("first-secret")
	s.permit()
	return s
}

// permit gives the user the rights on Kafka that the README lists.
func (s *securedPlace) permit() {
	s.t.Helper()
	user := "User:writer"
	rights := []*kadm.ACLBuilder{
		kadm.NewACLs().Allow(user).AllowHosts().Topics(s.prefix()).ResourcePatternType(kadm.ACLPatternPrefixed).
			Operations(kadm.OpRead, kadm.OpWrite, kadm.OpCreate, kadm.OpDescribeConfigs),
		kadm.NewACLs().Allow(user).AllowHosts().Groups(s.name).ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpRead),
		kadm.NewACLs().Allow(user).AllowHosts().TransactionalIDs(s.name + "-").ResourcePatternType(kadm.ACLPatternPrefixed).Operations(kadm.OpWrite),
	}
	client := s.admin()
	for _, r := range rights {
		made, err := client.CreateACLs(s.t.Context(), r)
		for _, one := range made {
			err = errors.Join(err, one.Err)
		}
		if err != nil {
			s.t.Fatalf("giving rights: %v", err)
		}
	}
}

// admin comes in by the door that is open.
func (s *securedPlace) admin() *kadm.Client {
	s.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Addrs()...))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(client.Close)
	return kadm.NewClient(client)
}

// renew gives the servers certificates of a new authority.
func (s *securedPlace) renew() {
	s.authority = server.NewAuthority(s.t)
	s.authority.Write(filepath.Join(s.dir, "servers"))
}

// equip gives the node a certificate of the authority of the moment.
func (s *securedPlace) equip() { s.authority.Write(filepath.Join(s.dir, "node")) }

// tell writes the password where the node reads it.
func (s *securedPlace) tell(password string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "password"), []byte(password+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// change sets the password on all servers.
func (s *securedPlace) change(password string) {
	s.t.Helper()
	all, err := s.admin().AlterUserSCRAMs(s.t.Context(), nil, []kadm.UpsertSCRAM{{User: "writer", Mechanism: kadm.ScramSha512, Iterations: 4096, Password: password}})
	if err == nil {
		err = all.Error()
	}
	if err != nil {
		s.t.Fatalf("setting the password of Kafka: %v", err)
	}
	s.redis.Must("ACL", "SETUSER", "writer", "on", "resetpass", ">"+password, "~*", "&*", "+@all")
	s.pg.Must("alter role writer password '" + password + "'")
}

func (s *securedPlace) tls() string {
	ours := func(name string) string { return filepath.Join(s.dir, "node", name) }
	return fmt.Sprintf("tls {\n\t\t\t\tca %s\n\t\t\t\tcert %s\n\t\t\t\tkey %s\n\t\t\t}", ours("ca.crt"), ours("own.crt"), ours("own.key"))
}

func (s *securedPlace) password() string { return "{file." + filepath.Join(s.dir, "password") + "}" }

func (s *securedPlace) source() string {
	return fmt.Sprintf("source kafka {\n\t\t\tbrokers %s\n\t\t\ttopics %s\n\t\t\toutput_prefix %s\n\t\t\tgroup %s\n\t\t\tsasl scram_sha_512 writer %s\n\t\t\t%s\n\t\t}",
		s.kafka.ClientAddr(0), s.topic("ticks"), s.prefix(), s.name, s.password(), s.tls())
}

func (s *securedPlace) store() string {
	return fmt.Sprintf("store redis {\n\t\t\taddress 127.0.0.1:%d\n\t\t\tkey_prefix %s\n\t\t\tusername writer\n\t\t\tpassword %s\n\t\t\t%s\n\t\t}", s.redisTLS, s.name, s.password(), s.tls())
}

func (s *securedPlace) history() string {
	return fmt.Sprintf("history postgres {\n\t\t\taddress %s\n\t\t\tdatabase kline\n\t\t\tusername writer\n\t\t\tpassword %s\n\t\t\t%s\n\t\t}", s.pg.Addr(), s.password(), s.tls())
}

// Kafka, Redis and PostgreSQL take no connection without TLS, the certificate of
// a client, a user and a password. While trades flow all of these are exchanged:
// first on the servers, which ends every connection, later where the node reads
// them. Nobody restarts or reloads it.
func TestServersAreSecuredAndEverySecretIsExchanged_B13(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	b := start(t, s, fmt.Sprintf("view_bars %d\n\t\t%s", redisBars, s.history()))
	lines := redisTrades(t, 30)
	b.pour(lines, 5, func(i int) {
		switch i {
		case 1:
			b.settle(time.Minute)
			b.stored(time.Minute)
			b.undegraded()
		case 2:
			s.renew()
			s.change("second-secret")
			s.kafka.Kill9(0)
			s.redis.Kill9()
			s.kafka.Restart(0)
			s.kafka.WaitReady()
			s.redis.Restart()
			s.change("second-secret") // a Redis that starts anew knows nobody
			s.pg.Secure(filepath.Join(s.dir, "servers"))
			s.pg.Must("select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'writer'")
			b.complains("source: ", "unknown authority")
			b.complains("store: ", "unknown authority")
		case 3:
			s.equip()
			b.complains("source: ", "the brokers refuse the user, the password or the mechanism (word sasl)")
		case 4:
			s.tell("second-secret")
		}
	})
	b.closing(lines)
	b.viewBecomes(time.Minute, s.name, redisBars, s.redis)
	inPostgres(t, s.pg, b.read())
	b.undegraded()
	if said, err := b.verify(); err != nil { // a client of its own, over the same doors
		t.Errorf("%v\n%s", err, said)
	}
	for _, secret := range []string{"first-secret", "second-secret"} {
		if strings.Contains(b.node.Logs().String(), secret) {
			t.Errorf("the log of the node holds the password %q", secret)
		}
	}
}

// complains waits until the status says about a part why it is away.
func (b *bed) complains(part, why string) {
	b.t.Helper()
	b.reports(time.Minute, part+why, func(s status) bool {
		return slices.ContainsFunc(s.Degraded, func(d string) bool { return strings.HasPrefix(d, part) && strings.Contains(d, why) })
	})
}
