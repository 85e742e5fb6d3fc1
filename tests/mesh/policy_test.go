package mesh

// The committed policies in force, one after the other: judged by the control server, and tried.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// How long a refusal is waited for. A connection that is allowed takes milliseconds, which the run without
// a policy has to show for every pair within the same limit.
const patience = 1500 * time.Millisecond

// How long a policy may take to reach every machine.
const spread = 2 * time.Minute

// One assertion of the policy's tests, as something to be tried.
type pair struct {
	from, to *node
	port     string
	isOpen   bool
}

func (p pair) String() string {
	return fmt.Sprintf("%s -> %s:%s", p.from.host, p.to.host, p.port)
}

// Every pair of the policy's tests. A machine is not tried with itself: nothing of that leaves it.
func (m *mesh) pairs(policy policyFile) ([]pair, error) {
	var all []pair
	for _, test := range policy.Tests {
		from := m.bySource[test.Src]
		if from == nil {
			return nil, fmt.Errorf("no machine for %s", test.Src)
		}
		for isOpen, targets := range map[bool][]string{true: test.Accept, false: test.Deny} {
			for _, target := range targets {
				colon := strings.LastIndex(target, ":")
				to := m.bySource[target[:colon]]
				if to == nil {
					return nil, fmt.Errorf("no machine for %s", target)
				}
				if to != from {
					all = append(all, pair{from, to, target[colon+1:], isOpen})
				}
			}
		}
	}
	return all, nil
}

// Tries all pairs at once; gives those that went otherwise than they should.
func try(pairs []pair) (map[pair]string, error) {
	bySource := map[*node][]pair{}
	for _, p := range pairs {
		bySource[p.from] = append(bySource[p.from], p)
	}
	wrong := map[pair]string{}
	var failure error
	var mutex sync.Mutex
	var all sync.WaitGroup
	for from, mine := range bySource {
		all.Go(func() {
			probes := make([]probe, len(mine))
			for i, p := range mine {
				probes[i] = probe{Host: p.to.host, To: p.to.address + ":" + p.port, Limit: patience}
			}
			got, err := from.agent.do(order{Proxy: from.proxy(), Probes: probes})
			mutex.Lock()
			defer mutex.Unlock()
			if err != nil {
				failure = err
				return
			}
			for i, refusal := range got.Refusals {
				if p := mine[i]; (refusal == "") != p.isOpen {
					wrong[p] = refusal
				}
			}
		})
	}
	all.Wait()
	return wrong, failure
}

// Tries until every pair goes as it should, the wrong ones again and again while the policy spreads; then
// all of them once more.
func settle(t *testing.T, pairs []pair) {
	t.Helper()
	deadline := time.Now().Add(spread)
	for again := pairs; ; {
		wrong, err := try(again)
		if err != nil {
			t.Fatal(err)
		}
		if len(wrong) == 0 && len(again) == len(pairs) {
			return
		}
		if time.Now().After(deadline) {
			for p, refusal := range wrong {
				t.Errorf("%s: open should be %t, but: %s", p, p.isOpen, said(refusal))
			}
			return
		}
		again = again[:0:0]
		for p := range wrong {
			again = append(again, p)
		}
		if len(again) == 0 {
			again = pairs
		}
	}
}

