//go:build !linux

package mmsg
