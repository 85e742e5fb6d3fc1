package mesh

// A machine of the tailnet: a namespace with a real tailscaled, as production starts it, and an agent.

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Where a container's tailscaled offers its SOCKS5 proxy.
const socksAddress = "127.0.0.1:1055"

type node struct {
	host     string
	hostname string
	// Arguments of the control server's `preauthkeys create`.
	keyOf []string
	// Without a network device, as in a container: out through SOCKS5, in through loopback.
	isUserspace bool

	mesh    *mesh
	daemon  *process
	agent   *agent
	address string
}

func (n *node) dir() string    { return filepath.Join(n.mesh.dir, "node-"+n.host) }
func (n *node) socket() string { return filepath.Join(n.dir(), "tailscaled.sock") }

func (n *node) proxy() string {
	if n.isUserspace {
		return socksAddress
	}
	return ""
}

// Starts tailscaled; it keeps what it is in its folder, or in memory where there is no device.
func (n *node) startDaemon() error {
	if err := os.MkdirAll(n.dir(), 0o700); err != nil {
		return err
	}
	args := []string{
		"--socket=" + n.socket(), "--statedir=" + n.dir(), "--port=41641", "--no-logs-no-support",
	}
	if n.isUserspace {
		args = append(args, "--state=mem:", "--tun=userspace-networking", "--socks5-server="+socksAddress)
	} else {
		args = append(args, "--state="+filepath.Join(n.dir(), "tailscaled.state"))
	}
	cmd := n.mesh.network.command(n.host, filepath.Join(n.mesh.tailscale, "tailscaled"), args...)
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+n.mesh.control.authority())
	daemon, err := start(n.mesh.dir, "tailscaled-"+n.host, cmd)
	n.daemon = daemon
	return err
}

func (n *node) tailscale(limit time.Duration, args ...string) (string, error) {
	args = append([]string{"--socket=" + n.socket()}, args...)
	cmd := exec.Command(filepath.Join(n.mesh.tailscale, "tailscale"), args...)
	timer := time.AfterFunc(limit, func() {
		if cmd.Process != nil {
			_ = cmd.Process.Kill()
		}
	})
	defer timer.Stop()
	return output(cmd)
}

// Joins the tailnet with a key, and learns its address.
func (n *node) join(key string) error {
	if _, err := n.tailscale(60*time.Second, "up", "--login-server="+controlURL, "--auth-key="+key,
		"--hostname="+n.hostname, "--accept-dns=false", "--netfilter-mode=off", "--timeout=50s"); err != nil {
		return fmt.Errorf("%w\n%s", err, n.daemon.tail())
	}
	status, err := n.status()
	if err != nil {
		return err
	}
	if len(status.Self.TailscaleIPs) == 0 {
		return errors.New(n.host + " has no address")
	}
	n.address = status.Self.TailscaleIPs[0]
	return nil
}

type status struct {
	BackendState string
	Self         struct {
		TailscaleIPs []string
		DNSName      string
		Tags         []string
	}
	Peer map[string]struct{ TailscaleIPs []string }
}

func (n *node) status() (status, error) {
	var s status
	out, err := n.tailscale(10*time.Second, "status", "--json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &s)
	}
	return s, err
}

// Daemon, key, join.
func (n *node) comeUp() error {
	if err := n.startDaemon(); err != nil {
		return err
	}
	if err := eventually(20*time.Second, n.host+": tailscaled answers", func() error {
		_, err := os.Stat(n.socket())
		return err
	}); err != nil {
		return err
	}
	key, err := n.mesh.control.key(n.keyOf...)
	if err != nil {
		return err
	}
	return n.join(key)
}

// The machine as it is after its disk is lost: another one of the same name.
func (n *node) forget() error {
	n.daemon.stop(10 * time.Second)
	return os.RemoveAll(n.dir())
}

func (n *node) fqdn() string { return n.hostname + "." + baseDomain }