// Waits until every machine knows those machines alone with which a grant joins it, in either direction:
// the map that says so brings its filter too. Nothing is sent meanwhile. tailscaled 1.98.8 can hang when a
// peer is taken from it while a packet of that peer is being refused; its watchdog kills it after 45 s.
func (m *mesh) awaitPeers(t *testing.T, pairs []pair) {
	t.Helper()
	wanted := map[*node]map[string]bool{}
	for _, p := range pairs {
		for _, ends := range [][2]*node{{p.from, p.to}, {p.to, p.from}} {
			if wanted[ends[0]] == nil {
				wanted[ends[0]] = map[string]bool{}
			}
			if p.isOpen {
				wanted[ends[0]][ends[1].address] = true
			}
		}
	}
	for n, peers := range wanted {
		err := eventually(spread, n.host+" knows its peers", func() error {
			status, err := n.status()
			if err != nil {
				return fmt.Errorf("%w\n%s", err, n.daemon.tail())
			}
			known := map[string]bool{}
			for _, peer := range status.Peer {
				for _, address := range peer.TailscaleIPs {
					known[address] = true
				}
			}
			if !maps.Equal(known, peers) {
				return fmt.Errorf("it knows %v, not %v", known, peers)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func said(refusal string) string {
	if refusal == "" {
		return "it is open"
	}
	return refusal
}

func count(pairs []pair) (open, shut int) {
	for _, p := range pairs {
		if p.isOpen {
			open++
		} else {
			shut++
		}
	}
	return open, shut
}

// Without it a refusal could mean that nobody listens, or that no path exists.
func TestWithoutAPolicyEveryPairConnects(t *testing.T) {
	policy, err := readPolicy(it.policyFile(policies[0]))
	if err != nil {
		t.Fatal(err)
	}
	pairs, err := it.pairs(policy)
	if err != nil {
		t.Fatal(err)
	}
	for i := range pairs {
		pairs[i].isOpen = true
	}
	settle(t, pairs)
	t.Logf("%d pairs connect", len(pairs))
}

func TestEachPairGoesAsThePolicySays(t *testing.T) {
	for _, name := range policies {
		t.Run(name, func(t *testing.T) {
			file := it.policyFile(name)
			// The server evaluates the file's tests against the machines that have joined.
			if err := it.control.setPolicy(file); err != nil {
				t.Fatal(err)
			}
			committed, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			inForce, err := it.control.cli("policy", "get")
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal([]byte(strings.TrimSuffix(inForce, "\n")), committed) {
				t.Fatal("what is in force is not the committed file, byte for byte")
			}
			policy, err := readPolicy(file)
			if err != nil {
				t.Fatal(err)
			}
			pairs, err := it.pairs(policy)
			if err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			it.awaitPeers(t, pairs)
			settle(t, pairs)
			open, shut := count(pairs)
			t.Logf("%d granted pairs connect, %d denied ones do not (%.1f s)", open, shut, time.Since(begun).Seconds())
		})
	}
}

// The tests travel with the policy, so that a server which knows better refuses it.
func TestTheServerRefusesAPolicyWhoseTestsFail(t *testing.T) {
	text, err := os.ReadFile(it.policyFile(policies[0]))
	if err != nil {
		t.Fatal(err)
	}
	var whole map[string]any
	for what, change := range map[string]func(){
		"tag:sentinel -> tag:hub:5432": func() {
			whole["grants"] = append(whole["grants"].([]any), map[string]any{
				"src": []string{"tag:sentinel"}, "dst": []string{"tag:hub"}, "ip": []string{"tcp:5432"},
			})
		},
		"tag:edge-kis -> tag:hub:8610": func() { whole["grants"] = whole["grants"].([]any)[1:] },
	} {
		if err := json.Unmarshal(text, &whole); err != nil {
			t.Fatal(err)
		}
		change()
		changed, err := json.Marshal(whole)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(it.dir, "changed.json")
		if err := os.WriteFile(file, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, command := range []string{"check", "set"} {
			_, err = it.control.cli("policy", command, "-f", file)
			if err == nil || !strings.Contains(unescaped(err), what) {
				t.Errorf("policy %s does not object to %s: %v", command, what, err)
			}
		}
	}
}

// The command line says its errors as JSON, in which `>` is escaped.
func unescaped(err error) string { return strings.ReplaceAll(err.Error(), `\u003e`, ">") }

func TestAKeyLetsOneMachineJoinOnce(t *testing.T) {
	second := &node{mesh: it, host: "second", hostname: "tickhub-second", keyOf: []string{"--tags", "tag:hub"}}
	if err := it.network.attach(second.host); err != nil {
		t.Fatal(err)
	}
	it.nodes = append(it.nodes, second)
	if err := second.comeUp(); err != nil {
		t.Fatal(err)
	}
	key, err := it.control.key(second.keyOf...)
	if err != nil {
		t.Fatal(err)
	}
	for _, isFirst := range []bool{true, false} {
		if err := second.forget(); err != nil {
			t.Fatal(err)
		}
		if err := it.control.deleteNode(second.hostname); err != nil && isFirst {
			t.Fatal(err)
		}
		if err := second.startDaemon(); err != nil {
			t.Fatal(err)
		}
		if err := eventually(20*time.Second, "tailscaled answers", func() error {
			_, err := os.Stat(second.socket())
			return err
		}); err != nil {
			t.Fatal(err)
		}
		_, err := second.tailscale(20*time.Second, "up", "--login-server="+controlURL, "--auth-key="+key,
			"--hostname="+second.hostname, "--accept-dns=false", "--netfilter-mode=off", "--timeout=10s")
		if (err == nil) != isFirst {
			t.Errorf("first use: %t, but: %v", isFirst, err)
		}
	}
	second.daemon.stop(10 * time.Second)
}
