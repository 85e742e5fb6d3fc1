//go:build tools

// Package tools pins the Node language host. Newer ones are a module of their own, which no proxy serves.
package tools

import _ "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs"
