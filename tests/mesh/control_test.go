package mesh

// The control server: headscale with a DERP relay and STUN of its own and nothing else, so that nothing
// asks for the internet. TLS is signed by an authority that lives for the test.

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	baseDomain = "mesh.test"
	controlURL = "https://" + bridgeAddress
)

type control struct {
	dir     string
	program string
	process *process
}

const configTemplate = `
server_url: %[1]s
listen_addr: 0.0.0.0:443
metrics_listen_addr: 127.0.0.1:9090
grpc_listen_addr: 127.0.0.1:50443
noise: { private_key_path: %[2]s/noise.key }
prefixes: { v4: 100.64.0.0/10, allocation: sequential }
derp:
  server:
    enabled: true
    region_id: 999
    region_code: mesh
    region_name: mesh
    verify_clients: true
    stun_listen_addr: 0.0.0.0:3478
    private_key_path: %[2]s/derp.key
    automatically_add_embedded_derp_region: true
    ipv4: %[3]s
  urls: []
  paths: []
  auto_update_enabled: false
disable_check_updates: true
node: { ephemeral: { inactivity_timeout: 30m } }
database: { type: sqlite, sqlite: { path: %[2]s/headscale.db, write_ahead_log: true } }
tls_cert_path: %[2]s/server.crt
tls_key_path: %[2]s/server.key
log: { level: info, format: text }
policy: { mode: database }
dns:
  magic_dns: true
  base_domain: %[4]s
  override_local_dns: false
  nameservers: { global: [], split: {} }
  search_domains: []
unix_socket: %[2]s/headscale.sock
unix_socket_permission: "0700"
logtail: { enabled: false }
`

func startControl(n *network, program, dir string) (*control, error) {
	c := &control{dir: filepath.Join(dir, "control"), program: program}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, err
	}
	if err := c.makeCertificates(); err != nil {
		return nil, err
	}
	config := fmt.Sprintf(configTemplate, controlURL, c.dir, bridgeAddress, baseDomain)
	if err := os.WriteFile(c.config(), []byte(config), 0o600); err != nil {
		return nil, err
	}
	p, err := start(dir, "headscale", n.command("core", c.program, "-c", c.config(), "serve"))
	if err != nil {
		return nil, err
	}
	c.process = p
	err = eventually(30*time.Second, "headscale answers", func() error {
		_, err := c.cli("users", "list")
		return err
	})
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, p.tail())
	}
	return c, err
}

func (c *control) config() string    { return filepath.Join(c.dir, "config.yaml") }
func (c *control) authority() string { return filepath.Join(c.dir, "ca.crt") }

// Runs the server's command line; it finds the server by a socket in the file system.
func (c *control) cli(args ...string) (string, error) {
	args = append([]string{"-c", c.config(), "-o", "json"}, args...)
	return output(exec.Command(c.program, args...))
}

// Makes a user, as a login does; gives its number.
func (c *control) addUser(email string) (uint64, error) {
	out, err := c.cli("users", "create", strings.Split(email, "@")[0], "--email", email)
	if err != nil {
		return 0, err
	}
	var user struct{ ID json.Number }
	if err := json.Unmarshal([]byte(out), &user); err != nil {
		return 0, fmt.Errorf("users create: %w: %s", err, out)
	}
	return strconv.ParseUint(user.ID.String(), 10, 64)
}

// A key for one machine, once: of a tag, or of a user.
func (c *control) key(args ...string) (string, error) {
	out, err := c.cli(append([]string{"preauthkeys", "create", "-e", "10m"}, args...)...)
	if err != nil {
		return "", err
	}
	var key struct{ Key string }
	if err := json.Unmarshal([]byte(out), &key); err != nil || key.Key == "" {
		return "", fmt.Errorf("preauthkeys create: %v: %s", err, out)
	}
	return key.Key, nil
}

type registered struct {
	ID        json.Number `json:"id"`
	GivenName string      `json:"given_name"`
	Addresses []string    `json:"ip_addresses"`
	Tags      []string    `json:"tags"`
}

func (c *control) nodes() ([]registered, error) {
	out, err := c.cli("nodes", "list")
	if err != nil {
		return nil, err
	}
	var nodes []registered
	return nodes, json.Unmarshal([]byte(out), &nodes)
}

// Removes a machine from the tailnet, as one does in the console.
func (c *control) deleteNode(name string) error {
	nodes, err := c.nodes()
	if err != nil {
		return err
	}
	for _, node := range nodes {
		if node.GivenName == name {
			_, err := c.cli("nodes", "delete", "--force", "-i", node.ID.String())
			return err
		}
	}
	return fmt.Errorf("no node %s", name)
}

// Puts a policy file into force; the server evaluates its tests first and refuses it when one fails.
func (c *control) setPolicy(file string) error {
	_, err := c.cli("policy", "set", "-f", file)
	return err
}

func (c *control) makeCertificates() error {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	authority := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "mesh authority"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	signed, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return err
	}
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: bridgeAddress},
		IPAddresses:  []net.IP{net.ParseIP(bridgeAddress)},
		NotBefore:    authority.NotBefore,
		NotAfter:     authority.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, server, authority, serverKey.Public(), authorityKey)
	if err != nil {
		return err
	}
	key, err := x509.MarshalECPrivateKey(serverKey)
	if err != nil {
		return err
	}
	for name, block := range map[string]*pem.Block{
		"ca.crt":     {Type: "CERTIFICATE", Bytes: signed},
		"server.crt": {Type: "CERTIFICATE", Bytes: certificate},
		"server.key": {Type: "EC PRIVATE KEY", Bytes: key},
	} {
		file := filepath.Join(c.dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}
