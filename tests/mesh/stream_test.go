package mesh

// Ticks over the mesh, by tickhub's own processes: a simulated broker and a collector in a container's
// namespace, whose only way out is tailscaled's SOCKS5 proxy; a hub with its database on a machine that
// loses its disk and comes back with another address.

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	streamPolicy = "policy.cloud.json"
	edgeToken    = "mesh-edge-token-of-kis"
	hubPort      = "8610"
	refusedByTag = `"code":"EDGE_IDENTITY"`
	// Two cores, on which other suites may run.
	startLimit = 3 * time.Minute
)

// One run of tickhub over the mesh.
type stream struct {
	t         *testing.T
	hub, edge *node
	stateDir  string
	sim       map[string]any
	hubApp    *announcer
	edgeApp   *announcer
	edgeURL   string
}

type rows struct{ Trades, Books, Statuses, Quarantined int }

func (r rows) stored() int { return r.Trades + r.Books + r.Statuses }

func TestTicksFindAHubThatComesBackWithAnotherAddress(t *testing.T) {
	s := &stream{t: t, hub: it.bySource["tag:hub"], edge: it.bySource["tag:edge-kis"]}
	s.usePolicy()
	s.must(s.hub.agent.do(order{Close: []string{hubPort}}))
	// The server's user reads it; the run's own folder is root's alone.
	s.stateDir = filepath.Join(it.dir, "hub-state")
	s.sim = s.start("sim", s.edge, "sim_listening", nil, "app/sim/main.ts",
		"--rate", "100", "--symbols", "5", "--expect", "kis")
	s.startHub("tag:edge-news")
	s.startEdge()
	s.awaitRefusal()
	s.hubApp.stop(30 * time.Second)
	s.startHub("tag:edge-kis")

	first := s.awaitRows(300)
	before := s.hub.address
	s.loseHub()
	s.hubComesBack()
	if s.hub.address == before {
		t.Fatalf("the hub has the address it had, %s", before)
	}
	s.awaitRows(first.stored() + 300)

	sent := s.closeMarket()
	s.awaitEmptyOutbox()
	stored := s.count()
	if stored.stored() != sent || stored.Quarantined != 0 {
		t.Errorf("the broker sent %d records, the database holds %+v", sent, stored)
	}
	t.Logf("hub at %s, then at %s; %d records sent, %d rows stored", before, s.hub.address, sent, stored.stored())
	for _, p := range []*announcer{s.edgeApp, s.hubApp} {
		p.stop(30 * time.Second)
	}
}

func (s *stream) usePolicy() {
	s.t.Helper()
	if err := it.control.setPolicy(it.policyFile(streamPolicy)); err != nil {
		s.t.Fatal(err)
	}
	policy, err := readPolicy(it.policyFile(streamPolicy))
	if err != nil {
		s.t.Fatal(err)
	}
	pairs, err := it.pairs(policy)
	if err != nil {
		s.t.Fatal(err)
	}
	it.awaitPeers(s.t, pairs)
}

func (s *stream) must(got answer, err error) answer {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	return got
}

// Starts a program of tickhub on a machine, and waits for what it announces.
func (s *stream) start(name string, on *node, event string, env []string, args ...string) map[string]any {
	s.t.Helper()
	app, line := s.launch(name, on, event, env, args...)
	it.others = append(it.others, app.process)
	return line
}

func (s *stream) launch(name string, on *node, event string, env []string, args ...string) (*announcer, map[string]any) {
	s.t.Helper()
	// The hub asks the machine's tailscaled who calls; here each machine has one of its own, so this process
	// gets its own view of /run, which `ip netns exec` has cut off from the host's.
	view := `mount -t tmpfs tmpfs /run && mkdir /run/tailscale &&
		ln -s "$0" /run/tailscale/tailscaled.sock && exec "$@"`
	cmd := it.network.command(on.host, "sh", append([]string{"-c", view, on.socket(), it.node}, args...)...)
	cmd.Dir = appRoot()
	cmd.Env = append(append(os.Environ(), "TICKHUB_LOG_LEVEL=info"), env...)
	// tickhub refuses settings that it does not know, and these are the test's.
	cmd.Env = without(cmd.Env, "TICKHUB_MESH_", "TICKHUB_CI")
	app, err := startAnnouncer(it.dir, name, cmd)
	if err != nil {
		s.t.Fatal(err)
	}
	line, err := app.await(event, startLimit)
	if err != nil {
		app.kill()
		s.t.Fatal(err)
	}
	return app, line
}

// Where app/ is: this repository, or another checkout of it.
func appRoot() string {
	if root := os.Getenv("TICKHUB_MESH_APP"); root != "" {
		return root
	}
	return it.repo
}

func without(env []string, prefixes ...string) []string {
	kept := env[:0:0]
next:
	for _, entry := range env {
		for _, prefix := range prefixes {
			if strings.HasPrefix(entry, prefix) {
				continue next
			}
		}
		kept = append(kept, entry)
	}
	return kept
}

