// Package mesh tries the tailnet's policy on a tailnet: headscale as the control server, one tailscaled a
// machine, each in a network namespace, and tickhub's own processes on top. `npm run test:mesh` runs it
// (run.ts), builds the programs first and takes everything down afterwards.
package mesh

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

type mesh struct {
	dir string
	// Of the programs: headscale's file, the folder of tailscale and tailscaled, Node's file.
	headscale, tailscale, node string
	// The repository's root.
	repo    string
	network *network
	control *control
	// By the names that the policy's tests have for a source.
	bySource map[string]*node
	nodes    []*node
	others   []*process
}

const admin, visitor = "admin@example.com", "visitor@example.com"

var it *mesh

func TestMain(m *testing.M) {
	if description := os.Getenv(agentVariable); description != "" {
		agentMain(description)
		return
	}
	it = &mesh{
		headscale: os.Getenv("TICKHUB_MESH_HEADSCALE"),
		tailscale: os.Getenv("TICKHUB_MESH_TAILSCALE"),
		node:      os.Getenv("TICKHUB_MESH_NODE"),
		bySource:  map[string]*node{},
	}
	prefix := os.Getenv("TICKHUB_MESH_PREFIX")
	if prefix == "" || it.headscale == "" || it.tailscale == "" || it.node == "" {
		fmt.Fprintln(os.Stderr, "mesh: start it with npm run test:mesh")
		os.Exit(1)
	}
	begun := time.Now()
	err := it.build(prefix)
	code := 1
	if err == nil {
		fmt.Printf("mesh: %d machines joined in %.1f s\n", len(it.nodes), time.Since(begun).Seconds())
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, "mesh:", err)
	}
	it.tearDown()
	os.Exit(code)
}

// Makes the tailnet: a machine for each tag of production and staging, one of an admin, one of somebody
// else. No policy is set yet, which allows everything.
func (m *mesh) build(prefix string) (err error) {
	if m.repo, err = filepath.Abs("../.."); err != nil {
		return err
	}
	// A short path: the name of a socket has room for 107 letters.
	if m.dir, err = os.MkdirTemp("", prefix+"-"); err != nil {
		return err
	}
	if m.network, err = newNetwork(prefix); err != nil {
		return err
	}
	if m.control, err = startControl(m.network, m.headscale, m.dir); err != nil {
		return err
	}
	if err := m.describe(); err != nil {
		return err
	}
	return m.comeUp()
}

func (m *mesh) describe() error {
	policy, err := readPolicy(m.policyFile(policies[0]))
	if err != nil {
		return err
	}
	for tag := range policy.TagOwners {
		host := strings.TrimPrefix(tag, "tag:")
		n := &node{mesh: m, host: host, hostname: "tickhub-" + host, keyOf: []string{"--tags", tag}}
		// Collectors of the brokers live in containers.
		n.isUserspace = tag == "tag:edge-kis" || tag == "tag:edge-kiwoom"
		m.bySource[tag] = n
		m.nodes = append(m.nodes, n)
	}
	slices.SortFunc(m.nodes, func(a, b *node) int { return strings.Compare(a.host, b.host) })
	for source, email := range map[string]string{adminsGroup: admin, strangerHost: visitor} {
		id, err := m.control.addUser(email)
		if err != nil {
			return err
		}
		host := strings.Split(email, "@")[0]
		n := &node{mesh: m, host: host, hostname: host, keyOf: []string{"--user", fmt.Sprint(id)}}
		m.bySource[source] = n
		m.nodes = append(m.nodes, n)
	}
	return nil
}

func (m *mesh) comeUp() error {
	for _, n := range m.nodes {
		if err := m.network.attach(n.host); err != nil {
			return err
		}
	}
	errs := make([]error, len(m.nodes))
	places := make(chan struct{}, 4)
	var all sync.WaitGroup
	for i, n := range m.nodes {
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			if errs[i] = n.comeUp(); errs[i] == nil {
				n.agent, errs[i] = startAgent(m.network, m.dir, n.host, ports)
			}
		})
	}
	all.Wait()
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("%s: %w", m.nodes[i].host, err)
		}
	}
	return nil
}

func (m *mesh) tearDown() {
	for _, p := range m.others {
		p.kill()
	}
	for _, n := range m.nodes {
		if n.agent != nil {
			n.agent.kill()
		}
		if n.daemon != nil {
			n.daemon.kill()
		}
	}
	if m.control != nil && m.control.process != nil {
		m.control.process.kill()
	}
	if m.network != nil {
		m.network.remove()
	}
	if os.Getenv("TICKHUB_MESH_KEEP") == "" {
		_ = os.RemoveAll(m.dir)
	} else {
		fmt.Println("mesh: logs are in", m.dir)
	}
}

// --- The policy as it is committed ---

const (
	adminsGroup  = "group:tickhub-admins"
	strangerHost = "tickhub-stranger"
)

var policies = []string{"policy.local.json", "policy.cloud.json", "policy.cloud-micro.json"}

// Every port that the policy's tests name.
var ports = []string{"22", "5432", "8610", "8611", "8620", "8621", "8640"}

type policyFile struct {
	TagOwners map[string][]string `json:"tagOwners"`
	Tests     []struct {
		Src          string   `json:"src"`
		Accept, Deny []string `json:",omitempty"`
	} `json:"tests"`
}

func (m *mesh) policyFile(name string) string {
	return filepath.Join(m.repo, "infra", "tailnet", name)
}

func readPolicy(file string) (policyFile, error) {
	var policy policyFile
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &policy)
	}
	return policy, err
}
