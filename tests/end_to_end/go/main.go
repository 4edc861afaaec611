// A client around centrifuge-go: commands on stdin, events on stdout, as JSON lines; ends when stdin does.
// Run as `go-subscriber URL [OPTIONS]`; sdk_programs.py says what options, commands and events there are.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

const maxLineBytes = 1 << 20

// A map of what is told or asked; payloads inside are JSON texts.
type object map[string]any

var stdout sync.Mutex

func tell(event string, details object) {
	told := object{"event": event}
	for name, value := range details {
		told[name] = value
	}
	line, err := json.Marshal(told)
	if err != nil {
		fail(err)
	}
	stdout.Lock()
	defer stdout.Unlock()
	os.Stdout.Write(append(line, '\n'))
}

// What a program cannot go on after is for the test to see: an exit status, and why on stderr.
func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func main() {
	var options options
	if len(os.Args) > 2 {
		if err := json.Unmarshal([]byte(os.Args[2]), &options); err != nil {
			fail(err)
		}
	}
	client := newClient(os.Args[1], options)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, maxLineBytes)
	tell("ready", object{})
	for lines.Scan() {
		var command command
		if err := json.Unmarshal(lines.Bytes(), &command); err != nil {
			fail(err)
		}
		if err := run(client, command); err != nil {
			fail(err)
		}
	}
	client.Close()
}
