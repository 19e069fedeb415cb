package main

import (
	"os/exec"
	"path/filepath"
)

// A tool is one command to time.
type tool struct {
	name    string
	ours    bool
	vxlan   bool // looks into VXLAN, or does not care what is in the file
	mayFail bool // ends with an exit code that says nothing about its speed
	args    func(capture, dir string) []string
}

// A peer is a tool that may not be installed.
type peer struct {
	tool
	binaries []string // names of it
	slow     bool
}

// tools returns what can be timed here, and what is left out and why.
func tools(o options) (list []tool, missing []string) {
	for _, p := range peers() {
		path := ""
		for _, name := range p.binaries {
			if found, err := exec.LookPath(name); err == nil {
				path = found
				break
			}
		}
		switch {
		case path == "":
			missing = append(missing, p.name+" (not installed)")
			continue
		case p.slow && !o.slow:
			missing = append(missing, p.name+" (only with --slow)")
			continue
		}
		args := p.args
		p.args = func(capture, dir string) []string { return append([]string{path}, args(capture, dir)...) }
		list = append(list, p.tool)
	}
	extract := func(name, formats string) tool {
		return tool{name: name, ours: true, vxlan: true, args: func(capture, dir string) []string {
			return []string{o.recap, "extract", "--progress", "never", "-f", formats, "-o", filepath.Join(dir, "out"), capture}
		}}
	}
	return append(list,
		tool{name: "recap info", ours: true, vxlan: true, args: func(capture, _ string) []string {
			return []string{o.recap, "info", "--progress", "never", capture}
		}},
		extract("recap extract -f parquet", "parquet"),
		extract("recap extract -f jsonl", "jsonl"),
		extract("recap extract (both)", "parquet,jsonl"),
	), missing
}

// peers are the commands that stand beside recap. Their output goes nowhere, or
// into a directory that is removed.
func peers() []peer {
	return []peer{
		{binaries: []string{"sha256sum"}, tool: tool{name: "sha256sum", vxlan: true,
			args: func(c, _ string) []string { return []string{c} }}},
		{binaries: []string{"tcpdump"}, tool: tool{name: "tcpdump -w /dev/null", vxlan: true,
			args: func(c, _ string) []string { return []string{"-r", c, "-w", "/dev/null"} }}},
		{binaries: []string{"httpry"}, tool: tool{name: "httpry (start lines only)",
			args: func(c, _ string) []string { return []string{"-r", c, "-o", "/dev/null"} }}},
		{binaries: []string{"suricata"}, tool: tool{name: "suricata", vxlan: true,
			args: func(c, d string) []string { return []string{"-r", c, "-l", d, "-S", "/dev/null", "-k", "none"} }}},
		{binaries: []string{"zeek"}, tool: tool{name: "zeek -C", vxlan: true,
			args: func(c, _ string) []string { return []string{"-C", "-r", c} }}},
		{binaries: []string{"goreplay", "gor"}, slow: true, tool: tool{name: "goreplay", mayFail: true,
			args: func(c, d string) []string {
				return []string{"--input-raw", c + ":80", "--input-raw-engine", "pcap_file", "--input-raw-track-response",
					"--output-file", filepath.Join(d, "out.gor")}
			}}},
		{binaries: []string{"tshark"}, slow: true, tool: tool{name: "tshark -T fields", vxlan: true,
			args: func(c, _ string) []string {
				return []string{"-n", "-r", c, "-Y", "http", "-T", "fields", "-e", "tcp.stream", "-e", "http.request.method",
					"-e", "http.request.uri", "-e", "http.response.code", "-e", "http.time"}
			}}},
	}
}
