// The Node language host that the CLI starts as `pulumi-language-nodejs`.
//
// The newest host that a Go proxy serves as a package is older than the CLI: it takes its options as flags,
// where the CLI sends them with each request, and it cannot start policy packs. This program stands between
// the two: `Run` starts that host with the options of the request and hands the request on, `RunPlugin`
// starts Pulumi's own run-policy-pack or run-plugin with Node. Everything else is handed on as it is.
// Where Pulumi is installed as its makers ship it, none of this is used.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	sdk "github.com/pulumi/pulumi/sdk/v3"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
)

// hostBinary stands beside this one.
const hostBinary = "tickhub-language-host"

// messageBytesMax is what Pulumi's own channels allow.
const messageBytesMax = 400 << 20

type server struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	engine string

	mu    sync.Mutex
	hosts map[string]pulumirpc.LanguageRuntimeClient
}

// flags are the old host's, of the options that a project states.
func flags(info *pulumirpc.ProgramInfo) []string {
	var out []string
	options := info.GetOptions().AsMap()
	for _, name := range []string{"typescript", "tsconfig", "nodeargs"} {
		if value, stated := options[name]; stated {
			out = append(out, fmt.Sprintf("-%s=%v", name, value))
		}
	}
	return out
}

// host gives the older host that was started with these options.
func (s *server) host(info *pulumirpc.ProgramInfo) (pulumirpc.LanguageRuntimeClient, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	args := flags(info)
	key := strings.Join(args, " ")
	if client, running := s.hosts[key]; running {
		return client, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(filepath.Dir(self), hostBinary), append(args, s.engine)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(stdout)
	port, err := lines.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the host told no port: %w", err)
	}
	go func() {
		_, _ = io.Copy(os.Stdout, lines)
		_ = cmd.Wait()
	}()
	conn, err := grpc.NewClient("127.0.0.1:"+strings.TrimSpace(port),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageBytesMax)))
	if err != nil {
		return nil, err
	}
	s.hosts[key] = pulumirpc.NewLanguageRuntimeClient(conn)
	return s.hosts[key], nil
}

func (s *server) Run(ctx context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	host, err := s.host(req.Info)
	if err != nil {
		return nil, err
	}
	return host.Run(ctx, req)
}

func (s *server) GetRequiredPlugins(ctx context.Context, req *pulumirpc.GetRequiredPluginsRequest,
) (*pulumirpc.GetRequiredPluginsResponse, error) {
	host, err := s.host(req.Info)
	if err != nil {
		return nil, err
	}
	return host.GetRequiredPlugins(ctx, req)
}

func (s *server) GetProgramDependencies(ctx context.Context, req *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	host, err := s.host(req.Info)
	if err != nil {
		return nil, err
	}
	return host.GetProgramDependencies(ctx, req)
}

func (s *server) About(ctx context.Context, req *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	host, err := s.host(req.Info)
	if err != nil {
		return nil, err
	}
	return host.About(ctx, req)
}

func (s *server) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: "3.60.0"}, nil
}

// RunPlugin starts a policy pack, or a plugin written for Node, from the modules of its own folder.
func (s *server) RunPlugin(req *pulumirpc.RunPluginRequest,
	stream grpc.ServerStreamingServer[pulumirpc.RunPluginResponse],
) error {
	info := req.GetInfo()
	module := "@pulumi/pulumi/cmd/run-plugin"
	if req.Kind == "analyzer" {
		module = "@pulumi/pulumi/cmd/run-policy-pack"
	}
	locate := exec.CommandContext(stream.Context(), "node", "-p", "require.resolve('"+module+"')")
	locate.Dir = info.GetProgramDirectory()
	located, err := locate.Output()
	if err != nil {
		return fmt.Errorf("%s is not installed for %s: %w", module, locate.Dir, err)
	}
	args := []string{strings.TrimSpace(string(located))}
	// A policy pack's folder comes after the engine's address, any other plugin's before it.
	if req.Kind == "analyzer" {
		args = append(append(args, req.Args...), info.GetProgramDirectory())
	} else {
		args = append(append(args, info.GetProgramDirectory()), req.Args...)
	}
	closer, stdout, stderr, err := rpcutil.MakeRunPluginStreams(stream, false)
	if err != nil {
		return err
	}
	defer func() { _ = closer.Close() }()
	env := req.Env
	if typescript, stated := info.GetOptions().AsMap()["typescript"]; !stated || fmt.Sprint(typescript) == "true" {
		env = append(env, "PULUMI_NODEJS_TYPESCRIPT=true")
	}
	if req.Kind != "analyzer" {
		return run(stream.Context(), args, req.Pwd, env, stdout, stderr, nil)
	}
	// A pack reads the stack's config from its environment, and the engine tells it only to a pack that runs:
	// Pulumi's proxy answers in the pack's stead until then.
	proxy, stdout, err := sdk.NewPolicyProxy(stream.Context(), stdout)
	if err != nil {
		return err
	}
	config, err := proxy.AwaitConfiguration(stream.Context())
	if err != nil {
		return err
	}
	if config != nil {
		values, err := json.Marshal(config.Config)
		if err != nil {
			return err
		}
		env = append(env, "PULUMI_CONFIG="+string(values), "PULUMI_NODEJS_ORGANIZATION="+config.Organization,
			"PULUMI_NODEJS_PROJECT="+config.Project, "PULUMI_NODEJS_STACK="+config.Stack,
			fmt.Sprintf("PULUMI_NODEJS_DRY_RUN=%t", config.DryRun))
	}
	attach := func(cmd *exec.Cmd) error { return proxy.Attach(stream.Context(), cmd) }
	return run(stream.Context(), args, info.GetProgramDirectory(), env, stdout, stderr, attach)
}

// run starts Node and waits for its end, or hands the running process to `attach`.
func run(ctx context.Context, args []string, dir string, env []string, stdout, stderr io.Writer,
	attach func(*exec.Cmd) error,
) error {
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, stdout, stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	if attach != nil {
		return attach(cmd)
	}
	return cmd.Wait()
}

func main() {
	// What the CLI may pass beside the engine's address.
	for _, name := range []string{"tracing", "root", "tsconfig", "nodeargs", "typescript", "packagemanager"} {
		flag.String(name, "", "")
	}
	flag.Parse()
	gone := make(chan bool)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	// When the engine dies, so does this, and the host that was started here by the same means.
	if err := rpcutil.Healthcheck(ctx, flag.Arg(0), 5*time.Minute, cancel); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() { <-ctx.Done(); close(gone) }()
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: gone,
		Init: func(srv *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(srv,
				&server{engine: flag.Arg(0), hosts: map[string]pulumirpc.LanguageRuntimeClient{}})
			return nil
		},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%d\n", handle.Port)
	if err := <-handle.Done; err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