// The hub listens on its address in the tailnet and nowhere else.
//
// It takes the collector's word for nothing: the machine that calls has to carry the tag.
func (s *stream) startHub(tag string) {
	s.t.Helper()
	symbols := make([]string, 0)
	for _, symbol := range s.sim["symbols"].([]any) {
		symbols = append(symbols, symbol.(string))
	}
	s.hubApp, _ = s.launch("hub", s.hub, "hub_listening", []string{
		"TICKHUB_STATE_DIR=" + s.stateDir,
		"TICKHUB_BIND=" + s.hub.address,
		"TICKHUB_PORT=" + hubPort,
		"TICKHUB_EDGE_TOKENS=kis=" + edgeToken,
		"TICKHUB_EDGE_TAGS=kis=" + tag,
		"TICKHUB_SYMBOLS=" + strings.Join(symbols, ","),
		"TICKHUB_ACCOUNTS=kis:1",
		"TICKHUB_MARKET_CLOCK=" + s.sim["marketClock"].(string),
		"TICKHUB_QUIET_MS=500",
		"TICKHUB_KILL_GRACE_MS=5000",
	}, "app/cli/main.ts", "hub", "--json")
	it.others = append(it.others, s.hubApp.process)
}

// The collector knows the hub by its name alone, which only the proxy can resolve.
func (s *stream) startEdge() {
	s.t.Helper()
	var line map[string]any
	s.edgeApp, line = s.launch("edge", s.edge, "edge_listening", []string{
		"TICKHUB_EDGE_ID=kis",
		"TICKHUB_EDGE_TOKEN=" + edgeToken,
		"TICKHUB_HUB_URL=ws://" + s.hub.fqdn() + ":" + hubPort + "/edge",
		"TICKHUB_UPLINK_PROXY=socks5://" + socksAddress,
		"TICKHUB_MARKET_CLOCK=" + s.sim["marketClock"].(string),
		"KIS_APP_KEY=" + strings.Repeat("k", 36),
		"KIS_APP_SECRET=" + strings.Repeat("s", 180),
		"KIS_REST_URL=" + s.sim["kisRest"].(string),
		"KIS_WS_URL=" + s.sim["kisWs"].(string),
	}, "app/cli/main.ts", "edge", "--feed", "kis", "--json")
	it.others = append(it.others, s.edgeApp.process)
	s.edgeURL = line["url"].(string)
}

// The collector's machine carries its own tag, not the one that this hub wants.
func (s *stream) awaitRefusal() {
	s.t.Helper()
	err := eventually(startLimit, "a refusal by tag", func() error {
		log, err := os.ReadFile(s.hubApp.log)
		if err == nil && !strings.Contains(string(log), refusedByTag) {
			err = fmt.Errorf("no %s", refusedByTag)
		}
		return err
	})
	if err != nil {
		s.t.Fatalf("%v\nhub: %s\nedge: %s", err, s.hubApp.tail(), s.edgeApp.tail())
	}
	if got := s.count(); got.stored() != 0 {
		s.t.Fatalf("refused, but %+v are stored", got)
	}
}

func (s *stream) awaitRows(least int) rows {
	s.t.Helper()
	var got rows
	err := eventually(startLimit, fmt.Sprintf("%d rows", least), func() error {
		if got = s.count(); got.stored() < least {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	if err != nil {
		s.t.Fatalf("%v\nhub: %s\nedge: %s", err, s.hubApp.tail(), s.edgeApp.tail())
	}
	return got
}

// Machine, hub and name at once: no farewell to anybody. The database's disk is another one, and stays.
func (s *stream) loseHub() {
	s.t.Helper()
	s.hub.daemon.kill()
	s.hubApp.kill()
	if err := s.hub.forget(); err != nil {
		s.t.Fatal(err)
	}
	// As in the console; else the new machine would be tickhub-hub-1.
	if err := it.control.deleteNode(s.hub.hostname); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stream) hubComesBack() {
	s.t.Helper()
	if err := s.hub.comeUp(); err != nil {
		s.t.Fatal(err)
	}
	s.startHub("tag:edge-kis")
}

// Ends the broker's market; gives how many records it has handed to the collector's socket.
func (s *stream) closeMarket() int {
	s.t.Helper()
	got := s.must(s.edge.agent.do(order{URL: s.sim["control"].(string) + "/stop", Body: `{"close":true}`}))
	var counts struct{ Records int }
	if err := json.Unmarshal([]byte(got.Text), &counts); err != nil {
		s.t.Fatal(err)
	}
	return counts.Records
}

func (s *stream) awaitEmptyOutbox() {
	s.t.Helper()
	err := eventually(startLimit, "an empty outbox", func() error {
		got, err := s.edge.agent.do(order{URL: s.edgeURL + "/status"})
		if err != nil {
			return err
		}
		var status struct {
			Ledger struct{ Held, Lost, Quarantined int }
		}
		if err := json.Unmarshal([]byte(got.Text), &status); err != nil {
			return err
		}
		if status.Ledger.Held != 0 {
			return fmt.Errorf("%d are held", status.Ledger.Held)
		}
		if status.Ledger.Lost != 0 || status.Ledger.Quarantined != 0 {
			s.t.Errorf("the collector's books: %+v", status.Ledger)
		}
		return nil
	})
	if err != nil {
		s.t.Fatalf("%v\nedge: %s", err, s.edgeApp.tail())
	}
}

func (s *stream) count() rows {
	s.t.Helper()
	cmd := it.network.command(s.hub.host, it.node, filepath.Join(it.repo, "tests/mesh/count.ts"), s.stateDir)
	cmd.Dir = it.repo
	cmd.Env = without(os.Environ(), "TICKHUB_")
	out, err := output(cmd)
	if err != nil {
		s.t.Fatal(err)
	}
	var got rows
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	return got
}
