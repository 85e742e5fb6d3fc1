package mesh

// Network namespaces on a bridge that is in a namespace of its own: the host's interfaces, routes and
// firewall are not touched, and several runs beside each other do not see one another.

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
)

const (
	bridgeAddress = "10.213.0.1"
	bridgeName    = "br0"
)

// A network of namespaces whose names begin with prefix.
type network struct {
	prefix string
	made   []string
}

// Makes the namespace that holds the bridge; the control server lives there.
func newNetwork(prefix string) (*network, error) {
	n := &network{prefix: prefix}
	core, err := n.add("core")
	if err != nil {
		return n, err
	}
	return n, ip(core, [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", bridgeName, "type", "bridge"},
		{"addr", "add", bridgeAddress + "/16", "dev", bridgeName},
		{"link", "set", bridgeName, "up"},
	})
}

func (n *network) name(host string) string { return n.prefix + "-" + host }

func (n *network) add(host string) (string, error) {
	name := n.name(host)
	if err := run("ip", "netns", "add", name); err != nil {
		return name, err
	}
	n.made = append(n.made, name)
	return name, nil
}

// Makes a namespace with one interface on the bridge.
func (n *network) attach(host string) error {
	number := len(n.made)
	name, err := n.add(host)
	if err != nil {
		return err
	}
	port := fmt.Sprintf("v%d", number)
	address := fmt.Sprintf("10.213.%d.%d/16", number/250, number%250+2)
	if err := ip(name, [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", n.name("core")},
		{"addr", "add", address, "dev", "eth0"},
		{"link", "set", "eth0", "up"},
		{"route", "add", "default", "via", bridgeAddress},
	}); err != nil {
		return err
	}
	return ip(n.name("core"), [][]string{{"link", "set", port, "master", bridgeName, "up"}})
}

// A command that runs inside the namespace of a host.
func (n *network) command(host, program string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", n.name(host), program}, args...)...)
}

func (n *network) remove() {
	for _, name := range n.made {
		_ = run("ip", "netns", "delete", name)
	}
}

func ip(namespace string, commands [][]string) error {
	for _, args := range commands {
		if err := run("ip", append([]string{"-n", namespace}, args...)...); err != nil {
			return err
		}
	}
	return nil
}

func run(program string, args ...string) error {
	_, err := output(exec.Command(program, args...))
	return err
}

// Runs a command to its end; what it wrote to stderr is in the error.
func output(cmd *exec.Cmd) (string, error) {
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		said := strings.TrimSpace(complaint.String() + out.String())
		return "", fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, said)
	}
	return out.String(), nil
}
