//go:build !linux

package caddymodule

import (
	"errors"
	"os/exec"
)

const canIsolate = false

func isolateProcess(*exec.Cmd, bool) {}

func limitProcess() error { return errors.New("this system has no such limits") }
