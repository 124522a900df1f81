package kafka

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A password is asked for at each new connection. One that the brokers refuse is
// told by the word that holds it, never quoted, and tried again.
func TestAPasswordIsExchangedUnderWay_B13(t *testing.T) {
	t.Parallel()
	for word, method := range map[string]string{"plain": "PLAIN", "scram_sha_256": "SCRAM-SHA-256", "scram_sha_512": "SCRAM-SHA-512"} {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser(method, "ann", "the-right-one"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(fake.Close)
			// A real broker answers a wrong password; this one hangs up.
			refusal := fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.SASLAuthenticate}, Err: kerr.SaslAuthenticationFailed, Count: -1})
			var password atomic.Value
			password.Store("the-wrong-one")
			at := Cluster{Brokers: fake.ListenAddrs(), Mechanism: word, Credentials: func() (string, string) { return "ann", password.Load().(string) }}
			ensure := func() error {
				_, err := Ensure(t.Context(), at, Topics{Input: "ticks"}, EnsureOptions{Create: true, Partitions: 1})
				return err
			}
			err = ensure()
			if !errors.Is(err, ErrAccess) || !IsTransient(err) {
				t.Errorf("with the wrong password: %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "the-wrong-one") {
				t.Errorf("the error quotes the password: %v", err)
			}
			refusal.Remove()
			password.Store("the-right-one")
			if err := ensure(); err != nil {
				t.Errorf("with the right password: %v", err)
			}
		})
	}
}

func TestAMechanismThatIsUnknownNamesThoseThatAreNot(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{"gssapi": "allowed: plain, scram_sha_256, scram_sha_512", "plain": "no user and password"} {
		c := Cluster{Brokers: []string{"127.0.0.1:1"}, Mechanism: word}
		if word == "gssapi" {
			c.Credentials = func() (string, string) { return "", "" }
		}
		if _, err := c.withDefaults().dialClient(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", word, err, want)
		}
	}
}
