package main

import (
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// What Grafana makes of the same lines, by its frames' JSON.
func TestFramesAreThoseOfGrafana(t *testing.T) {
	for _, example := range []struct{ lines, expected string }{
		{
			"m,h=a x=1i 1000000\nm,h=b x=2i,s=\"q\" 1000000\n",
			`{"values":[["h=a","h=b"],[1,1],[1,2],[null,"q"]]}`,
		},
		{"m,b=1,a=2 x=t 1000000", `{"values":[["a=2, b=1"],[1],[true]]}`},
		{"m x=\"NaN\" 0\nm x=2 0", `{"values":[["",""],[0,0],[null,2]]}`},
		{"m x=\"s\" 0\nm x=1.5 0\nm x=t 0", `{"values":[["","",""],[0,0,0],["s","1.5","true"]]}`},
		{"m x=1 0\nm x=\"s\" 0\nm y=3u 0", `{"values":[["","",""],[0,0,0],[1,null,null],[null,null,3]]}`},
	} {
		frames, err := framesOf([]byte(example.lines))
		if err != nil || len(frames) != 1 {
			t.Fatalf("%q: %v, %d frames", example.lines, err, len(frames))
		}
		json, err := data.FrameToJSON(frames[0], data.IncludeDataOnly)
		if err != nil || string(json) != `{"data":`+example.expected+`}` {
			t.Errorf("%q: %s %v", example.lines, json, err)
		}
	}
}

func TestMeasurementsAreFramesInTheirOrder(t *testing.T) {
	frames, err := framesOf([]byte("b x=1 1\na x=1 1\nb x=2 2\n"))
	if err != nil || len(frames) != 2 || frames[0].Name != "b" || frames[0].Rows() != 2 || frames[1].Name != "a" {
		t.Fatalf("%v %v", frames, err)
	}
	if _, err := framesOf([]byte("a x=1\nb x=\n")); err == nil {
		t.Fatal("a bad line is accepted")
	}
}
