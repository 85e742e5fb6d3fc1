package mesh

// What runs inside a namespace: this test program again, as a process that listens on every port of
// interest, says its name to whoever connects, and connects to others when it is told to. Orders come on
// stdin and answers go to stdout, a JSON object a line.

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Names the agent's host and its ports: `hub 22,5432`.
const agentVariable = "TICKHUB_MESH_AGENT"

type probe struct {
	// Who is to answer, and where.
	Host string
	To   string
	// In which time.
	Limit time.Duration
}

type order struct {
	// Through a SOCKS5 proxy here, or directly when empty.
	Proxy  string
	Probes []probe `json:",omitempty"`
	// A page to fetch from loopback, with a body to post.
	URL, Body string `json:",omitempty"`
	// Ports to stop listening on, for the program that will.
	Close []string `json:",omitempty"`
}

type answer struct {
	// For each probe: empty when the right host answered.
	Refusals []string `json:",omitempty"`
	Text     string   `json:",omitempty"`
	Error    string   `json:",omitempty"`
}

func agentMain(description string) {
	host, ports, _ := strings.Cut(description, " ")
	listeners := map[string]net.Listener{}
	for port := range strings.SplitSeq(ports, ",") {
		listener, err := net.Listen("tcp", "0.0.0.0:"+port)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		listeners[port] = listener
		go greet(listener, host)
	}
	fmt.Println(`{}`)
	in := json.NewDecoder(bufio.NewReader(os.Stdin))
	out := json.NewEncoder(os.Stdout)
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			return
		}
		_ = out.Encode(obey(o, listeners))
	}
}

func greet(listener net.Listener, host string) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			_, _ = fmt.Fprintln(conn, host)
		}()
	}
}

func obey(o order, listeners map[string]net.Listener) answer {
	switch {
	case o.URL != "":
		return fetch(o.URL, o.Body)
	case o.Close != nil:
		for _, port := range o.Close {
			_ = listeners[port].Close()
		}
		return answer{}
	}
	refusals := make([]string, len(o.Probes))
	var all sync.WaitGroup
	for i, p := range o.Probes {
		all.Go(func() {
			if err := knock(p, o.Proxy); err != nil {
				refusals[i] = err.Error()
			}
		})
	}
	all.Wait()
	return answer{Refusals: refusals}
}

// Connects, and hears who answers.
func knock(p probe, proxy string) error {
	deadline := time.Now().Add(p.Limit)
	first := p.To
	if proxy != "" {
		first = proxy
	}
	conn, err := net.DialTimeout("tcp", first, p.Limit)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if proxy != "" {
		if err := socks5(conn, p.To); err != nil {
			return err
		}
	}
	name, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if name = strings.TrimSpace(name); name != p.Host {
		return fmt.Errorf("%s answers for %s", name, p.Host)
	}
	return nil
}

// Asks a SOCKS5 proxy (RFC 1928, no authentication) for a connection to a name or an address.
func socks5(conn net.Conn, to string) error {
	host, portText, err := net.SplitHostPort(to)
	if err != nil {
		return err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return err
	}
	request := append([]byte{5, 1, 0, 5, 1, 0, 3, byte(len(host))}, host...)
	request = binary.BigEndian.AppendUint16(request, uint16(port))
	if _, err := conn.Write(request); err != nil {
		return err
	}
	// Method, then reply with an address of its own: by name, IPv4 or IPv6.
	head := make([]byte, 2+4)
	if _, err := io.ReadFull(conn, head); err != nil {
		return err
	}
	if head[1] != 0 || head[3] != 0 {
		return fmt.Errorf("the proxy refuses: method %d, reply %d", head[1], head[3])
	}
	size := map[byte]int{1: 4, 4: 16}[head[5]]
	if size == 0 {
		return errors.New("the proxy answers with an address of an unknown kind")
	}
	_, err = io.ReadFull(conn, make([]byte, size+2))
	return err
}

func fetch(url, body string) answer {
	client := http.Client{Timeout: 10 * time.Second}
	request := func() (*http.Response, error) { return client.Get(url) }
	if body != "" {
		request = func() (*http.Response, error) {
			return client.Post(url, "application/json", strings.NewReader(body))
		}
	}
	response, err := request()
	if err != nil {
		return answer{Error: err.Error()}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return answer{Error: fmt.Sprintf("%s: %s: %v", url, response.Status, err)}
	}
	return answer{Text: string(text)}
}

// The other end: an agent as the test holds it.
type agent struct {
	*process
	mutex sync.Mutex
	in    io.Writer
	out   *json.Decoder
}

func startAgent(n *network, dir, host string, ports []string) (*agent, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := n.command(host, self)
	cmd.Env = append(os.Environ(), agentVariable+"="+host+" "+strings.Join(ports, ","))
	return converse(dir, "agent-"+host, cmd)
}

func converse(dir, name string, cmd *exec.Cmd) (*agent, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	reader, writer := io.Pipe()
	cmd.Stdout = writer
	p, err := start(dir, name, cmd)
	if err != nil {
		return nil, err
	}
	go func() {
		<-p.done
		_ = writer.CloseWithError(fmt.Errorf("%s ended", name))
	}()
	a := &agent{process: p, in: in, out: json.NewDecoder(reader)}
	var ready answer
	if err := a.out.Decode(&ready); err != nil {
		return nil, fmt.Errorf("%s: %w:\n%s", name, err, p.tail())
	}
	return a, nil
}

func (a *agent) do(o order) (answer, error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	var got answer
	if err := json.NewEncoder(a.in).Encode(o); err != nil {
		return got, fmt.Errorf("%s: %w", a.name, err)
	}
	if err := a.out.Decode(&got); err != nil {
		return got, fmt.Errorf("%s: %w:\n%s", a.name, err, a.tail())
	}
	if got.Error != "" {
		return got, fmt.Errorf("%s: %s", a.name, got.Error)
	}
	return got, nil
}
