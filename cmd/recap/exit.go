package main

import (
	"errors"
	"fmt"
)

// Exit codes; docs and scripts rely on them.
const (
	exitOK          = 0
	exitFailure     = 1 // failure or wrong usage
	exitIncomplete  = 3 // complete, but some input was cut, corrupt, missing from a stream, or met a limit
	exitOutput      = 4 // an output could not be written
	exitInterrupted = 5
	exitRefused     = 6 // replay refused by a safety rule
	exitVerdict     = 7 // the verdict of replay is FAILED
)

// A failure ends a command: with an exit code, what went wrong, and what to type next.
type failure struct {
	code int
	err  error // nil where everything worth saying has been said
	hint string
}

func (f *failure) Error() string {
	if f.err == nil {
		return fmt.Sprintf("exit code %d", f.code)
	}
	return f.err.Error()
}

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.err }

// wrong is a failure of usage: nothing has been read or written.
func wrong(hint, format string, args ...any) error {
	return &failure{code: exitFailure, err: fmt.Errorf(format, args...), hint: hint}
}

// exitCode returns the exit code that err stands for.
func exitCode(err error) int {
	var f *failure
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &f):
		return f.code
	default:
		return exitFailure
	}
}
