package mesh

// Programs that run for the length of a test: their output in a file, their end awaited, killed by pid.

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

type process struct {
	name string
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

// Starts cmd with stderr, and stdout unless it is already taken, in a file of dir.
func start(dir, name string, cmd *exec.Cmd) (*process, error) {
	log := filepath.Join(dir, name+".log")
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cmd.Stderr = file
	if cmd.Stdout == nil {
		cmd.Stdout = file
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Asks the process to end, and kills its group when it has not after wait.
func (p *process) stop(wait time.Duration) {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(wait):
	}
	p.kill()
}

func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// The last lines that the process wrote, for an error message.
func (p *process) tail() string {
	text, _ := os.ReadFile(p.log)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// A process that announces on stdout, a JSON object a line, what it has done.
type announcer struct {
	*process
	lines chan map[string]any
}

func startAnnouncer(dir, name string, cmd *exec.Cmd) (*announcer, error) {
	// Not a StdoutPipe: Wait would close it before the last line is read.
	reader, writer := io.Pipe()
	cmd.Stdout = writer
	p, err := start(dir, name, cmd)
	if err != nil {
		return nil, err
	}
	a := &announcer{process: p, lines: make(chan map[string]any, 1000)}
	go func() {
		<-p.done
		_ = writer.Close()
	}()
	go func() {
		defer close(a.lines)
		scanner := bufio.NewScanner(reader)
		scanner.Buffer(nil, 16<<20)
		for scanner.Scan() {
			var line map[string]any
			if json.Unmarshal(scanner.Bytes(), &line) == nil {
				a.lines <- line
			}
		}
	}()
	return a, nil
}

// Waits for an announcement, at most limit.
func (a *announcer) await(event string, limit time.Duration) (map[string]any, error) {
	timeout := time.After(limit)
	for {
		select {
		case line, open := <-a.lines:
			if !open {
				return nil, fmt.Errorf("%s ended before %s:\n%s", a.name, event, a.tail())
			}
			if line["event"] == event {
				return line, nil
			}
		case <-timeout:
			return nil, fmt.Errorf("%s: no %s within %s:\n%s", a.name, event, limit, a.tail())
		}
	}
}

// Asks again and again until holds is true; the last refusal is in the error.
func eventually(limit time.Duration, what string, holds func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := holds()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s, not within %s: %w", what, limit, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
